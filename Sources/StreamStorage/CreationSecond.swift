/// The second that counts as a shard's creation, which the sequence numbers' text holds: no two shards with the same number
/// have the same, deleted ones included, so that a number tells which stream it is of (API-Q-8).
package enum CreationSecond {
    /// Of all shards of a new stream.
    ///
    /// - Parameters:
    ///   - now: what the clock shows.
    ///   - retired: the latest that a shard had which is no longer there.
    ///   - taken: what shards with the same numbers have.
    package static func ofStream(now: UInt64, retired: UInt64?, taken: Set<UInt64>) -> UInt64 {
        // Rather before the clock than ahead of it, where records would count as having arrived in the future (API-Q-5).
        var second = now
        let earliest = retired.map { $0 + 1 } ?? 0
        while second > earliest, taken.contains(second) { second -= 1 }
        if second >= earliest, !taken.contains(second) { return second }
        return ofChildren(notBefore: now, retired: retired, taken: taken)
    }

    /// Of the children of a split or merge.
    ///
    /// - Parameters:
    ///   - first: the earliest that is later than every parent's.
    ///   - retired: the latest that a shard had which is no longer there.
    ///   - taken: what shards of other streams with the same numbers have.
    package static func ofChildren(notBefore first: UInt64, retired: UInt64?, taken: Set<UInt64>) -> UInt64 {
        var second = max(first, retired.map { $0 + 1 } ?? 0)
        while taken.contains(second) { second += 1 }
        return second
    }
}
