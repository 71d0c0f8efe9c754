import HeapModule
import StreamModel

/// The alarms of a worker's lanes. One task sleeps until the next alarm is due. Used in the worker's task only.
final class LaneAlarms {
    private struct Alarm: Comparable {
        let time: MonotonicTime
        let shard: ShardID
        static func < (left: Alarm, right: Alarm) -> Bool { (left.time, left.shard) < (right.time, right.shard) }
    }

    private var alarms = Heap<Alarm>()
    /// The moment at which the sleeping task wakes; nil without one.
    private var sleeping: MonotonicTime?

    /// Adds an alarm. Earlier ones stay: a lane that is woken too early sets its alarm again.
    func set(_ shard: ShardID, _ time: MonotonicTime) { alarms.insert(Alarm(time: time, shard: shard)) }

    /// The moment until which a new task has to sleep; nil if the sleeping task wakes in time or no alarm is set.
    func nextToSleepFor() -> MonotonicTime? {
        guard let next = alarms.min?.time, sleeping.map({ next < $0 }) ?? true else { return nil }
        sleeping = next
        return next
    }

    /// Called when the task that slept until `time` has woken. Returns the shards whose alarms are due.
    func woke(for time: MonotonicTime, at now: MonotonicTime) -> [ShardID] {
        if sleeping == time { sleeping = nil }
        var due: [ShardID] = []
        while let next = alarms.min, next.time <= now {
            due.append(next.shard)
            alarms.removeMin()
        }
        return due
    }
}
