/// The creation second of a shard, which is part of its sequence numbers' text. No two shards with the same number,
/// deleted ones included, have the same second, so a sequence number identifies its stream (API-Q-8).
package enum CreationSecond {
    /// The second of all shards of a new stream.
    ///
    /// - Parameters:
    ///   - now: the clock's time.
    ///   - retired: the latest second of a shard that no longer exists.
    ///   - taken: the seconds of shards with the same numbers.
    package static func ofStream(now: UInt64, retired: UInt64?, taken: Set<UInt64>) -> UInt64 {
        // Before the clock if possible: after it, records would count as having arrived in the future (API-Q-5).
        var second = now
        let earliest = retired.map { $0 + 1 } ?? 0
        while second > earliest, taken.contains(second) { second -= 1 }
        if second >= earliest, !taken.contains(second) { return second }
        return ofChildren(notBefore: now, retired: retired, taken: taken)
    }

    /// The second of the children of a split or merge.
    ///
    /// - Parameters:
    ///   - first: the earliest second that is later than every parent's.
    ///   - retired: the latest second of a shard that no longer exists.
    ///   - taken: the seconds of shards of other streams with the same numbers.
    package static func ofChildren(notBefore first: UInt64, retired: UInt64?, taken: Set<UInt64>) -> UInt64 {
        var second = max(first, retired.map { $0 + 1 } ?? 0)
        while taken.contains(second) { second += 1 }
        return second
    }
}
