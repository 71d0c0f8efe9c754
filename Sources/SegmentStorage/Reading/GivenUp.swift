import StreamModel

/// Numbers that damage has cost and a repair has given up: a row of `lost_range`.
struct GivenUp: Sendable, Hashable {
    var numbers: ClosedRange<UInt64>
    /// No record of them arrived later; nil in rows of older versions, which did not say it.
    var arrivedBy: Timestamp?

    /// The row for it. The time stands in the reason, so that versions that know nothing of it read the row too.
    func row(shard: UInt32) -> MetadataRow {
        let time = arrivedBy.map { "\(Self.timeMark)\($0.milliseconds)" } ?? ""
        return MetadataRow(
            .lostRange,
            [.number(shard), .bits(numbers.lowerBound), .bits(numbers.upperBound), .text("damage" + time)])
    }

    private static let timeMark = ", arrived by "

    fileprivate static func time(in reason: String) -> Timestamp? {
        guard let number = reason.split(separator: " ").last.flatMap({ Int64($0) }),
            Timestamp.plausible.contains(number), reason.hasSuffix("\(timeMark)\(number)")
        else { return nil }
        return Timestamp(milliseconds: number)
    }
}

extension GivenUp {
    /// The position of a reader that wants what arrived at or after `time`, where `kept` is the first record that is
    /// left of it, or would be the shard's next one: before what was given up directly in front of it. What that was is
    /// not known any more, so it has expired only where it surely did.
    static func position(
        of shard: ShardState, before kept: SequenceNumber, arrivedAtOrAfter time: Timestamp, _ ranges: [GivenUp]
    ) -> SequenceNumber {
        var next = kept.rawValue
        // What nothing follows arrived no later than the shard's newest record; what has a follower, than that one.
        let newest = kept > shard.lastSequence ? shard.lastArrival : .init(milliseconds: .max)
        for range in ranges.sorted(by: { $0.numbers.upperBound > $1.numbers.upperBound })
        where range.numbers.upperBound < next {
            // Numbers that were jumped over (STORE-C4) are no record between the two. Earlier versions jumped from the
            // newest record that was left.
            let isNext =
                (next - 1 - range.numbers.upperBound).isMultiple(of: Recovery.numberJump)
                || (next - range.numbers.lowerBound).isMultiple(of: Recovery.numberJump)
            guard isNext, range.arrivedBy ?? newest >= time else { break }
            next = range.numbers.lowerBound
        }
        return SequenceNumber(max(next, 1) - 1)
    }
}

extension MetadataContents {
    /// By shard, what was given up.
    var givenUp: [UInt32: [GivenUp]] {
        get throws(MetadataError) {
            var given: [UInt32: [GivenUp]] = [:]
            for row in self[.lostRange] {
                var reader = RowReader(row)
                let (shard, first, last) = (try reader.short(), try reader.word(), try reader.word())
                guard first <= last else { continue }
                given[shard, default: []].append(
                    GivenUp(numbers: first...last, arrivedBy: GivenUp.time(in: try reader.text())))
            }
            return given
        }
    }
}

extension Catalogue {
    /// Makes each shard end no earlier than what was given up in it: where its newest records are lost, readers are
    /// told of them as of any others, at once and not only when something comes behind them.
    mutating func extend(over given: [UInt32: [GivenUp]]) {
        for (key, ranges) in given {
            let last = ranges.map(\.numbers.upperBound).max() ?? 0
            guard last <= SequenceNumber.max.rawValue else { continue }
            _ = shards.update(ShardKey(key)) { $0.lastSequence = max($0.lastSequence, SequenceNumber(last)) }
        }
    }
}
