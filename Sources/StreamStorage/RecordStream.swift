import Logging
public import StreamModel

/// A stream of a store, by name: where records are put. Made by ``StreamStore/stream(_:)``.
public struct RecordStream: Sendable {
    /// The store that the stream is in.
    public let store: any StreamStore
    /// The stream's name.
    public let name: String

    init(store: any StreamStore, name: String) {
        self.store = store
        self.name = name
    }
}

extension StreamStore {
    /// The stream of this name, whether or not it exists yet; its calls throw `streamNotFound` until it does.
    public func stream(_ name: String) -> RecordStream { RecordStream(store: self, name: name) }

    /// Creates a stream, durably. Throws `streamExists`, `invalidArgument`.
    ///
    /// - Parameters:
    ///   - name: 1 to 128 characters of `[a-zA-Z0-9_.-]`.
    ///   - shards: 1 to 10,000.
    ///   - retention: how long records are kept; 1 second to 365 days, 24 hours by default.
    ///   - maximumRecordSize: the most bytes of data in one record; up to 10 MiB, 1 MiB by default.
    @discardableResult
    public func createStream(
        _ name: String, shards: Int, retention: Duration = Limits.defaultRetention,
        maximumRecordSize: Int = Limits.defaultRecordSize
    ) async throws -> StreamDescription {
        try await createStream(
            name,
            settings: StreamSettings(shards: shards, retention: retention, maximumRecordSize: maximumRecordSize))
    }

    /// Creates a stream, durably, unless one of this name exists. An existing stream stays unchanged, whatever its
    /// shards and settings; the returned description shows them. A program can therefore call this at every start.
    ///
    /// Where the existing stream was created with other shards or settings, the store's ``logger`` gets a warning. That
    /// is no error, because streams are split and merged, and their settings change.
    ///
    /// The parameters are those of ``createStream(_:shards:retention:maximumRecordSize:)``, and must be within their
    /// limits even where the stream exists. nil means the default; for an existing stream, nil matches any value.
    /// Throws `invalidArgument`.
    ///
    /// - Returns: the stream that was created, or the existing one.
    @discardableResult
    public func createStreamIfNeeded(
        _ name: String, shards: Int, retention: Duration? = nil, maximumRecordSize: Int? = nil
    ) async throws -> StreamDescription {
        do {
            return try await createStream(
                name, shards: shards, retention: retention ?? Limits.defaultRetention,
                maximumRecordSize: maximumRecordSize ?? Limits.defaultRecordSize)
        } catch let error as ShardlineError where error.code == .streamExists {
            let stream = try await describeStream(name)
            if let difference = stream.differenceOfCreation(
                shards: shards, retention: retention, maximumRecordSize: maximumRecordSize)
            {
                logger.warning("\(difference)")
            }
            return stream
        }
    }
}

extension RecordStream {
    /// Puts one record and returns when it is durable.
    ///
    /// Throws `invalidArgument` (a bad key), `recordTooLarge`, `streamNotFound`, `diskFull`, `storeFailed`,
    /// `ownerGone`, `closed`: the record was certainly not written. Throws `outcomeUnknown`: it may have been.
    @discardableResult
    public func put(
        _ data: [UInt8], partitionKey: String, explicitHashKey: HashKey? = nil
    ) async throws -> PutReceipt {
        try await put(contentsOf: [
            NewRecord(data, partitionKey: partitionKey, explicitHashKey: explicitHashKey)
        ])[0]
    }

    /// Puts one record of text, in UTF-8, and returns when it is durable. Throws as
    /// `put(_:partitionKey:explicitHashKey:)`.
    @discardableResult
    public func put(
        _ text: some StringProtocol, partitionKey: String, explicitHashKey: HashKey? = nil
    ) async throws -> PutReceipt {
        try await put(Array(text.utf8), partitionKey: partitionKey, explicitHashKey: explicitHashKey)
    }

    /// Puts records in one commit, all or none, and returns when they are durable: one receipt for each record, in
    /// order.
    ///
    /// At most 64 MiB of keys and data a call. Throws as `put(_:partitionKey:explicitHashKey:)`, and `commitTooLarge`.
    @discardableResult
    public func put(contentsOf records: [NewRecord]) async throws -> [PutReceipt] {
        guard !records.isEmpty else { return [] }
        switch try await store.commit([.append(Append(records, to: name))]) {
        case .committed(let receipts):
            guard case .appended(let puts) = receipts[0] else {
                throw ShardlineError(.storeFailed, "the store answered an append with something else")
            }
            return puts
        case .unknown(let cause):
            throw ShardlineError(
                .outcomeUnknown,
                "whether the records were written to '\(name)' is not known; read the stream before sending them again",
                cause: cause)
        case .conflict, .sealed:
            throw ShardlineError(.storeFailed, "the store refused an append by key as if it had named a shard")
        }
    }
}
