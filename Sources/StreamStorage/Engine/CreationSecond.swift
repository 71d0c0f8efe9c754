/// The creation second of a shard, which is part of its sequence numbers' text. No two shards with the same number,
/// deleted ones included, have the same second, so a sequence number identifies its stream (API-Q-8).
package enum CreationSecond {
    /// The second of all shards of a new stream.
    ///
    /// - Parameters:
    ///   - now: the clock's time.
    ///   - retired: the seconds of shards that no longer exist.
    ///   - taken: the seconds of shards with the same numbers.
    package static func ofStream(now: UInt64, retired: RetiredSeconds, taken: Set<UInt64>) -> UInt64 {
        // Before the clock if possible: after it, records would count as having arrived in the future (API-Q-5).
        var next: UInt64? = now
        while let second = next {
            if let range = retired.range(of: second) {
                next = range.lowerBound == 0 ? nil : range.lowerBound - 1
            } else if taken.contains(second) {
                next = second == 0 ? nil : second - 1
            } else {
                return second
            }
        }
        return ofChildren(notBefore: now, retired: retired, taken: taken)
    }

    /// The second of the children of a split or merge.
    ///
    /// - Parameters:
    ///   - first: the earliest second that is later than every parent's.
    ///   - retired: the seconds of shards that no longer exist.
    ///   - taken: the seconds of shards of other streams with the same numbers.
    package static func ofChildren(notBefore first: UInt64, retired: RetiredSeconds, taken: Set<UInt64>) -> UInt64 {
        var second = first
        while true {
            if let range = retired.range(of: second) {
                second = range.upperBound + 1
            } else if taken.contains(second) {
                second += 1
            } else {
                return second
            }
        }
    }
}

/// The creation seconds of shards that no longer exist, none of which is given out again, as a bounded number of ranges.
/// Where there would be more, the two with the fewest seconds between them become one: those seconds are lost, which
/// are few. The latest second alone would not do: after a shard that was created with the clock far ahead, every stream
/// of the store would begin, and its records arrive, in the future.
package struct RetiredSeconds: Hashable, Sendable {
    /// The most ranges that are kept.
    package static let mostRanges = 64

    /// The ranges in order; none touches the next one.
    package private(set) var ranges: [ClosedRange<UInt64>] = []

    /// No seconds.
    package init() {}

    /// The latest second; nil where there is none.
    package var latest: UInt64? { ranges.last?.upperBound }

    /// The range that `second` lies in; nil where no removed shard can have it.
    package func range(of second: UInt64) -> ClosedRange<UInt64>? {
        ranges.last { $0.lowerBound <= second }.flatMap { $0.contains(second) ? $0 : nil }
    }

    /// Adds the second of a shard that was removed.
    package mutating func insert(_ second: UInt64) { insert(second...second) }

    /// Adds all seconds of `range`.
    package mutating func insert(_ range: ClosedRange<UInt64>) {
        let (first, last) = (range.lowerBound, range.upperBound)
        let touching = ranges.filter {
            $0.lowerBound <= (last == .max ? last : last + 1) && $0.upperBound >= (first == 0 ? 0 : first - 1)
        }
        ranges.removeAll { touching.contains($0) }
        let joined = touching.reduce(range) {
            min($0.lowerBound, $1.lowerBound)...max($0.upperBound, $1.upperBound)
        }
        ranges.insert(joined, at: ranges.firstIndex { $0.lowerBound > joined.upperBound } ?? ranges.endIndex)
        guard ranges.count > Self.mostRanges else { return }
        let gaps = ranges.indices.dropFirst().map { ranges[$0].lowerBound - ranges[$0 - 1].upperBound }
        let nearest = gaps.indices.min { gaps[$0] < gaps[$1] } ?? 0
        let whole = ranges[nearest].lowerBound...ranges[nearest + 1].upperBound
        ranges.replaceSubrange(nearest...nearest + 1, with: [whole])
    }
}
