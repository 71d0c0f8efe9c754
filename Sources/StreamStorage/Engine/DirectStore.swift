import StreamModel

/// A store in this process that answers without a task for each call. A mapping of many shards uses these calls for
/// every invocation.
///
/// The calls mean the same as those of ``StoreEngine``. A store that doesn't implement them, such as one across a
/// network, is used through ``StoreEngine``.
package protocol DirectStore: StoreEngine {
    /// A shard for repeated reads, looked up once. Throws `streamNotFound`, `shardNotFound`.
    func directShard(_ shard: ShardID, of stream: String) throws -> any DirectShard
    /// As ``StoreEngine/summarizeMapping(_:)``.
    func summary(of mapping: MappingID) throws -> MappingSummary
    /// As ``StoreEngine/commit(_:urgency:)``, for changes without records. `body` is called once, on any thread, and
    /// must not block.
    func submit(
        _ changes: [Change], urgency: CommitUrgency,
        _ body: @escaping @Sendable (Result<CommitOutcome, any Error>) -> Void)
}

/// One shard of a ``DirectStore``. Its calls throw `streamNotFound` once the stream is deleted, and `closed`.
package protocol DirectShard: Sendable {
    /// The result of ``StoreEngine/read(_:)`` without waiting, where it is in memory; nil where it may be on disk.
    func read(after position: SequenceNumber, maximumRecords: Int, maximumBytes: Int) throws -> ReadResult?
    /// Calls `body` once, on any thread, when there may be records after the position: at once where there are, and at
    /// the latest when the store is closed. `body` must not block.
    func whenAvailable(after position: SequenceNumber, _ body: @escaping @Sendable () -> Void) throws
}
