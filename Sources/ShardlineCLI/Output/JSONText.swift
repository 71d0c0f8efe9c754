import StreamModel

/// Writes one JSON object in one line, members in the order in which they are added.
///
/// By hand, because `tail` and `put` write one for every record, and Foundation's encoder costs microseconds.
struct JSONText {
    private(set) var bytes: [UInt8] = [UInt8(ascii: "{")]
    private var isFirst = true

    /// The object, closed.
    var closed: [UInt8] { bytes + [UInt8(ascii: "}")] }

    private mutating func name(_ name: StaticString) {
        if !isFirst { bytes.append(UInt8(ascii: ",")) }
        isFirst = false
        bytes.append(UInt8(ascii: "\""))
        bytes += UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        bytes += [UInt8(ascii: "\""), UInt8(ascii: ":")]
    }

    mutating func add(_ name: StaticString, _ text: String?) {
        guard let text else { return addRaw(name, "null") }
        self.name(name)
        Self.append(text, to: &bytes)
    }

    mutating func add(_ name: StaticString, _ number: some BinaryInteger) { addRaw(name, String(number)) }

    mutating func add(_ name: StaticString, _ flag: Bool) { addRaw(name, flag ? "true" : "false") }

    mutating func add(_ name: StaticString, _ number: Double) {
        addRaw(name, number.isFinite ? String((number * 1000).rounded() / 1000) : "null")
    }

    /// In seconds since 1970 with milliseconds (ESM-E2).
    mutating func add(_ name: StaticString, _ moment: Timestamp?) {
        guard let moment else { return addRaw(name, "null") }
        let (seconds, milliseconds) = moment.milliseconds.quotientAndRemainder(dividingBy: 1000)
        let digits = String(milliseconds.magnitude)
        addRaw(
            name,
            (moment.milliseconds < 0 && seconds == 0 ? "-" : "") + "\(seconds)."
                + String(repeating: "0", count: 3 - digits.count) + digits)
    }

    /// Standard base64 with padding.
    mutating func add(_ name: StaticString, base64 data: ArraySlice<UInt8>) {
        self.name(name)
        bytes.append(UInt8(ascii: "\""))
        Self.appendBase64(data, to: &bytes)
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func add(_ name: StaticString, _ objects: [JSONText]) {
        self.name(name)
        bytes.append(UInt8(ascii: "["))
        for (index, object) in objects.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            bytes += object.closed
        }
        bytes.append(UInt8(ascii: "]"))
    }

    mutating func add(_ name: StaticString, _ object: JSONText) { addRaw(name, bytes: object.closed) }

    mutating func addRaw(_ name: StaticString, _ json: String) { addRaw(name, bytes: Array(json.utf8)) }

    mutating func addRaw(_ name: StaticString, bytes json: [UInt8]) {
        self.name(name)
        bytes += json
    }

    static func append(_ text: String, to bytes: inout [UInt8]) {
        let digits = Array("0123456789abcdef".utf8)
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case UInt8(ascii: "\n"): bytes += [UInt8(ascii: "\\"), UInt8(ascii: "n")]
            case 0..<0x20, 0x7F:
                bytes += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static let base64Digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    static func appendBase64(_ data: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
        let digits = base64Digits
        bytes.reserveCapacity(bytes.count + (data.count + 2) / 3 * 4)
        var index = data.startIndex
        while index < data.endIndex {
            let count = min(3, data.endIndex - index)
            var group = UInt32(data[index]) << 16
            if count > 1 { group |= UInt32(data[index + 1]) << 8 }
            if count > 2 { group |= UInt32(data[index + 2]) }
            bytes.append(digits[Int(group >> 18)])
            bytes.append(digits[Int(group >> 12 & 63)])
            bytes.append(count > 1 ? digits[Int(group >> 6 & 63)] : UInt8(ascii: "="))
            bytes.append(count > 2 ? digits[Int(group & 63)] : UInt8(ascii: "="))
            index += count
        }
    }
}

extension JSONText {
    /// A record as Kinesis' GetRecords names its parts.
    init(_ record: Record) {
        self.init()
        add("shardId", record.shard.description)
        add("sequenceNumber", record.kinesisSequenceNumber.description)
        add("partitionKey", record.partitionKey)
        add("approximateArrivalTimestamp", record.approximateArrivalTimestamp)
        add("data", base64: record.bytes)
    }

    /// What `put` says of an acknowledged record.
    init(_ receipt: PutReceipt, line: Int, of file: String?, partitionKey: String) {
        self.init()
        if let file { add("file", file) }
        add("line", line)
        add("shardId", receipt.shard.description)
        add("sequenceNumber", receipt.kinesisSequenceNumber.description)
        add("partitionKey", partitionKey)
        add("approximateArrivalTimestamp", receipt.approximateArrivalTimestamp)
    }
}
