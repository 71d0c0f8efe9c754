import StreamModel

/// Received bytes that are not a valid message. The connection ends with this error.
struct WireError: Error, Hashable, CustomStringConvertible {
    var description: String

    init(_ description: String) { self.description = description }
}

/// Writes values one after the other: numbers little-endian, text and bytes after their length.
struct WireWriter {
    private(set) var bytes: [UInt8] = []

    mutating func write(_ value: some FixedWidthInteger) {
        withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func write(_ value: Bool) { bytes.append(value ? 1 : 0) }

    mutating func write(_ value: String) {
        var value = value
        value.withUTF8 { utf8 in
            write(UInt32(utf8.count))
            bytes.append(contentsOf: utf8)
        }
    }

    mutating func write(_ value: some Collection<UInt8>) {
        write(UInt32(value.count))
        bytes.append(contentsOf: value)
    }

    mutating func write<Element>(each values: [Element], _ body: (inout WireWriter, Element) -> Void) {
        write(UInt32(values.count))
        for value in values { body(&self, value) }
    }

    mutating func write<Value>(optional value: Value?, _ body: (inout WireWriter, Value) -> Void) {
        write(value != nil)
        if let value { body(&self, value) }
    }

    mutating func write(_ value: SequenceNumber) { write(value.rawValue) }
    mutating func write(_ value: ShardID) { write(value.number) }
    mutating func write(_ value: Timestamp) { write(value.milliseconds) }

    mutating func write(_ value: Duration) {
        write(value.components.seconds)
        write(value.components.attoseconds)
    }

    mutating func write(_ value: HashKey) { write(value.value) }

    mutating func write(_ value: HashKeyRange) {
        write(value.first)
        write(value.last)
    }

    mutating func write(_ value: ClosedRange<SequenceNumber>) {
        write(value.lowerBound)
        write(value.upperBound)
    }

    /// Appends what `body` encodes, after its length.
    mutating func write(encoding body: (inout [UInt8]) -> Void) {
        let start = bytes.count
        write(UInt32(0))
        body(&bytes)
        let length = UInt32(bytes.count - start - 4)
        withUnsafeBytes(of: length.littleEndian) { bytes.replaceSubrange(start..<start + 4, with: $0) }
    }
}

/// Reads what ``WireWriter`` wrote. It validates every value, since the bytes come from another process.
struct WireReader {
    private let bytes: ArraySlice<UInt8>
    private var at: Int

    init(_ bytes: ArraySlice<UInt8>) {
        self.bytes = bytes
        at = bytes.startIndex
    }

    private var left: Int { bytes.endIndex - at }

    private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
        guard count <= left else { throw WireError("a value is cut short") }
        defer { at += count }
        return bytes[at..<at + count]
    }

    /// Throws unless every byte was read.
    func end() throws {
        guard left == 0 else { throw WireError("\(left) bytes are left over") }
    }

    mutating func number<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) throws -> Value {
        let taken = try take(MemoryLayout<Value>.size)
        var value: Value = 0
        withUnsafeMutableBytes(of: &value) { room in
            for (index, byte) in taken.enumerated() { room[index] = byte }
        }
        return Value(littleEndian: value)
    }

    mutating func bool() throws -> Bool {
        switch try number(UInt8.self) {
        case 0: false
        case 1: true
        default: throw WireError("a flag is neither 0 nor 1")
        }
    }

    mutating func array() throws -> [UInt8] { Array(try slice()) }

    mutating func slice() throws -> ArraySlice<UInt8> { try take(Int(number(UInt32.self))) }

    mutating func string() throws -> String {
        guard let text = String(validating: try slice(), as: UTF8.self) else { throw WireError("text is not UTF-8") }
        return text
    }

    /// Elements after their count. Each takes at least one byte, so a count above the number of bytes left is refused
    /// before memory is reserved for it.
    mutating func each<Element>(_ body: (inout WireReader) throws -> Element) throws -> [Element] {
        let count = Int(try number(UInt32.self))
        guard count <= left else { throw WireError("a count is larger than what follows") }
        var elements: [Element] = []
        elements.reserveCapacity(min(count, 4096))
        for _ in 0..<count { elements.append(try body(&self)) }
        return elements
    }

    mutating func optional<Value>(_ body: (inout WireReader) throws -> Value) throws -> Value? {
        try bool() ? try body(&self) : nil
    }

    mutating func sequenceNumber() throws -> SequenceNumber {
        let number = try number(UInt64.self)
        guard number <= SequenceNumber.max.rawValue else { throw WireError("a sequence number is out of range") }
        return SequenceNumber(number)
    }

    mutating func shard() throws -> ShardID {
        let number = try number(UInt32.self)
        guard number < 1 << 31 else { throw WireError("a shard's number is out of range") }
        return ShardID(number)
    }

    /// Within ±2^52 ms (140,000 years), so that arithmetic with retentions can't overflow.
    mutating func timestamp() throws -> Timestamp {
        let milliseconds = try number(Int64.self)
        guard Timestamp.plausible.contains(milliseconds) else { throw WireError("a time is out of range") }
        return Timestamp(milliseconds: milliseconds)
    }

    /// Within ±2^40 s (34,000 years), so that arithmetic can't overflow.
    mutating func duration() throws -> Duration {
        let seconds = try number(Int64.self)
        let attoseconds = try number(Int64.self)
        guard (-(1 << 40)...1 << 40).contains(seconds), attoseconds.magnitude < 1_000_000_000_000_000_000
        else { throw WireError("a duration is out of range") }
        let duration = Duration(secondsComponent: seconds, attosecondsComponent: attoseconds)
        guard duration.components == (seconds, attoseconds) else {
            throw WireError("a duration's parts differ in sign")
        }
        return duration
    }

    mutating func hashKey() throws -> HashKey { HashKey(try number()) }

    mutating func hashKeyRange() throws -> HashKeyRange {
        HashKeyRange(first: try hashKey(), last: try hashKey())
    }

    mutating func range() throws -> ClosedRange<SequenceNumber> {
        let first = try sequenceNumber()
        let last = try sequenceNumber()
        guard first <= last else { throw WireError("a range ends before it begins") }
        return first...last
    }
}
