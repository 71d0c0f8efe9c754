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
        var value = value
        value.withUTF8 { JSONText.append(string: $0, to: &bytes) }
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
        comma()
        JSONText.append(secondsOfMilliseconds: milliseconds, to: &bytes)
        needsComma = true
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
