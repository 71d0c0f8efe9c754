/// The place of a record in its shard: strictly increasing, greater in a child than in its parents.
///
/// This is the counter that the store keeps. Outside Swift the same record is named by
/// ``KinesisSequenceNumber``, which also holds the shard and two times.
public struct SequenceNumber: Hashable, Comparable, Sendable, Codable, CustomStringConvertible {
    /// The counter: 1 for a shard's first record, below 2^63.
    public let rawValue: UInt64

    /// The number with this counter.
    public init(_ rawValue: UInt64) { self.rawValue = rawValue }

    /// Before every record: the position of a reader that has read nothing.
    public static let zero = SequenceNumber(0)
    /// The greatest number: the position of a reader that has finished a closed shard.
    public static let max = SequenceNumber(UInt64(Int64.max))

    /// The counter in decimal.
    public var description: String { String(rawValue) }
    /// By counter.
    public static func < (left: SequenceNumber, right: SequenceNumber) -> Bool { left.rawValue < right.rawValue }

    @inlinable package func advanced(by count: Int) -> SequenceNumber { SequenceNumber(rawValue + UInt64(count)) }
    /// The number before this one; ``zero`` has none and stays.
    package var previous: SequenceNumber { SequenceNumber(rawValue == 0 ? 0 : rawValue - 1) }

    /// Reads the counter.
    public init(from decoder: any Decoder) throws {
        rawValue = try decoder.singleValueContainer().decode(UInt64.self)
    }

    /// Writes the counter.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(rawValue)
    }
}

extension ClosedRange<SequenceNumber> {
    /// How many numbers the range has. This is the number of records only where the store says that every number
    /// belongs to a record. Elsewhere numbers jump, and the store counts the records.
    package var numberCount: UInt64 { upperBound.rawValue - lowerBound.rawValue + 1 }
}

/// A sequence number as Kinesis writes it: 56 decimal digits that name shard, counter and arrival (API-Q-1).
///
/// Text order is number order, within a shard and from parent to child. All command lines, documents and
/// events use this form.
public struct KinesisSequenceNumber: Hashable, Comparable, Sendable, CustomStringConvertible, LosslessStringConvertible
{
    /// The shard of the record.
    public let shard: ShardID
    /// When the shard was created, in seconds since 1970; constant per shard, greater in a child.
    public let shardCreationSecond: UInt64
    /// The record's counter in its shard.
    public let sequenceNumber: SequenceNumber
    /// When the record arrived, in seconds since 1970.
    public let arrivalSecond: UInt64

    /// The number of the record with these facts.
    public init(
        shard: ShardID, shardCreationSecond: UInt64, sequenceNumber: SequenceNumber, arrivalSecond: UInt64
    ) {
        self.shard = shard
        self.shardCreationSecond = shardCreationSecond
        self.sequenceNumber = sequenceNumber
        self.arrivalSecond = arrivalSecond
    }

    // The text is the decimal form of 47 hexadecimal digits (188 bits, the top nibble 2, so 186 bits):
    // 2 · creation second (9) · low nibble of the shard (1) · counter (16) · 00 · arrival second (9) · shard (8) · 2.
    // Kept as three words of 64 bits, most significant first.

    private var words: (UInt64, UInt64, UInt64) {
        let counter = sequenceNumber.rawValue
        let low = arrivalSecond << 36 | UInt64(shard.number) << 4 | 2
        let middle = counter << 16 | arrivalSecond >> 28 & 0xFF
        let high = 2 << 56 | shardCreationSecond << 20 | UInt64(shard.number & 0xF) << 16 | counter >> 48
        return (high, middle, low)
    }

    /// The 56 digits.
    public var description: String { withDigits { String(decoding: $0, as: UTF8.self) } }

    /// The number of digits.
    private static let digitCount = 56

