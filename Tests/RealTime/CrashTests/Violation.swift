import CrashChild

/// A promise that a store or a mapping has broken.
enum Violation: Hashable {
    /// It was acknowledged, and isn't there.
    case acknowledgedIsMissing(Place)
    /// It was acknowledged with other data, or twice for different records.
    case acknowledgedIsChanged(Place)
    /// It had been seen, by a function or an earlier audit, and isn't there or has other data.
    case seenIsGone(Place)
    /// Its data is not what any producer wrote, or its key is another.
    case damaged(Place)
    /// The shard's numbers do not go on with the expected one.
    case numbersJump(ShardName, expected: UInt64, found: UInt64)
    /// The counters of one producer, stream and key do not go on with the expected one: lost, twice or out of order.
    case countersJump(Place, Stamp, expected: Int)
    /// A record of a later put, or of the same put but a later place in it, is before this one in its shard.
    case outOfOrder(Place, Stamp)
    /// The records of a key are in two shards.
    case keyInTwoShards(Place, other: ShardName)
    /// A put is there in part.
    case torn(producer: String, call: Int, found: Int, of: Int)
    /// The checkpoint is past records that no function has handled.
    case checkpointPastUndone(ShardName, checkpoint: UInt64, done: UInt64)
    /// The checkpoint went back.
    case checkpointWentBack(ShardName, from: UInt64, to: UInt64)
    /// A process did not go on after the checkpoint, or after the records before.
    case wrongDelivery(Place, expected: UInt64)
    /// The function was given something else than what is in the log.
    case wrongContent(Place, count: Int)
    /// The checkpoint is past a record that was given up, and there is no document of it.
    case documentMissing(of: Place)
    /// There are several documents of one record.
    case documentRepeated(of: Place, times: Int)
    /// There is a document of a record that was not given up, or not yet.
    case documentUnfounded(of: Place)
    /// After everything was to be handled the mapping is not done.
    case notDrained(ShardName, checkpoint: UInt64, last: UInt64)
    /// The audit did not come to its end.
    case auditUnfinished
    /// A process says so itself.
    case complaint(String)
}
