/// The hash FNV-1a with 64 bits. It never changes: stored checkpoints, failure groups and names depend on it.
struct FNV1a {
    /// The hash of the bytes so far.
    private(set) var value: UInt64 = 0xCBF2_9CE4_8422_2325

    @inline(__always) mutating func add(_ byte: UInt8) { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }

    /// The hash of some of these bytes.
    @inline(__always) static func hash(_ bytes: [UInt8], _ place: Range<Int>) -> UInt64 {
        var hash = FNV1a()
        let bytes = bytes.span
        for index in place { hash.add(bytes[index]) }
        return hash.value
    }
}

extension UInt64 {
    /// 16 hexadecimal digits.
    var hexadecimal: String {
        let digits = String(self, radix: 16)
        return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}
