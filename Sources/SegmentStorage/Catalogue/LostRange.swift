import StreamModel

/// Numbers of records that were lost to damage, as a repair has recorded them: a row of `lost_range`.
package struct LostRange: Sendable, Hashable {
    package var numbers: ClosedRange<UInt64>
    /// None of these records arrived later; nil in rows of older versions, which did not store it.
    package var arrivedBy: Timestamp?

    package init(numbers: ClosedRange<UInt64>, arrivedBy: Timestamp? = nil) {
        self.numbers = numbers
        self.arrivedBy = arrivedBy
    }
}

extension LostRange {
    /// The position of a reader of the records that arrived at or after `time`: before the lost ranges that directly
    /// precede `kept`.
    ///
    /// `kept` is the first such record that is left, or the number of the shard's next record. The arrivals of lost
    /// records are not known, so a lost range is passed only where all of it surely arrived before `time`.
    package static func position(
        of shard: ShardState, before kept: SequenceNumber, arrivedAtOrAfter time: Timestamp, _ ranges: [LostRange]
    ) -> SequenceNumber {
        var next = kept.rawValue
        // For a range without `arrivedBy`: with no record after it, it arrived no later than the shard's newest record.
        // With one after it, it may have arrived at or after `time`.
        let newest = kept > shard.lastSequence ? shard.lastArrival : .init(milliseconds: .max)
        for range in ranges.sorted(by: { $0.numbers.upperBound > $1.numbers.upperBound })
        where range.numbers.upperBound < next {
            // Numbers that were jumped over (STORE-C4) don't separate the two. Earlier versions counted the jump from
            // the newest record that was left.
            let isNext =
                (next - 1 - range.numbers.upperBound).isMultiple(of: OpenedEntry.jump)
                || (next - range.numbers.lowerBound).isMultiple(of: OpenedEntry.jump)
            guard isNext, range.arrivedBy ?? newest >= time else { break }
            next = range.numbers.lowerBound
        }
        return SequenceNumber(max(next, 1) - 1)
    }
}

extension Catalogue {
    /// Extends each shard over its lost ranges. Where its newest records are lost, readers are told at once, not only
    /// after the next record.
    mutating func extend(over given: [UInt32: [LostRange]]) {
        for (key, ranges) in given {
            let last = ranges.map(\.numbers.upperBound).max() ?? 0
            guard last <= SequenceNumber.max.rawValue else { continue }
            _ = shards.update(ShardNumber(key)) { $0.lastSequence = max($0.lastSequence, SequenceNumber(last)) }
        }
    }
}
