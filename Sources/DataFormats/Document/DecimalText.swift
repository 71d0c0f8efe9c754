/// A decimal number as text: `-1.5e3`.
struct DecimalText {
    /// The text of a JSON number, or of a finite `Double`.
    let text: UnsafeBufferPointer<UInt8>

    var isNegative: Bool { text.first == UInt8(ascii: "-") }

    /// What `whole(scale:floors:)` does with a fraction.
    enum Cut { case toZero, down }

    /// The number times a power of ten, cut to a whole one; nil where that is none of 64 bits. Exact: it counts digits, and
    /// takes as long as the text.
    func whole(scale: Int, _ cut: Cut) -> Int64? {
        let start = isNegative ? 1 : 0
        var end = start
        var point: Int?
        while end < text.count, text[end] | 0x20 != UInt8(ascii: "e") {
            if text[end] == UInt8(ascii: ".") { point = end }
            end += 1
        }
        let wholeDigits = (point ?? end) - start
        // So many of the digits are before the point of what is asked for.
        let kept = wholeDigits + exponent(from: end) + scale
        let digits = end - start - (point == nil ? 0 : 1)
        // Below zero, as there is one number more.
        var value: Int64 = 0
        var hasFraction = false
        for index in 0..<digits {
            let digit = Int64(text[start + index + (index < wholeDigits ? 0 : 1)]) - 0x30
            guard index < kept else {
                hasFraction = hasFraction || digit != 0
                continue
            }
            guard let next = Self.append(digit, to: value) else { return nil }
            value = next
        }
        // Of zeros there may be billions, but 19 are too many already.
        if value != 0, kept > digits {
            for _ in digits..<kept {
                guard let next = Self.append(0, to: value) else { return nil }
                value = next
            }
        }
        if isNegative {
            guard cut == .down, hasFraction else { return value }
            let (lower, overflows) = value.subtractingReportingOverflow(1)
            return overflows ? nil : lower
        }
        return value == .min ? nil : -value
    }

    private static func append(_ digit: Int64, to value: Int64) -> Int64? {
        let (tenfold, overflows) = value.multipliedReportingOverflow(by: 10)
        let (sum, overflowsToo) = tenfold.subtractingReportingOverflow(digit)
        return overflows || overflowsToo ? nil : sum
    }

    /// The number after the `e` at this place; one beyond all digits of a body where it is larger.
    private func exponent(from start: Int) -> Int {
        guard start < text.count else { return 0 }
        var exponent = 0
        for byte in text[(start + 1)...] where byte &- 0x30 < 10 && exponent < 1 << 32 {
            exponent = exponent * 10 + Int(byte) - 0x30
        }
        return text[start + 1] == UInt8(ascii: "-") ? -exponent : exponent
    }
}
