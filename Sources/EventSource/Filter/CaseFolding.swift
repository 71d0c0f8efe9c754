/// Text as operators that ignore case compare it: scalar by scalar, in the form that upper and lower case share
/// (ESM-F10).
///
/// A scalar whose other case has several scalars, such as ß, is only equal to itself and to single scalars that it
/// shares a form with.
enum CaseFolding {
    /// The folded scalars of a text.
    static func folded(_ text: String) -> [UInt32] { text.unicodeScalars.map { folded($0).value } }

    @inline(__always) static func folded(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        guard scalar.value >= 0x80 else {
            return 0x41...0x5A ~= scalar.value ? Unicode.Scalar(UInt8(scalar.value | 0x20)) : scalar
        }
        return foldedBeyondASCII(scalar)
    }

    private static func foldedBeyondASCII(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
        let upper = only(scalar.properties.uppercaseMapping) ?? scalar
        return only(upper.properties.lowercaseMapping) ?? upper
    }

    private static func only(_ text: String) -> Unicode.Scalar? {
        let scalars = text.unicodeScalars
        guard let first = scalars.first, scalars.dropFirst().isEmpty else { return nil }
        return first
    }

    /// Takes the scalar that begins at `at` in valid UTF-8.
    @inline(__always)
    private static func scalar(_ text: UnsafeBufferPointer<UInt8>, _ at: inout Int) -> Unicode.Scalar {
        let lead = text[at]
        at += 1
        guard lead >= 0x80 else { return Unicode.Scalar(lead) }
        let length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2
        var value = UInt32(lead) & (0x7F >> UInt32(length))
        for _ in 1..<length where at < text.count {
            value = value << 6 | UInt32(text[at] & 0x3F)
            at += 1
        }
        return Unicode.Scalar(value) ?? "\u{FFFD}"
    }

    /// How much of a text must be equal.
    enum Part { case whole, prefix, suffix }

    /// Whether a part of `text`, which is valid UTF-8, is `operand`, whose scalars are folded.
    static func matches(_ text: UnsafeBufferPointer<UInt8>, _ part: Part, _ operand: UnsafeBufferPointer<UInt32>)
        -> Bool
    {
        var at = 0
        if part == .suffix {
            var excess = text.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) } - operand.count
            guard excess >= 0 else { return false }
            while excess > 0 {
                _ = scalar(text, &at)
                excess -= 1
            }
        }
        for expected in operand {
            guard at < text.count, folded(scalar(text, &at)).value == expected else { return false }
        }
        return part == .prefix || at == text.count
    }
}
