import StreamModel

/// The records that have left memory. Calls may come from any task; what blocks runs on threads of its own.
package protocol FlushedRecords: Sendable {
    /// Records of `shard` with numbers in `range`, in order, beginning with the lowest that there is. Empty: there
    /// is none. Throws `corrupt`, `readFailed`.
    func read(_ shard: ShardState, _ range: ClosedRange<SequenceNumber>, maximumRecords: Int, maximumBytes: Int)
        async throws -> FlushedBatch
    /// The number of the first record that arrived at or after `time`; nil where the past has none.
    func firstSequence(of shard: ShardState, arrivedAtOrAfter time: Timestamp) async throws -> SequenceNumber?
    /// Where a reader of what arrived at or after `time` begins, if `kept` is the first record that is left of it, or
    /// would be the shard's next one: before what damage has taken from in front of it.
    func position(of shard: ShardState, before kept: SequenceNumber, arrivedAtOrAfter time: Timestamp)
        -> SequenceNumber
}

/// What ``FlushedRecords/read(_:_:maximumRecords:maximumBytes:)`` found.
package struct FlushedBatch: Sendable {
    var batch = RecordBatch()
    /// Numbers that were given up after damage; the batch ends before them or begins behind them.
    var lost: ClosedRange<SequenceNumber>?
}

/// No past: everything is in memory.
struct NoFlushedRecords: FlushedRecords {
    func read(
        _ shard: ShardState, _ range: ClosedRange<SequenceNumber>, maximumRecords: Int, maximumBytes: Int
    ) async throws -> FlushedBatch { FlushedBatch() }
    func firstSequence(of shard: ShardState, arrivedAtOrAfter time: Timestamp) async throws -> SequenceNumber? { nil }
    func position(of shard: ShardState, before kept: SequenceNumber, arrivedAtOrAfter time: Timestamp)
        -> SequenceNumber
    { LostRange.position(of: shard, before: kept, arrivedAtOrAfter: time, []) }
}
