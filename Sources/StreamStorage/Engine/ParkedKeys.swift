public import StreamModel

/// A partition key that a mapping has parked, as the store keeps it.
public struct StoredParkedKey: Hashable, Sendable {
    /// The shard that the key's records are in.
    public var shard: ShardID
    /// The partition key: 0 to 1,024 bytes of UTF-8. Keys are compared by their bytes.
    public var partitionKey: String {
        get { key.string }
        set { key = UTF8Key(newValue) }
    }
    private var key: UTF8Key
    /// What the mapping keeps of it: 1 to 8,192 bytes, opaque to the store.
    public var value: [UInt8]

    /// A parked key with these facts.
    public init(shard: ShardID, partitionKey: String, value: [UInt8]) {
        self.shard = shard
        key = UTF8Key(partitionKey)
        self.value = value
    }
}

/// Which parked keys are asked for.
public struct ParkedKeyQuery: Hashable, Sendable {
    /// The place of a parked key in their order: by the shard's number, then by the key's UTF-8 bytes.
    public struct Place: Hashable, Comparable, Sendable {
        /// The shard that the key's records are in.
        public var shard: ShardID
        /// The partition key.
        public var partitionKey: String {
            get { key.string }
            set { key = UTF8Key(newValue) }
        }
        fileprivate var key: UTF8Key

        /// The place of this key in this shard.
        public init(shard: ShardID, partitionKey: String) {
            self.shard = shard
            key = UTF8Key(partitionKey)
        }

        /// By shard, then by the key's bytes.
        public static func < (left: Place, right: Place) -> Bool {
            (left.shard, left.key) < (right.shard, right.key)
        }
    }

    /// The mapping whose parked keys are asked for.
    public var mapping: MappingID
    /// Only those of this shard. Default: of all shards. A shard without parked keys has an empty page, also where the
    /// stream has no such shard.
    public var shard: ShardID?
    /// Only those after this place, which need not be one of a parked key. Default: from the first one.
    public var after: Place?
    /// At most this many: 1 to 1,000. Default: 1,000.
    public var limit: Int

    /// A query with these facts.
    public init(_ mapping: MappingID, shard: ShardID? = nil, after: Place? = nil, limit: Int = 1_000) {
        self.mapping = mapping
        self.shard = shard
        self.after = after
        self.limit = limit
    }

    /// Throws `invalidArgument` for values outside their limits.
    public func validate() throws {
        guard (1...1_000).contains(limit) else {
            throw ShardlineError(.invalidArgument, "a page of parked keys has 1 to 1,000, not \(limit)")
        }
    }

    /// Whether keys of this shard may be on the page.
    fileprivate func includes(_ shard: ShardID) -> Bool {
        (self.shard.map { $0 == shard } ?? true) && (after.map { $0.shard <= shard } ?? true)
    }
}

/// Parked keys of a mapping as they were at one moment: by the shard's number, then by the key's UTF-8 bytes.
public struct ParkedKeyPage: Hashable, Sendable {
    /// The parked keys.
    public var keys: [StoredParkedKey]
    /// Where the next page begins: ask again after this place. nil: no more follow.
    public var next: ParkedKeyQuery.Place?

    /// A page with these facts.
    public init(keys: [StoredParkedKey], next: ParkedKeyQuery.Place?) {
        self.keys = keys
        self.next = next
    }

    /// The page of `query` from the parked keys of its mapping. It sorts the keys of the shards on the page, those of no
    /// other shard.
    ///
    /// - Parameter parked: the shards that have parked keys, in any order, with what is kept by key.
    package init<Kept>(
        _ query: ParkedKeyQuery, of parked: [(shard: ShardID, keys: [UTF8Key: Kept])], value: (Kept) -> [UInt8]
    ) {
        self.init(keys: [], next: nil)
        let shards = parked.filter { query.includes($0.shard) && !$0.keys.isEmpty }.sorted { $0.shard < $1.shard }
        for (shard, kept) in shards {
            let after = query.after.flatMap { $0.shard == shard ? $0.key : nil }
            // Keys alone, whose order needs no types that are known only where this is called.
            var left = kept.keys.map { $0 }
            if let after { left.removeAll { $0 <= after } }
            let room = query.limit - keys.count
            if room > 0 {
                left.sort()
                keys += left.prefix(room).map { key in
                    StoredParkedKey(shard: shard, partitionKey: key.string, value: value(kept[key]!))
                }
            }
            guard left.count > room else { continue }
            next = keys.last.map { ParkedKeyQuery.Place(shard: $0.shard, partitionKey: $0.partitionKey) }
            return
        }
    }
}

extension ParkedKeyChange {
    /// The bytes that a value may have.
    package static let valueSize = 1...8_192
    /// The most bytes of a partition key: those of the longest key that a record can have, in UTF-8.
    package static let largestKey = Limits.partitionKeyLength.upperBound * 4

    /// The bytes of key and value.
    package var byteCount: Int { partitionKey.utf8.count + (value?.count ?? 0) }

    /// Throws `invalidArgument` for values outside their limits.
    package func validate() throws {
        guard partitionKey.utf8.count <= Self.largestKey else {
            throw ShardlineError(
                .invalidArgument,
                "a parked partition key has at most 1,024 bytes of UTF-8, not \(partitionKey.utf8.count)")
        }
        guard let value, !Self.valueSize.contains(value.count) else { return }
        throw ShardlineError(.invalidArgument, "a parked key has a value of 1 to 8,192 bytes, not \(value.count)")
    }
}

extension StoreEngine {
    /// For engines that park no keys: an empty page.
    public func parkedKeys(_ query: ParkedKeyQuery) async throws -> ParkedKeyPage {
        ParkedKeyPage(keys: [], next: nil)
    }
}
