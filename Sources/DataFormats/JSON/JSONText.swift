/// JSON's forms of single values.
enum JSONText {
    /// Appends a string, with its quotes and escapes.
    static func append(string text: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        var start = 0
        for index in 0..<text.count where text[index] < 0x20 || text[index] == 0x22 || text[index] == 0x5C {
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start..<index]))
            append(escape: text[index], to: &bytes)
            start = index + 1
        }
        bytes.append(contentsOf: UnsafeBufferPointer(rebasing: text[start...]))
        bytes.append(UInt8(ascii: "\""))
    }

    private static func append(escape byte: UInt8, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\\"))
        switch byte {
        case 0x22, 0x5C: bytes.append(byte)
        case 0x0A: bytes.append(UInt8(ascii: "n"))
        case 0x0D: bytes.append(UInt8(ascii: "r"))
        case 0x09: bytes.append(UInt8(ascii: "t"))
        default:
            bytes.append(contentsOf: "u00".utf8)
            for digit in [byte >> 4, byte & 15] {
                bytes.append(digit < 10 ? 0x30 + digit : 0x61 + digit - 10)
            }
        }
    }

    /// Appends a whole number.
    static func append(_ number: Int64, to bytes: inout [UInt8]) {
        if number < 0 { bytes.append(UInt8(ascii: "-")) }
        append(digitsOf: number.magnitude, to: &bytes)
    }

    private static func append(digitsOf number: UInt64, to bytes: inout [UInt8]) {
        let start = bytes.count
        var rest = number
        repeat {
            bytes.append(0x30 + UInt8(rest % 10))
            rest /= 10
        } while rest > 0
        bytes[start...].reverse()
    }

    /// Appends milliseconds as seconds with three decimals, Kinesis' form of times.
    static func append(secondsOfMilliseconds milliseconds: Int64, to bytes: inout [UInt8]) {
        if milliseconds < 0 { bytes.append(UInt8(ascii: "-")) }
        let (seconds, rest) = milliseconds.magnitude.quotientAndRemainder(dividingBy: 1000)
        append(digitsOf: seconds, to: &bytes)
        bytes.append(UInt8(ascii: "."))
        bytes.append(0x30 + UInt8(rest / 100))
        bytes.append(0x30 + UInt8(rest / 10 % 10))
        bytes.append(0x30 + UInt8(rest % 10))
    }

    /// Appends a number in its shortest digits that read the same, without an exponent. JSON has no infinity and no NaN: null.
    static func append(_ number: Double, to bytes: inout [UInt8]) {
        guard number.isFinite else { return bytes.append(contentsOf: "null".utf8) }
        let text = Array(number.description.utf8)
        guard let mark = text.firstIndex(of: UInt8(ascii: "e")) else { return bytes.append(contentsOf: text) }
        let digits = text[..<mark].filter { 0x30...0x39 ~= $0 }
        // Swift writes an exponent after one digit before the point.
        let exponent = Int(String(decoding: text[(mark + 1)...], as: UTF8.self)) ?? 0
        let zeros = [UInt8](repeating: 0x30, count: abs(exponent))
        if text[0] == UInt8(ascii: "-") { bytes.append(text[0]) }
        if exponent < 0 {
            bytes.append(0x30)
            bytes.append(UInt8(ascii: "."))
            bytes.append(contentsOf: zeros.dropFirst())
            bytes.append(contentsOf: digits)
        } else {
            // An exponent is written where all digits are before the point.
            bytes.append(contentsOf: digits)
            bytes.append(contentsOf: zeros.dropFirst(digits.count - 1))
        }
    }
}
