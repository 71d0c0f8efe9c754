import StreamModel

/// Follows a shard's records from one run to the next, and says where numbers are missing or go back.
struct ShardTrail {
    /// What stands between two runs, or before the first.
    enum Break: Hashable {
        /// Numbers that no run has.
        case missing(ClosedRange<UInt64>)
        /// Numbers that came before.
        case repeated(ClosedRange<UInt64>)
        /// The record with this number arrived before the one in front of it.
        case arrivedEarlier(UInt64)
    }

    /// The number of the last record, or the number before the shard's first.
    private(set) var last: UInt64
    private(set) var lastArrival = Int64.min
    private(set) var records: UInt64 = 0

    /// - Parameter origin: the number before the shard's first.
    init(origin: UInt64) { last = origin }

    /// Goes on with a run; the answer says what is wrong in front of it.
    ///
    /// Numbers that were jumped over (STORE-C4) are not missing; where some are missing too, they are the ones before
    /// the jump.
    mutating func follow(first: UInt64, count: UInt64, firstArrival: Int64, lastArrival: Int64) -> [Break] {
        var breaks: [Break] = []
        let end = first + count - 1
        if first <= last {
            breaks.append(.repeated(first...min(end, last)))
        } else {
            let missing = (first - last - 1) % Recovery.numberJump
            if missing > 0 { breaks.append(.missing(last + 1...last + missing)) }
        }
        if firstArrival < self.lastArrival { breaks.append(.arrivedEarlier(first)) }
        last = max(last, end)
        self.lastArrival = max(self.lastArrival, lastArrival)
        records += count
        return breaks
    }
}

/// Ranges of numbers without what other ranges hold.
enum NumberRanges {
    /// What of `range` is in none of `others`.
    static func subtract(
        _ others: [ClosedRange<UInt64>], from range: ClosedRange<UInt64>
    ) -> [ClosedRange<UInt64>] {
        var left: [ClosedRange<UInt64>] = []
        var first = range.lowerBound
        for other in others.sorted(by: { $0.lowerBound < $1.lowerBound })
        where other.upperBound >= first && other.lowerBound <= range.upperBound {
            if other.lowerBound > first { left.append(first...other.lowerBound - 1) }
            guard other.upperBound < range.upperBound else { return left }
            first = other.upperBound + 1
        }
        left.append(first...range.upperBound)
        return left
    }

    /// The same numbers in as few ranges as they can be in.
    static func merged(_ ranges: [ClosedRange<UInt64>]) -> [ClosedRange<UInt64>] {
        var merged: [ClosedRange<UInt64>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = merged.last, range.lowerBound <= last.upperBound &+ 1 {
                merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                merged.append(range)
            }
        }
        return merged
    }
}
