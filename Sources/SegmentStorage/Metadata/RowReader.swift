import StreamStorage
import StreamModel

/// Reads a row's values in order. Errors name the column with an unexpected value.
struct RowReader {
    private let row: MetadataRow
    private var index = 0

    init(_ row: MetadataRow) { self.row = row }

    private mutating func next() -> MetadataValue {
        defer { index += 1 }
        return row.values[index]
    }

    private func wrong(_ expected: String) -> MetadataError {
        MetadataError(
            .damaged, "table \(row.table.rawValue): column \(row.table.columns[index - 1]) holds no \(expected)")
    }

    mutating func integer() throws(MetadataError) -> Int64 {
        guard case .integer(let value) = next() else { throw wrong("number") }
        return value
    }

    mutating func word() throws(MetadataError) -> UInt64 { UInt64(bitPattern: try integer()) }

    mutating func short() throws(MetadataError) -> UInt32 {
        guard let value = UInt32(exactly: try integer()) else { throw wrong("number of 32 bits") }
        return value
    }

    mutating func optional() throws(MetadataError) -> Int64? {
        switch next() {
        case .null: return nil
        case .integer(let value): return value
        default: throw wrong("number or nothing")
        }
    }

    mutating func text() throws(MetadataError) -> String {
        guard case .text(let value) = next() else { throw wrong("text") }
        return value
    }

    mutating func optionalText() throws(MetadataError) -> String? {
        switch next() {
        case .null: return nil
        case .text(let value): return value
        default: throw wrong("text or nothing")
        }
    }

    mutating func blob() throws(MetadataError) -> [UInt8] {
        guard case .blob(let value) = next() else { throw wrong("bytes") }
        return value
    }

    /// Sequence numbers and times are checked against their limits, so that arithmetic with them can't overflow.
    mutating func sequence() throws(MetadataError) -> SequenceNumber {
        let number = try word()
        guard number <= SequenceNumber.max.rawValue else { throw wrong("sequence number") }
        return SequenceNumber(number)
    }

    mutating func time() throws(MetadataError) -> Timestamp {
        let milliseconds = try integer()
        guard Timestamp.plausible.contains(milliseconds) else { throw wrong("time") }
        return Timestamp(milliseconds: milliseconds)
    }

    mutating func hashKey() throws(MetadataError) -> HashKey {
        guard let key = HashKey(try text()) else { throw wrong("hash key") }
        return key
    }

    /// The numbers of shards, separated by commas.
    mutating func shardNumbers() throws(MetadataError) -> [ShardID] {
        var shards: [ShardID] = []
        for part in try text().split(separator: ",") {
            guard let number = UInt32(part) else { throw wrong("list of shard numbers") }
            shards.append(ShardID(number))
        }
        return shards
    }

    /// Ranges such as `5-7,9-9`.
    mutating func ranges() throws(MetadataError) -> [ClosedRange<SequenceNumber>] {
        var ranges: [ClosedRange<SequenceNumber>] = []
        for part in try text().split(separator: ",") {
            let ends = part.split(separator: "-").map { UInt64($0) }
            guard ends.count == 2, let first = ends[0], let last = ends[1], first <= last,
                last <= SequenceNumber.max.rawValue
            else {
                throw wrong("list of ranges")
            }
            ranges.append(SequenceNumber(first)...SequenceNumber(last))
        }
        return ranges
    }

    /// One of `trim-horizon`, `latest`, `at-time MS`, `at N`, `after N`.
    mutating func startingPosition() throws(MetadataError) -> StartingPosition {
        let words = try text().split(separator: " ")
        let number = words.count == 2 ? Int64(words[1]) : nil
        switch (words.first, number) {
        case ("trim-horizon", nil): return .trimHorizon
        case ("latest", nil): return .latest
        case ("at-time", let number?): return .atTimestamp(Timestamp(milliseconds: number))
        case ("at", let number?): return .atSequenceNumber(SequenceNumber(UInt64(bitPattern: number)))
        case ("after", let number?): return .afterSequenceNumber(SequenceNumber(UInt64(bitPattern: number)))
        default: throw wrong("starting position")
        }
    }
}
