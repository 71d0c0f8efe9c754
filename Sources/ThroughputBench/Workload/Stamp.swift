import StreamModel

/// The number that a producer writes into each record: 16 hexadecimal digits from byte 8 on. The first two are the
/// producer's number, the others count its records of this key.
struct Stamp: Hashable, Sendable {
    static let offset = 8
    static let end = 24

    var producer: Int
    /// 0 for the producer's first record of the key.
    var number: UInt64

    /// Writes the digits over those in `data`, which has at least ``end`` bytes.
    func write(to data: UnsafeMutableRawBufferPointer) {
        let value = UInt64(producer) << 56 | number
        precondition(data.count >= Self.end)
        data.storeBytes(of: Self.digits(UInt32(value >> 32)), toByteOffset: Self.offset, as: UInt64.self)
        data.storeBytes(
            of: Self.digits(UInt32(truncatingIfNeeded: value)), toByteOffset: Self.offset + 8, as: UInt64.self)
    }

    /// The eight hexadecimal digits of a number in the order of memory, computed at once.
    private static func digits(_ value: UInt32) -> UInt64 {
        // Spreads one half-byte into each byte, the highest first in memory.
        var halves = UInt64(value.byteSwapped)
        halves = (halves | halves << 16) & 0x0000_FFFF_0000_FFFF
        halves = (halves | halves << 8) & 0x00FF_00FF_00FF_00FF
        halves = (halves >> 4 | halves << 8) & 0x0F0F_0F0F_0F0F_0F0F
        // 1 in each byte that holds a letter.
        let letters = (halves &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return (halves &+ 0x3030_3030_3030_3030 &+ letters &* 0x27).littleEndian
    }

    /// The number that eight hexadecimal digits stand for; nil where one is not a digit.
    private static func value(_ digits: UInt64) -> UInt32? {
        let letters = digits >> 6 & 0x0101_0101_0101_0101
        let halves = digits &- 0x3030_3030_3030_3030 &- letters &* 0x27
        guard halves & 0xF0F0_F0F0_F0F0_F0F0 == 0, Self.digits(Self.packed(halves)) == digits else { return nil }
        return packed(halves)
    }

    private static func packed(_ halves: UInt64) -> UInt32 {
        var packed = (halves << 4 | halves >> 8) & 0x00FF_00FF_00FF_00FF
        packed = (packed | packed >> 8) & 0x0000_FFFF_0000_FFFF
        packed |= packed >> 16
        return UInt32(truncatingIfNeeded: packed).byteSwapped
    }

    init(producer: Int, number: UInt64) {
        self.producer = producer
        self.number = number
    }

    /// Reads the digits; nil where there are none.
    init?(_ data: Span<UInt8>) {
        guard data.count >= Self.end else { return nil }
        let (first, second) = data.withUnsafeBytes { bytes in
            (
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: Self.offset, as: UInt64.self)),
                UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: Self.offset + 8, as: UInt64.self))
            )
        }
        guard let high = Self.value(first), let low = Self.value(second) else { return nil }
        let value = UInt64(high) << 32 | UInt64(low)
        self.init(producer: Int(value >> 56), number: value & 0xFF_FFFF_FFFF_FFFF)
    }
}
