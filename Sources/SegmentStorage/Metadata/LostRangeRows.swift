import StreamModel

extension LostRange {
    /// The row for it. The time stands in the reason, so that versions that know nothing of it read the row too.
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
    /// By shard, what was given up.
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
