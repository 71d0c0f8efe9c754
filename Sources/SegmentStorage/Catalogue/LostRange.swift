import StreamModel

/// Numbers that damage has cost and a repair has given up: a row of `lost_range`.
package struct LostRange: Sendable, Hashable {
    package var numbers: ClosedRange<UInt64>
    /// No record of them arrived later; nil in rows of older versions, which did not say it.
    package var arrivedBy: Timestamp?

    package init(numbers: ClosedRange<UInt64>, arrivedBy: Timestamp? = nil) {
        self.numbers = numbers
        self.arrivedBy = arrivedBy
    }
}

extension LostRange {
    /// The position of a reader that wants what arrived at or after `time`, where `kept` is the first record that is
    /// left of it, or would be the shard's next one: before what was given up directly in front of it. What that was is
    /// not known any more, so it has expired only where it surely did.
    package static func position(
        of shard: ShardState, before kept: SequenceNumber, arrivedAtOrAfter time: Timestamp, _ ranges: [LostRange]
    ) -> SequenceNumber {
        var next = kept.rawValue
        // What nothing follows arrived no later than the shard's newest record; what has a follower, than that one.
        let newest = kept > shard.lastSequence ? shard.lastArrival : .init(milliseconds: .max)
        for range in ranges.sorted(by: { $0.numbers.upperBound > $1.numbers.upperBound })
        where range.numbers.upperBound < next {
            // Numbers that were jumped over (STORE-C4) are no record between the two. Earlier versions jumped from the
            // newest record that was left.
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
    /// Makes each shard end no earlier than what was given up in it: where its newest records are lost, readers are
    /// told of them as of any others, at once and not only when something comes behind them.
    mutating func extend(over given: [UInt32: [LostRange]]) {
        for (key, ranges) in given {
            let last = ranges.map(\.numbers.upperBound).max() ?? 0
            guard last <= SequenceNumber.max.rawValue else { continue }
            _ = shards.update(ShardNumber(key)) { $0.lastSequence = max($0.lastSequence, SequenceNumber(last)) }
        }
    }
}
