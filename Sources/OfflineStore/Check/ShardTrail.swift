import SegmentStorage
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
