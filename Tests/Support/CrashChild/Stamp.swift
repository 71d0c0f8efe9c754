import CHash

/// What a record of a crash test says of itself, so that a log can be judged without knowing who wrote it.
///
/// As data: `{"key":"k05","stamp":"PRODUCER COUNTER CALL SIZE INDEX","filler":"…","sum":"0123abcd"}`, where `sum` is
/// the CRC-32C of all bytes before it.
package struct Stamp: Hashable, Sendable {
    /// Who put it; another one in each round.
    package var producer: String
    /// The partition key.
    package var key: String
    /// 0, 1, 2, … for the records of one producer, stream and key, in the order of their puts.
    package var counter: Int
    /// The put that it is of; unique with the producer.
    package var call: Int
    /// How many records that put has, in all streams.
    package var size: Int
    /// The record's place among them.
    package var index: Int

    package init(producer: String, key: String, counter: Int, call: Int, size: Int, index: Int) {
        self.producer = producer
        self.key = key
        self.counter = counter
        self.call = call
        self.size = size
        self.index = index
    }

    /// Whether the function of a crash test says that it can never handle this record.
    package var isMalformed: Bool { counter % 23 == 11 }

    /// The fields of `stamp`, separated by spaces.
    package var text: String { "\(producer) \(counter) \(call) \(size) \(index)" }

    /// The record's data, with `filler` to make it longer.
    package func data(filler: some Collection<UInt8>) -> [UInt8] {
        var bytes = Array("{\"key\":\"\(key)\",\"stamp\":\"\(text)\",\"filler\":\"".utf8)
        bytes.append(contentsOf: filler)
        bytes.append(contentsOf: Array("\",\"sum\":\"".utf8))
        let digits = String(Self.checksum(bytes), radix: 16)
        bytes.append(contentsOf: Array((String(repeating: "0", count: 8 - digits.utf8.count) + digits + "\"}").utf8))
        return bytes
    }

    /// Reads the data of a record; nil where a byte is wrong or missing.
    package init?(_ data: [UInt8]) {
        guard data.count > 10 else { return nil }
        let end = data.count - 10
        guard let sum = UInt32(String(decoding: data[end..<data.count - 2], as: UTF8.self), radix: 16),
            sum == Self.checksum(Array(data[..<end])), data.suffix(2) == [0x22, 0x7D]
        else { return nil }
        // The fields before the filler are short and hold no quotation mark.
        let fields = String(decoding: data.prefix(120), as: UTF8.self).split(
            separator: "\"", maxSplits: 8, omittingEmptySubsequences: false)
        guard fields.count == 9, fields[1] == "key", fields[5] == "stamp" else { return nil }
        self.init(key: String(fields[3]), text: fields[7])
    }

    /// Reads the fields of `stamp`.
    package init?(key: String, text: some StringProtocol) {
        let fields = text.split(separator: " ")
        guard fields.count == 5, let counter = Int(fields[1]), let call = Int(fields[2]), let size = Int(fields[3]),
            let index = Int(fields[4])
        else { return nil }
        self.init(producer: String(fields[0]), key: key, counter: counter, call: call, size: size, index: index)
    }

    /// CRC-32C.
    package static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { shardline_crc32c(0, $0.baseAddress, $0.count) }
    }
}

/// One number for the checksums of several records in their order.
package struct Digest: Hashable, Sendable {
    package private(set) var value: UInt32 = 2_166_136_261

    package init() {}

    package mutating func add(_ checksum: UInt32) { value = (value ^ checksum) &* 16_777_619 }
}