    /// Calls `body` with the digits in ASCII: without an allocation, since answers and events write one for each record.
    // Inlined in other modules: unspecialized it takes twice as long.
    @inlinable package func withDigits<Result>(_ body: (UnsafeBufferPointer<UInt8>) -> Result) -> Result {
        // 56 bytes.
        var digits: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0)
        return withUnsafeMutableBytes(of: &digits) { room in
            write(into: room)
            return room.withMemoryRebound(to: UInt8.self) { body(UnsafeBufferPointer($0)) }
        }
    }

    @usableFromInline func write(into room: UnsafeMutableRawBufferPointer) {
        // The number in three parts of at most 19 digits, as much as a word holds. Each quotient is less than a part, so
        // no division overflows.
        let part: UInt64 = 10_000_000_000_000_000_000
        var (high, middle, low) = words
        let last: UInt64
        (middle, high) = part.dividingFullWidth((high, middle))
        (low, last) = part.dividingFullWidth((high, low))
        let (first, second) = part.dividingFullWidth((middle, low))
        Self.write(first, into: room, 0..<18)
        Self.write(second, into: room, 18..<37)
        Self.write(last, into: room, 37..<56)
    }

    /// Writes the digits of a part at its place, with leading zeros: every byte of the range, of 16 to 24.
    private static func write(_ value: UInt64, into room: UnsafeMutableRawBufferPointer, _ places: Range<Int>) {
        let (rest, low) = value.quotientAndRemainder(dividingBy: 100_000_000)
        let (first, middle) = rest.quotientAndRemainder(dividingBy: 100_000_000)
        var digits = first
        for place in places.dropLast(16).reversed() {
            let (rest, digit) = digits.quotientAndRemainder(dividingBy: 10)
            room[place] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: digit)
            digits = rest
        }
        room.storeBytes(of: eightDigits(middle), toByteOffset: places.upperBound - 16, as: UInt64.self)
        room.storeBytes(of: eightDigits(low), toByteOffset: places.upperBound - 8, as: UInt64.self)
    }

    /// The eight digits of a number below 100,000,000 in the order of memory, computed at once: halves, then pairs, then
    /// digits, each in a lane of its own.
    private static func eightDigits(_ value: UInt64) -> UInt64 {
        let halves = value / 10_000 | (value % 10_000) << 32
        // 10,486 / 2^20 is a hundredth for numbers below 10,000, and 103 / 2^10 a tenth for those below 100.
        let hundreds = (halves &* 10_486) >> 20 & 0x0000_007F_0000_007F
        let pairs = hundreds | (halves &- hundreds &* 100) << 16
        let tens = (pairs &* 103) >> 10 & 0x000F_000F_000F_000F
        let digits = tens | (pairs &- tens &* 10) << 8
        return (digits | 0x3030_3030_3030_3030).littleEndian
    }

    /// Reads the 56 digits; nil where Kinesis would refuse them (API-Q-6): another version, an unknown layout,
    /// a part that is out of range.
    public init?(_ text: String) {
        var text = text
        guard let number = text.withUTF8({ Self(digits: $0) }) else { return nil }
        self = number
    }

    /// Reads the 56 digits in ASCII: without an allocation, since readers of answers do so for each record.
    package init?(digits: UnsafeBufferPointer<UInt8>) {
        guard digits.count == Self.digitCount, let first = Self.value(digits, 0..<18),
            let second = Self.value(digits, 18..<37), let third = Self.value(digits, 37..<56)
        else { return nil }
        // As `withDigits` divides: 56 digits fit into three words.
        let part: UInt64 = 10_000_000_000_000_000_000
        var words: (high: UInt64, middle: UInt64, low: UInt64)
        let upper = first.multipliedFullWidth(by: part)
        let (upperLow, carries) = upper.low.addingReportingOverflow(second)
        let low = upperLow.multipliedFullWidth(by: part)
        let high = (upper.high + (carries ? 1 : 0)).multipliedFullWidth(by: part)
        let lowCarries: Bool
        let middleCarries: Bool
        let carriesOn: Bool
        (words.low, lowCarries) = low.low.addingReportingOverflow(third)
        (words.middle, middleCarries) = low.high.addingReportingOverflow(high.low)
        (words.middle, carriesOn) = words.middle.addingReportingOverflow(lowCarries ? 1 : 0)
        words.high = high.high + (middleCarries ? 1 : 0) + (carriesOn ? 1 : 0)
        let shard = words.low >> 4 & 0xFFFF_FFFF
        let arrival = words.low >> 36 | (words.middle & 0xFF) << 28
        let counter = words.middle >> 16 | (words.high & 0xFFFF) << 48
        let creation = words.high >> 20 & 0xF_FFFF_FFFF
        guard words.high >> 56 == 2, words.low & 0xF == 2, words.middle >> 8 & 0xFF == 0,
            shard < 1 << 31, words.high >> 16 & 0xF == shard & 0xF,
            counter < 1 << 63, creation < 16_025_175_000
        else { return nil }
        self.init(
            shard: ShardID(UInt32(shard)), shardCreationSecond: creation, sequenceNumber: SequenceNumber(counter),
            arrivalSecond: arrival)
    }

    /// The number that these digits are, at most 19; nil where one is no digit.
    private static func value(_ digits: UnsafeBufferPointer<UInt8>, _ places: Range<Int>) -> UInt64? {
        var value: UInt64 = 0
        for place in places {
            let digit = digits[place] &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            value = value * 10 + UInt64(digit)
        }
        return value
    }

    /// By shard creation, then counter, then arrival: the order of the text.
    public static func < (left: KinesisSequenceNumber, right: KinesisSequenceNumber) -> Bool {
        left.words < right.words
    }
}
