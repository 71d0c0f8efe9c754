public import StreamModel

/// A shard of a mapping that delivers nothing until an operator acts, because the attempts for some of its records are used
/// up (ESM-N3).
public struct PausedShard: Hashable, Sendable {
    /// The shard.
    public let shard: ShardID
    /// Since when.
    public let since: Timestamp
    /// Why the records could not be processed.
    public let cause: FailureCause
    /// The partition key of the first of the records.
    public let partitionKey: String
    /// The sequence number of the first of the records, which are consecutive in their lane.
    public let sequenceNumber: KinesisSequenceNumber
    /// The number of the records; 0 for the final invocation of a tumbling window.
    public let recordCount: Int

    /// The lane of the records, and their first and last number, by which they are found again after a crash.
    package let lane: Int
    /// How many lanes the shard had.
    package let laneCount: Int
    package let first: SequenceNumber
    package let last: SequenceNumber
    /// The arrival of the first of the records.
    package let arrival: Timestamp

    package init(
        shard: ShardID, since: Timestamp, cause: FailureCause, lane: Int, of laneCount: Int,
        first: SequenceNumber, last: SequenceNumber, recordCount: Int, head: LaneCore.RecordName
    ) {
        self.shard = shard
        self.since = since
        self.cause = cause
        self.lane = lane
        self.laneCount = laneCount
        self.first = first
        self.last = last
        self.recordCount = recordCount
        partitionKey = head.partitionKey
        sequenceNumber = head.number
        arrival = head.arrival
    }

    /// The first record.
    package var head: LaneCore.RecordName {
        LaneCore.RecordName(partitionKey: partitionKey, number: sequenceNumber, arrival: arrival)
    }
}

/// An operator's decision about paused shards (ESM-N3).
package struct ResumeOrder: Hashable, Sendable {
    /// The pauses that are meant, by shard and time: an order that is carried out late, or again, does not mean a later pause.
    package var pauses: [ShardID: Timestamp]
    /// Whether the records that paused the shards are given up in place of being tried again.
    package var givesUp: Bool

    package init(_ paused: [PausedShard], givesUp: Bool) {
        pauses = Dictionary(paused.map { ($0.shard, $0.since) }) { first, _ in first }
        self.givesUp = givesUp
    }

    package init(pauses: [ShardID: Timestamp], givesUp: Bool) {
        self.pauses = pauses
        self.givesUp = givesUp
    }

    /// Whether a paused shard is meant.
    package func contains(_ paused: PausedShard) -> Bool { pauses[paused.shard] == paused.since }
}
