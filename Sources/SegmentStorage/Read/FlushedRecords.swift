import StreamModel

/// The records that are in segments. Calls may come from any task; blocking work runs on the package's own threads.
package protocol FlushedRecords: Sendable {
    /// Records of `shard` with numbers in `range`, in order, beginning with the lowest that exists. Empty where none
    /// exists. Throws `corrupt`, `readFailed`.
    func read(_ shard: ShardState, _ range: ClosedRange<SequenceNumber>, maximumRecords: Int, maximumBytes: Int)
        async throws -> FlushedBatch
    /// The number of the first record that arrived at or after `time`; nil where no segment has one.
    func firstSequence(of shard: ShardState, arrivedAtOrAfter time: Timestamp) async throws -> SequenceNumber?
    /// The position of a reader of the records that arrived at or after `time`, where `kept` is the first one that is
    /// left, or would be the shard's next record: before the lost ranges that directly precede it.
    func position(of shard: ShardState, before kept: SequenceNumber, arrivedAtOrAfter time: Timestamp)
        -> SequenceNumber
}

/// The result of ``FlushedRecords/read(_:_:maximumRecords:maximumBytes:)``.
package struct FlushedBatch: Sendable {
    var batch = RecordBatch()
    /// A lost range. The batch ends before it or begins after it.
    var lost: ClosedRange<SequenceNumber>?
}

/// No segments: all records are in memory.
struct NoFlushedRecords: FlushedRecords {
    func read(
        _ shard: ShardState, _ range: ClosedRange<SequenceNumber>, maximumRecords: Int, maximumBytes: Int
    ) async throws -> FlushedBatch { FlushedBatch() }
    func firstSequence(of shard: ShardState, arrivedAtOrAfter time: Timestamp) async throws -> SequenceNumber? { nil }
    func position(of shard: ShardState, before kept: SequenceNumber, arrivedAtOrAfter time: Timestamp)
        -> SequenceNumber
    { LostRange.position(of: shard, before: kept, arrivedAtOrAfter: time, []) }
}
