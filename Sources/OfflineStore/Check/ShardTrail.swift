import SegmentStorage
import StreamModel

/// Follows a shard's records from run to run, and reports missing or repeated numbers and decreasing arrival times.
struct ShardTrail {
    /// What is wrong between two runs or before the first.
    enum Break: Hashable {
        /// Numbers that no run has.
        case missing(ClosedRange<UInt64>)
        /// Numbers that an earlier run has too.
        case repeated(ClosedRange<UInt64>)
        /// The record with this number has an earlier arrival time than the one before.
        case arrivedEarlier(UInt64)
    }

    /// The number of the last record, or the number before the shard's first.
    private(set) var last: UInt64
    private(set) var lastArrival = Int64.min
    private(set) var records: UInt64 = 0

    /// - Parameter origin: the number before the shard's first.
    init(origin: UInt64) { last = origin }

    /// Adds a run; returns what is wrong before it.
    ///
    /// Numbers that a jump skipped (STORE-C4) are not missing. Missing numbers are counted as those before the jump.
    mutating func follow(first: UInt64, count: UInt64, firstArrival: Int64, lastArrival: Int64) -> [Break] {
        var breaks: [Break] = []
        let end = first + count - 1
        if first <= last {
            breaks.append(.repeated(first...min(end, last)))
        } else {
            let missing = (first - last - 1) % OpenedEntry.jump
            if missing > 0 { breaks.append(.missing(last + 1...last + missing)) }
        }
        if firstArrival < self.lastArrival { breaks.append(.arrivedEarlier(first)) }
        last = max(last, end)
        self.lastArrival = max(self.lastArrival, lastArrival)
        records += count
        return breaks
    }
}
