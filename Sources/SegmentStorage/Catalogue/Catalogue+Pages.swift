import StreamModel
import StreamStorage

extension StreamState {
    /// A closed shard in the order of closing.
    package struct ClosedShard: Sendable, Hashable, Comparable {
        let closedAt: Timestamp
        let shard: ShardNumber

        package static func < (left: Self, right: Self) -> Bool {
            (left.closedAt, left.shard) < (right.closedAt, right.shard)
        }
    }

    /// Notes that an open shard was closed.
    mutating func noteClosing(of shard: ShardNumber, at time: Timestamp) {
        let closed = ClosedShard(closedAt: time, shard: shard)
        // Only a clock that was set back closes a shard before one that is closed already.
        if closedShards.last.map({ $0 < closed }) ?? true {
            closedShards.append(closed)
        } else {
            closedShards.insert(closed, at: closedShards.firstIndex(after: closed))
        }
    }

    /// The number of listed shards (API-R-4), without a walk over them.
    func listedShardCount(at now: Timestamp) -> Int {
        let expiry = expiry(at: now)
        return shards.count - closedShards.firstIndex(after: ClosedShard(closedAt: expiry, shard: ShardNumber(.max)))
    }

    /// The stream as a page of streams shows it.
    func summary(in store: StoreID, at now: Timestamp) -> StreamSummary {
        StreamSummary(
            name: name, id: id(in: store), createdAt: createdAt, retention: retention,
            maximumRecordSize: maximumRecordSize, isFailureStream: isFailureStream, openShardCount: openShards.count,
            shardCount: listedShardCount(at: now))
    }
}

extension [StreamState.ClosedShard] {
    /// The index of the first element after `element`.
    fileprivate func firstIndex(after element: Element) -> Int {
        var (low, high) = (0, count)
        while low < high {
            let middle = (low + high) / 2
            if self[middle] <= element { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

extension Catalogue {
    /// The shards of a page, by number, and whether more follow.
    func listedShards(
        of stream: StreamState, _ query: ShardQuery, at now: Timestamp
    ) -> (shards: [ShardState], hasMore: Bool) {
        let expiry = stream.expiry(at: now)
        var (found, hasMore): ([ShardState], Bool) = ([], false)
        /// Adds the shard, if it is one of them. Returns whether the page is full.
        func add(_ id: ShardID) -> Bool {
            guard let key = stream.shards[id], let shard = shards[key], !shard.isRemoved(by: expiry),
                !(query.openOnly && shard.closedAt != nil)
            else { return false }
            hasMore = found.count == query.limit
            if !hasMore { found.append(shard) }
            return hasMore
        }
        let first = query.after.map { $0.number + 1 } ?? 0
        guard first < stream.nextShardNumber else { return ([], false) }
        let count = query.openOnly ? stream.openShards.count : stream.shards.count
        if Int(stream.nextShardNumber - first) <= 4 * count {
            for number in first..<stream.nextShardNumber where add(ShardID(number)) { break }
        } else {
            // Most numbers belong to removed shards.
            let ids = query.openOnly ? stream.openShards.map(\.id) : Array(stream.shards.keys)
            for id in ids.filter({ $0.number >= first }).sorted() where add(id) { break }
        }
        return (found, hasMore)
    }
}

/// The names of a catalogue's streams, sorted at the first use and kept in order from then on.
struct StreamNames: Sendable {
    private var sorted: [UTF8Key]?

    /// Follows an entry. `catalogue` is the one before the entry is applied.
    mutating func note(_ entry: Entry, in catalogue: Catalogue) {
        switch entry {
        case .streamCreated(let created): change(UTF8Key(created.name), isThere: true)
        case .streamDeleted(let key):
            if let stream = catalogue.streams[key] { change(UTF8Key(stream.name), isThere: false) }
        default: break
        }
    }

    private mutating func change(_ name: UTF8Key, isThere: Bool) {
        // Taken out, so that it is changed in place.
        guard var names = sorted.take() else { return }
        let place = Self.firstIndex(in: names) { $0 >= name }
        let isKnown = place < names.count && names[place] == name
        if isThere, !isKnown { names.insert(name, at: place) }
        if !isThere, isKnown { names.remove(at: place) }
        sorted = names
    }

    /// The names of a page, and whether more follow.
    mutating func page(_ query: StreamQuery, of catalogue: Catalogue) -> (names: [UTF8Key], hasMore: Bool) {
        let names = sorted ?? catalogue.names.keys.sorted()
        sorted = names
        let (after, prefix) = (query.after.map { UTF8Key($0) }, UTF8Key(query.prefix))
        let first = Self.firstIndex(in: names) { name in name >= prefix && after.map { $0 < name } ?? true }
        // Names with the prefix are neighbours. One more than asked for tells whether more follow.
        let found = names[first...].lazy.prefix { $0.string.utf8.starts(with: prefix.string.utf8) }
            .filter { query.takes($0.string) }.prefix(query.limit + 1)
        let page = Array(found)
        return (Array(page.prefix(query.limit)), page.count > query.limit)
    }

    /// The first index whose name fulfils the condition, which all after it do too.
    private static func firstIndex(in names: [UTF8Key], where isAtOrAfter: (UTF8Key) -> Bool) -> Int {
        var (low, high) = (0, names.count)
        while low < high {
            let middle = (low + high) / 2
            if isAtOrAfter(names[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
