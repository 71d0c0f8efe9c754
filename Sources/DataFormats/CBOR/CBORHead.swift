/// The first bytes of a CBOR item (RFC 8949, section 3): its type, and a number that is its value, length or count.
struct CBORHead {
    /// 0 and 1: numbers; 2: bytes; 3: text; 4: an array; 5: a map; 6: a tag; 7: simple values, floats and the break.
    let major: UInt8
    /// The five bits beside the type.
    let info: UInt8
    /// The number after them, or in them.
    let argument: UInt64
    /// The bytes of the head.
    let length: Int

    static let unsigned: UInt8 = 0
    static let negative: UInt8 = 1
    static let bytes: UInt8 = 2
    static let text: UInt8 = 3
    static let array: UInt8 = 4
    static let map: UInt8 = 5
    static let tag: UInt8 = 6
    static let simple: UInt8 = 7
    /// What ends an item of indefinite length.
    static let end: UInt8 = 0xFF

    /// Reads a head; nil where it is cut off or reserved.
    init?(_ body: UnsafeBufferPointer<UInt8>, at offset: Int) {
        guard offset < body.count else { return nil }
        let first = body[offset]
        major = first >> 5
        info = first & 31
        guard info >= 24 else {
            argument = UInt64(info)
            length = 1
            return
        }
        guard info < 28 else {
            // 31 is an indefinite length or the break; the others are reserved.
            guard info == 31 else { return nil }
            argument = 0
            length = 1
            return
        }
        let size = 1 << Int(info - 24)
        guard size < body.count - offset else { return nil }
        var number: UInt64 = 0
        for byte in body[offset + 1...offset + size] { number = number << 8 | UInt64(byte) }
        argument = number
        length = 1 + size
    }

    /// Whether the item ends with a break.
    var isIndefinite: Bool { info == 31 }

    /// The float of an item of the last type; nil for simple values.
    var float: Double? {
        guard major == Self.simple else { return nil }
        return switch info {
        case 25: Self.half(UInt16(truncatingIfNeeded: argument))
        case 26: Double(Float(bitPattern: UInt32(truncatingIfNeeded: argument)))
        case 27: Double(bitPattern: argument)
        default: nil
        }
    }

    /// Float16 is missing on some platforms.
    private static func half(_ bits: UInt16) -> Double {
        let fraction = Double(bits & 0x3FF)
        let magnitude: Double =
            switch bits >> 10 & 31 {
            case 0: fraction * 0x1p-24
            case 31: fraction == 0 ? .infinity : .nan
            case let exponent:
                (1 + fraction * 0x1p-10) * Double(sign: .plus, exponent: Int(exponent) - 15, significand: 1)
            }
        return bits >> 15 == 0 ? magnitude : -magnitude
    }

    /// Appends a head in its shortest form.
    static func append(_ major: UInt8, _ argument: UInt64, to bytes: inout [UInt8]) {
        let type = major << 5
        switch argument {
        case ..<24: bytes.append(type | UInt8(argument))
        case ...0xFF: append(type | 24, argument, size: 1, to: &bytes)
        case ...0xFFFF: append(type | 25, argument, size: 2, to: &bytes)
        case ...0xFFFF_FFFF: append(type | 26, argument, size: 4, to: &bytes)
        default: append(type | 27, argument, size: 8, to: &bytes)
        }
    }

    /// Appends a byte and a number of this many bytes.
    static func append(_ first: UInt8, _ number: UInt64, size: Int, to bytes: inout [UInt8]) {
        bytes.append(first)
        for index in (0..<size).reversed() { bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(8 * index))) }
    }
}
