/// Set operations on ranges of numbers.
package enum NumberRanges {
    /// The parts of `range` that are in none of `others`.
    package static func subtract(
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

    /// The same numbers in as few ranges as possible.
    package static func merged(_ ranges: [ClosedRange<UInt64>]) -> [ClosedRange<UInt64>] {
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
