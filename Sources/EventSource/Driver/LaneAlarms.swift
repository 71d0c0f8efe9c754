import HeapModule
import StreamModel

/// The alarms of a worker's lanes: one task sleeps for all of them, until the next one is due.
final class LaneAlarms {
    private struct Alarm: Comparable {
        let time: MonotonicTime
        let shard: ShardID
        static func < (left: Alarm, right: Alarm) -> Bool { (left.time, left.shard) < (right.time, right.shard) }
    }

    private var alarms = Heap<Alarm>()
    /// Until when a task sleeps; nil: none does.
    private var sleeping: MonotonicTime?

    /// Sets an alarm. One that was set before stays: who is woken for nothing sets it anew.
    func set(_ shard: ShardID, _ time: MonotonicTime) { alarms.insert(Alarm(time: time, shard: shard)) }

    /// Until when a task has to begin to sleep now; nil: the one that sleeps wakes in time, or there is no alarm.
    func nextToSleepFor() -> MonotonicTime? {
        guard let next = alarms.min?.time, sleeping.map({ next < $0 }) ?? true else { return nil }
        sleeping = next
        return next
    }

    /// A task that slept until then has woken: the shards whose time has come.
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
