import StreamModel

/// A stream that is measured where it is served: records are put and read, and no mapping of this process consumes them.
package protocol MeasuredStream: Sendable {
    /// The clocks of the run.
    var timeSource: any TimeSource { get }
    /// Puts records. One receipt for each record, in their order, with a shard below the number of shards.
    func put(_ records: [NewRecord]) async throws -> [PutReceipt]
    /// Calls `receive` with the records of a shard, from its first one on, as they come, until the task is cancelled.
    func read(_ shard: ShardID, _ receive: (RecordBatch) -> Void) async throws
}
