/// Writes an answer as JSON or as CBOR by the same calls.
///
/// The count that a map or list begins with is the number of its members or elements: CBOR writes it first. A debug build
/// stops where it is wrong.
package struct DocumentWriter: Sendable {
    package typealias Format = DocumentFormat

    package let format: DocumentFormat
    /// The bytes written so far.
    package private(set) var bytes: [UInt8] = []
    /// Whether the next member or element needs a comma before it, in JSON.
    private var needsComma = false
    #if DEBUG
    /// What is open, from the outside in: the values that it still wants, and whether it is a map.
    private var open: [(left: Int, isMap: Bool)] = []
    private var isAfterKey = false
    #endif

    package init(_ format: DocumentFormat, reserving capacity: Int = 0) {
        self.format = format
        bytes.reserveCapacity(capacity)
    }

    // MARK: Maps and lists

    package mutating func beginMap(_ count: Int) { begin(UInt8(ascii: "{"), CBORHead.map, count) }
    package mutating func endMap() { end(UInt8(ascii: "}")) }
    package mutating func beginList(_ count: Int) { begin(UInt8(ascii: "["), CBORHead.array, count) }
    package mutating func endList() { end(UInt8(ascii: "]")) }

    /// A member's name, to be followed by its value. It must not need an escape.
    package mutating func key(_ name: StaticString) {
        beginKey()
        let text = UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount)
        switch format {
        case .json:
            if needsComma { bytes.append(UInt8(ascii: ",")) }
            bytes.append(UInt8(ascii: "\""))
            bytes.append(contentsOf: text)
            bytes.append(UInt8(ascii: "\""))
            bytes.append(UInt8(ascii: ":"))
            needsComma = false
        case .cbor:
            CBORHead.append(CBORHead.text, UInt64(text.count), to: &bytes)
            bytes.append(contentsOf: text)
        }
    }

    /// The same for any name.
    package mutating func key(text name: String) {
        beginKey()
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        writeString(name)
        guard format == .json else { return }
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
    }

    // MARK: Values

    package mutating func string(_ text: String) {
        beginValue()
        writeString(text)
    }

    /// Text in UTF-8, as it stands in a record.
    package mutating func string(utf8 text: Span<UInt8>) {
        beginValue()
        text.withUnsafeBufferPointer { write(utf8: $0) }
    }

    /// Text of printable ASCII characters without quotes and backslashes, such as a sequence number.
    package mutating func ascii(_ text: some Collection<UInt8>) {
        let isWritten: Void? = text.withContiguousStorageIfAvailable { write(ascii: $0) }
        if isWritten == nil { Array(text).withUnsafeBufferPointer { write(ascii: $0) } }
    }

    package mutating func int(_ number: Int64) {
        beginValue()
        switch format {
        case .json: JSONText.append(number, to: &bytes)
        case .cbor: appendNumber(number)
        }
    }

    /// In JSON without an exponent (API-S-8); null where it is no number.
    package mutating func double(_ number: Double) {
        beginValue()
        switch format {
        case .json: JSONText.append(number, to: &bytes)
        case .cbor: CBORHead.append(CBORHead.simple << 5 | 27, number.bitPattern, size: 8, to: &bytes)
        }
    }

    package mutating func bool(_ value: Bool) { word(value ? "true" : "false", value ? 0xF5 : 0xF4) }

    package mutating func null() { word("null", 0xF6) }

    /// Bytes: in JSON as base64 (API-S-2).
    package mutating func blob(_ data: ArraySlice<UInt8>) {
        beginValue()
        switch format {
        case .json:
            bytes.append(UInt8(ascii: "\""))
            Base64.append(data.span, to: &bytes)
            bytes.append(UInt8(ascii: "\""))
        case .cbor:
            CBORHead.append(CBORHead.bytes, UInt64(data.count), to: &bytes)
            bytes.append(contentsOf: data)
        }
    }

    /// Milliseconds since 1970: in JSON seconds with three decimals, in CBOR tag 1 and whole milliseconds (API-S-3).
    package mutating func time(milliseconds: Int64) {
        beginValue()
        switch format {
        case .json: JSONText.append(secondsOfMilliseconds: milliseconds, to: &bytes)
        case .cbor:
            bytes.append(CBORHead.tag << 5 | 1)
            appendNumber(milliseconds)
        }
    }

    // MARK: Parts

    private mutating func begin(_ bracket: UInt8, _ major: UInt8, _ count: Int) {
        beginValue()
        #if DEBUG
        open.append((count, major == CBORHead.map))
        #endif
        switch format {
        case .json: bytes.append(bracket)
        case .cbor: CBORHead.append(major, UInt64(count), to: &bytes)
        }
        needsComma = false
    }

    private mutating func end(_ bracket: UInt8) {
        #if DEBUG
        let closed = open.popLast()
        precondition(closed?.left == 0 && closed?.isMap == (bracket == UInt8(ascii: "}")), "not what was begun")
        #endif
        guard format == .json else { return }
        bytes.append(bracket)
        needsComma = true
    }

    private mutating func beginKey() {
        #if DEBUG
        precondition(open.last?.isMap == true && !isAfterKey, "a name stands in a map")
        isAfterKey = true
        #endif
    }

    /// Called before each value.
    private mutating func beginValue() {
        #if DEBUG
        if let last = open.last {
            precondition(last.left > 0 && last.isMap == isAfterKey, "more than what was begun, or no name")
            open[open.count - 1].left -= 1
        }
        isAfterKey = false
        #endif
        guard format == .json else { return }
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func writeString(_ text: String) {
        var text = text
        text.withUTF8 { write(utf8: $0) }
    }

    private mutating func write(utf8 text: UnsafeBufferPointer<UInt8>) {
        switch format {
        case .json: JSONText.append(string: text, to: &bytes)
        case .cbor:
            CBORHead.append(CBORHead.text, UInt64(text.count), to: &bytes)
            bytes.append(contentsOf: text)
        }
    }

    private mutating func write(ascii text: UnsafeBufferPointer<UInt8>) {
        beginValue()
        switch format {
        case .json:
            bytes.append(UInt8(ascii: "\""))
            bytes.append(contentsOf: text)
            bytes.append(UInt8(ascii: "\""))
        case .cbor:
            CBORHead.append(CBORHead.text, UInt64(text.count), to: &bytes)
            bytes.append(contentsOf: text)
        }
    }

    private mutating func word(_ text: StaticString, _ byte: UInt8) {
        beginValue()
        switch format {
        case .json: bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
        case .cbor: bytes.append(byte)
        }
    }

    private mutating func appendNumber(_ number: Int64) {
        if number >= 0 {
            CBORHead.append(CBORHead.unsigned, UInt64(number), to: &bytes)
        } else {
            CBORHead.append(CBORHead.negative, UInt64(-1 - number), to: &bytes)
        }
    }
}
