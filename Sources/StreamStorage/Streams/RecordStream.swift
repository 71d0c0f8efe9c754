public import StreamModel

/// A stream of a store, by name: where records are put, read and looked at. Made by ``StreamStore/stream(_:)``.
///
/// It is a name and a store, so it may be kept, copied and sent to tasks. All calls may be made on any thread.
public struct RecordStream: Sendable {
    /// The store that the stream is in.
    public var store: any StreamStore { engine }
    /// The stream's name.
    public let name: String

    package let engine: any StoreEngine

    package init(engine: any StoreEngine, name: String) {
        self.engine = engine
        self.name = name
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

    /// Puts one record of bytes in another form, such as Foundation's `Data`, and returns when it is durable. Throws as
    /// `put(_:partitionKey:explicitHashKey:)`.
    @discardableResult
    public func put(
        _ data: some Sequence<UInt8>, partitionKey: String, explicitHashKey: HashKey? = nil
    ) async throws -> PutReceipt {
        try await put(Array(data), partitionKey: partitionKey, explicitHashKey: explicitHashKey)
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
        return try await traced(records.count) { try await append(records) }
    }

    private func append(_ records: [NewRecord]) async throws -> [PutReceipt] {
        switch try await engine.commit([.append(Append(records, to: name))]) {
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
