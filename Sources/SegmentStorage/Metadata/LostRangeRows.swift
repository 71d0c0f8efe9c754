import StreamModel

extension LostRange {
    /// The row of the range. The time is part of the reason text, so that versions without it can still read the row.
    package func row(shard: UInt32) -> MetadataRow {
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

extension MetadataContents {
    /// The lost ranges by shard number.
    package var lostRanges: [UInt32: [LostRange]] {
        get throws(MetadataError) {
            var given: [UInt32: [LostRange]] = [:]
            for row in self[.lostRange] {
                var reader = RowReader(row)
                let (shard, first, last) = (try reader.short(), try reader.word(), try reader.word())
                guard first <= last else { continue }
                given[shard, default: []].append(
                    LostRange(numbers: first...last, arrivedBy: LostRange.time(in: try reader.text())))
            }
            return given
        }
    }
}
