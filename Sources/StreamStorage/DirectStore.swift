import StreamModel

/// A store in this process that answers without a task of its own for each call: what a mapping of many shards asks
/// of it for every invocation.
///
/// The calls mean what ``StreamStore``'s do. Whoever has no use for them, such as a store across a network, is asked
/// by those.
package protocol DirectStore: StreamStore {
    /// A shard for whoever reads it again and again, found once. Throws `streamNotFound`, `shardNotFound`.
    func directShard(_ shard: ShardID, of stream: String) throws -> any DirectShard
    /// The newest claim on a mapping, without all of its checkpoints. Throws `streamNotFound`, `mappingNotFound`.
    func epoch(of mapping: MappingID) throws -> UInt64
    /// How long a stream's records are kept now. Throws `streamNotFound`.
    func retention(of stream: String) throws -> Duration
    /// As ``StreamStore/commit(_:urgency:)``, for changes without records. `body` is called once, on any thread, and
    /// must not block.
    func submit(
        _ changes: [Change], urgency: CommitUrgency,
        _ body: @escaping @Sendable (Result<CommitOutcome, any Error>) -> Void)
}

/// One shard of a ``DirectStore``. Its calls throw `streamNotFound` once the stream is deleted, and `closed`.
package protocol DirectShard: Sendable {
    /// What ``StreamStore/read(_:)`` finds without waiting, as long as it is in memory; nil where it may be elsewhere.
    func read(after position: SequenceNumber, maximumRecords: Int, maximumBytes: Int) throws -> ReadResult?
    /// Calls `body` once, on any thread, when there may be something behind the position; at once where there is, and
    /// in the end when the store is closed. It must not block.
    func whenAvailable(after position: SequenceNumber, _ body: @escaping @Sendable () -> Void) throws
}
