/// A block of IPv4 or IPv6 addresses, as `cidr` names it (ESM-F15).
struct AddressBlock: Hashable {
    private let address: IPAddress
    private let mask: UInt128

    /// Reads `10.0.0.0/24` or `2001:db8::/32`; nil for anything else. Bits after the prefix are ignored.
    init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        guard parts.count == 2, let address = Array(parts[0]).withUnsafeBufferPointer({ IPAddress($0) }),
            (1...3).contains(parts[1].count), parts[1].allSatisfy({ (0x30...0x39).contains($0) }),
            parts[1].count == 1 || parts[1].first != 0x30,
            let length = Int(String(decoding: parts[1], as: UTF8.self)), length <= address.bitWidth
        else { return nil }
        // Shifts by the whole width give 0.
        mask = (UInt128.max << UInt128(address.bitWidth - length)) & (UInt128.max >> UInt128(128 - address.bitWidth))
        self.address = IPAddress(bits: address.bits & mask, bitWidth: address.bitWidth)
    }

    /// Whether the text is an address in the block.
    func contains(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard let other = IPAddress(text) else { return false }
        return other.bitWidth == address.bitWidth && other.bits & mask == address.bits
    }
}

/// An address without a zone.
struct IPAddress: Hashable {
    let bits: UInt128
    /// 32 or 128.
    let bitWidth: Int

    init(bits: UInt128, bitWidth: Int) {
        self.bits = bits
        self.bitWidth = bitWidth
    }

    /// Reads four decimal numbers without leading zeros, or the forms of RFC 4291, section 2.2.
    init?(_ text: UnsafeBufferPointer<UInt8>) {
        // The longest form has 45 characters.
        guard (2...45).contains(text.count) else { return nil }
        if text.contains(UInt8(ascii: ":")) {
            guard let bits = Self.version6(text) else { return nil }
            self.init(bits: bits, bitWidth: 128)
        } else {
            guard let bits = Self.version4(text, from: 0) else { return nil }
            self.init(bits: UInt128(bits), bitWidth: 32)
        }
    }

    private static func version4(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> UInt32? {
        var bits: UInt32 = 0
        var at = start
        for part in 0..<4 {
            if part > 0 {
                guard at < text.count, text[at] == UInt8(ascii: ".") else { return nil }
                at += 1
            }
            let first = at
            var value: UInt32 = 0
            while at < text.count, at - first < 3, text[at] &- 0x30 < 10 {
                value = value * 10 + UInt32(text[at] - 0x30)
                at += 1
            }
            guard at > first, value <= 255, at - first == 1 || text[first] != 0x30 else { return nil }
            bits = bits << 8 | value
        }
        return at == text.count ? bits : nil
    }

    private static func version6(_ text: UnsafeBufferPointer<UInt8>) -> UInt128? {
        var bits: UInt128 = 0
        var groups = 0
        /// The number of groups before `::`.
        var gap: Int?
        var at = 0
        if text[0] == UInt8(ascii: ":") {
            guard text[1] == UInt8(ascii: ":") else { return nil }
            gap = 0
            at = 2
        }
        while at < text.count {
            guard groups < 8 else { return nil }
            let first = at
            var value: UInt32 = 0
            while at < text.count, at - first < 4, let digit = hexadecimal(text[at]) {
                value = value << 4 | digit
                at += 1
            }
            if at < text.count, text[at] == UInt8(ascii: ".") {
                // The last two groups may be an IPv4 address.
                guard groups <= 6, let low = version4(text, from: first) else { return nil }
                bits = bits << 32 | UInt128(low)
                groups += 2
                break
            }
            guard at > first else { return nil }
            bits = bits << 16 | UInt128(value)
            groups += 1
            guard at < text.count else { break }
            guard text[at] == UInt8(ascii: ":") else { return nil }
            at += 1
            guard at < text.count else { return nil }
            if text[at] == UInt8(ascii: ":") {
                guard gap == nil else { return nil }
                gap = groups
                at += 1
            }
        }
        guard let gap else { return groups == 8 ? bits : nil }
        // `::` stands for one group of zeros at least.
        guard groups < 8 else { return nil }
        let width = UInt128(16 * (groups - gap))
        let low = bits & ~(UInt128.max << width)
        return (bits >> width) << UInt128(16 * (8 - gap)) | low
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt32? {
        switch byte {
        case 0x30...0x39: UInt32(byte - 0x30)
        case 0x41...0x46, 0x61...0x66: UInt32((byte | 0x20) - 0x57)
        default: nil
        }
    }
}
