import StreamModel

/// The number that a producer writes into each record: 16 hexadecimal digits from byte 8 on. The first two say which
/// producer it was, the others count its records of this key.
struct Stamp: Hashable, Sendable {
    static let offset = 8
    static let end = 24

    var producer: Int
    /// 0 for the producer's first record of the key.
    var number: UInt64

    /// Writes the digits over those in `data`, which has at least ``end`` bytes.
    func write(to data: inout [UInt8]) {
        data.withUnsafeMutableBufferPointer { bytes in
            precondition(bytes.count >= Self.end)
            var rest = UInt64(producer) << 56 | number
            for place in stride(from: Self.end - 1, through: Self.offset, by: -1) {
                let digit = UInt8(truncatingIfNeeded: rest & 15)
                bytes[place] = digit < 10 ? 0x30 + digit : 0x57 + digit
                rest >>= 4
            }
        }
    }

    init(producer: Int, number: UInt64) {
        self.producer = producer
        self.number = number
    }

    /// Reads the digits; nil where there are none.
    init?(_ data: Span<UInt8>) {
        guard data.count >= Self.end else { return nil }
        var value: UInt64 = 0
        for place in Self.offset..<Self.end {
            let byte = data[place]
            switch byte {
            case 0x30...0x39: value = value << 4 | UInt64(byte - 0x30)
            case 0x61...0x66: value = value << 4 | UInt64(byte - 0x57)
            default: return nil
            }
        }
        self.init(producer: Int(value >> 56), number: value & 0xFF_FFFF_FFFF_FFFF)
    }
}
