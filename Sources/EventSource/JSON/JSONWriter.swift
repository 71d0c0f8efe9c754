import StreamModel

/// Writes JSON directly into bytes. For events and documents of many records an encoder would cost more than the rest
/// of the work.
package struct JSONWriter: Sendable {
    /// The bytes written so far.
    package private(set) var bytes: [UInt8] = []
    /// Whether the next member or element needs a comma before it.
    private var needsComma = false

    package init(reserving capacity: Int = 0) { bytes.reserveCapacity(capacity) }

    /// `{ … }`
    package mutating func object(_ body: (inout JSONWriter) -> Void) {
        nest(UInt8(ascii: "{"), UInt8(ascii: "}"), body)
    }
    /// `[ … ]`
    package mutating func array(_ body: (inout JSONWriter) -> Void) { nest(UInt8(ascii: "["), UInt8(ascii: "]"), body) }

    /// `"name":`, to be followed by one value. The name must not need an escape.
    package mutating func name(_ name: StaticString) {
        comma()
        bytes.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// The same for any name.
    package mutating func name(text: String) {
        string(text)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    /// A member with a string.
    package mutating func member(_ name: StaticString, _ value: String) {
        self.name(name)
        string(value)
    }

    /// A member with a string, or null.
    package mutating func member(_ name: StaticString, _ value: String?) {
        self.name(name)
        if let value { string(value) } else { raw("null") }
    }

    /// A member with a whole number, or null.
    package mutating func member(_ name: StaticString, _ value: Int?) {
        self.name(name)
        raw(value.map(String.init) ?? "null")
    }

    /// A member with true or false.
    package mutating func member(_ name: StaticString, _ value: Bool) {
        self.name(name)
        raw(value ? "true" : "false")
    }

    /// A string value.
    package mutating func string(_ value: String) {
        comma()
        bytes.append(UInt8(ascii: "\""))
        var value = value
        value.withUTF8 { text in
            var start = 0
            for index in 0..<text.count where text[index] < 0x20 || text[index] == 0x22 || text[index] == 0x5C {
                bytes.append(contentsOf: text[start..<index])
                escape(text[index])
                start = index + 1
            }
            bytes.append(contentsOf: text[start...])
        }
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    /// Text that is already a JSON value.
    package mutating func raw(_ text: String) {
        comma()
        bytes.append(contentsOf: text.utf8)
        needsComma = true
    }

    /// Bytes that are already a JSON value.
    package mutating func raw(_ value: [UInt8]) {
        comma()
        bytes.append(contentsOf: value)
        needsComma = true
    }

    /// Milliseconds as seconds with three decimals, the form of times in Kinesis events.
    package mutating func seconds(ofMilliseconds milliseconds: Int64) {
        let rest = String(abs(milliseconds % 1000))
        raw(
            (milliseconds < 0 ? "-" : "") + String(abs(milliseconds / 1000)) + "."
                + String(repeating: "0", count: 3 - rest.utf8.count) + rest)
    }

    /// Bytes as a base64 string: the standard alphabet, padded.
    package mutating func base64(_ data: ArraySlice<UInt8>) {
        comma()
        bytes.append(UInt8(ascii: "\""))
        Base64.append(data.span, to: &bytes)
        bytes.append(UInt8(ascii: "\""))
        needsComma = true
    }

    private mutating func nest(_ open: UInt8, _ close: UInt8, _ body: (inout JSONWriter) -> Void) {
        comma()
        bytes.append(open)
        needsComma = false
        body(&self)
        bytes.append(close)
        needsComma = true
    }

    private mutating func comma() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
    }

    private mutating func escape(_ byte: UInt8) {
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

    /// The bytes of `text` as a string value, including the quotes.
    package static func size(ofString text: String) -> Int {
        var size = 2
        for byte in text.utf8 {
            switch byte {
            case 0x22, 0x5C, 0x0A, 0x0D, 0x09: size += 2
            case ..<0x20: size += 6
            default: size += 1
            }
        }
        return size
    }
}

/// Base64 with the standard alphabet and padding (RFC 4648, section 4).
package enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The length of `count` bytes in base64.
    package static func size(of count: Int) -> Int { (count + 2) / 3 * 4 }

    /// Appends `data` in base64.
    package static func append(_ data: Span<UInt8>, to text: inout [UInt8]) {
        let letters = alphabet.span
        text.reserveCapacity(text.count + size(of: data.count))
        var index = 0
        while index + 2 < data.count {
            let bits = UInt32(data[index]) << 16 | UInt32(data[index + 1]) << 8 | UInt32(data[index + 2])
            text.append(letters[Int(bits >> 18)])
            text.append(letters[Int(bits >> 12 & 63)])
            text.append(letters[Int(bits >> 6 & 63)])
            text.append(letters[Int(bits & 63)])
            index += 3
        }
        switch data.count - index {
        case 1:
            let bits = UInt32(data[index]) << 16
            text.append(letters[Int(bits >> 18)])
            text.append(letters[Int(bits >> 12 & 63)])
            text.append(contentsOf: "==".utf8)
        case 2:
            let bits = UInt32(data[index]) << 16 | UInt32(data[index + 1]) << 8
            text.append(letters[Int(bits >> 18)])
            text.append(letters[Int(bits >> 12 & 63)])
            text.append(letters[Int(bits >> 6 & 63)])
            text.append(UInt8(ascii: "="))
        default: break
        }
    }

    /// Decodes `text`; nil unless it is exactly what ``append(_:to:)`` writes.
    package static func bytes(of text: String) -> [UInt8]? {
        var text = text
        let values = values
        return text.withUTF8 { text -> [UInt8]? in
            guard text.count % 4 == 0 else { return nil }
            let padding = text.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
            let letters = text.count - padding
            var bytes: [UInt8] = []
            bytes.reserveCapacity(text.count / 4 * 3)
            var bits: UInt32 = 0
            var index = 0
            while index < letters {
                let value = values[Int(text[index])]
                guard value < 64 else { return nil }
                bits = bits << 6 | UInt32(value)
                index += 1
                guard index & 3 == 0 else { continue }
                bytes.append(UInt8(truncatingIfNeeded: bits >> 16))
                bytes.append(UInt8(truncatingIfNeeded: bits >> 8))
                bytes.append(UInt8(truncatingIfNeeded: bits))
                bits = 0
            }
            switch padding {
            case 1:
                guard bits & 3 == 0 else { return nil }
                bytes.append(UInt8(bits >> 10 & 0xFF))
                bytes.append(UInt8(bits >> 2 & 0xFF))
            case 2:
                guard bits & 15 == 0 else { return nil }
                bytes.append(UInt8(bits >> 4 & 0xFF))
            default: break
            }
            return bytes
        }
    }

    /// The value of each letter; 255 for other bytes.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 255, count: 256)
        for (value, letter) in alphabet.enumerated() { values[Int(letter)] = UInt8(value) }
        return values
    }()
}

extension JSONValue {
    /// The value as JSON, with sorted members. Numbers are as they were read.
    package var bytes: [UInt8] {
        var writer = JSONWriter(reserving: 64)
        write(to: &writer)
        return writer.bytes
    }

    private func write(to writer: inout JSONWriter) {
        switch self {
        case .null: writer.raw("null")
        case .bool(let value): writer.raw(value ? "true" : "false")
        case .number(let text): writer.raw(text)
        case .string(let text): writer.string(text)
        case .array(let elements): writer.array { list in for element in elements { element.write(to: &list) } }
        case .object(let members):
            writer.object { object in
                for (name, value) in members.sorted(by: { $0.key.string < $1.key.string }) {
                    object.name(text: name.string)
                    value.write(to: &object)
                }
            }
        }
    }
}
