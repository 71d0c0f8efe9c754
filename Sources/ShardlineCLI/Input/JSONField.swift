import StreamModel

/// Finds members of a JSON object in a line, and checks the whole line on the way (RFC 8259).
///
/// By hand, as `put` does this for every line, and as a number is to become a key exactly as it is written.
struct JSONField {
    /// Why a line has no such member.
    struct Problem: Error, Equatable {
        var reason: String
    }

    /// What a member is.
    enum Value: Equatable {
        case string(String)
        /// A number, as it is written.
        case number(String)
        /// What else it is, in a word or two.
        case other(String)
    }

    private let text: [UInt8]
    private var position = 0
    private var depth = 0
    /// Whether a member's name is canonically equal to one that is looked for, and has other bytes.
    private var hasAlike = false

    private init(_ text: [UInt8]) { self.text = text }

    /// The text of the member `name`: a string's content, or a number as it is written.
    static func text(of name: String, in line: [UInt8]) throws(Problem) -> String {
        var scanner = JSONField(line)
        switch try scanner.find([UTF8Key(name)])[0] {
        case .string(let text), .number(let text): return text
        case .other(let kind):
            throw Problem(reason: "the member '\(name)' is \(kind); a key is a string or a number")
        case nil:
            throw Problem(reason: "the object has no member '\(name)'\(scanner.hasAlike ? alike : "")")
        }
    }

    /// What is said of a name that is only canonically equal to the one that is looked for.
    static let alike = " (one that looks the same has other bytes: another Unicode normal form)"

    /// The members with these names, nil where there is none; names are compared byte by byte. Throws where one of them
    /// occurs twice: readers differ in which of two counts, so the record could get another key than its reader sees.
    static func values(of names: [UTF8Key], in line: [UInt8]) throws(Problem) -> [Value?] {
        var scanner = JSONField(line)
        return try scanner.find(names)
    }

    private mutating func find(_ names: [UTF8Key]) throws(Problem) -> [Value?] {
        skipSpace()
        guard peek() == UInt8(ascii: "{") else {
            if position < text.count { try skipValue() }
            throw Problem(
                reason: text.isEmpty ? "the line is empty, not a JSON object" : "the line is not a JSON object")
        }
        var found = [Value?](repeating: nil, count: names.count)
        var counts = [Int](repeating: 0, count: names.count)
        position += 1
        try members { scanner, key throws(Problem) in
            let key = UTF8Key(key)
            guard let index = names.firstIndex(of: key) else {
                if names.contains(where: { $0.string == key.string }) { scanner.hasAlike = true }
                return try scanner.skipValue()
            }
            counts[index] += 1
            found[index] = try scanner.value()
        }
        skipSpace()
        guard position == text.count else { throw broken("more text after the object") }
        if let index = counts.firstIndex(where: { $0 > 1 }) {
            throw Problem(
                reason:
                    "the object has \(counts[index]) members '\(names[index].string)', so which of them counts is not known; give each member of an object its own name"
            )
        }
        return found
    }

    private mutating func value() throws(Problem) -> Value {
        let first = peek()
        if first == UInt8(ascii: "\"") { return .string(try string()) }
        let start = position
        try skipValue()
        switch first {
        case .some(UInt8(ascii: "-")), .some(UInt8(ascii: "0")...UInt8(ascii: "9")):
            return .number(String(decoding: text[start..<position], as: UTF8.self))
        default: return .other(Self.kind(first))
        }
    }

    private static func kind(_ first: UInt8?) -> String {
        switch first {
        case UInt8(ascii: "{"): "an object"
        case UInt8(ascii: "["): "a list"
        case UInt8(ascii: "n"): "null"
        default: "true or false"
        }
    }

    private func broken(_ what: String) -> Problem {
        Problem(reason: "the line is not JSON: \(what) at byte \(position + 1)")
    }

    private func peek() -> UInt8? { position < text.count ? text[position] : nil }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x09 || byte == 0x0D || byte == 0x0A { position += 1 }
    }

    // From after the opening brace to after the closing one. `value` is called at the start of each value.
    private mutating func members(
        _ value: (inout JSONField, String) throws(Problem) -> Void
    ) throws(Problem) {
        skipSpace()
        if peek() == UInt8(ascii: "}") {
            position += 1
            return
        }
        while true {
            skipSpace()
            guard peek() == UInt8(ascii: "\"") else { throw broken("a member's name is expected") }
            let key = try string()
            skipSpace()
            guard peek() == UInt8(ascii: ":") else { throw broken("':' is expected") }
            position += 1
            skipSpace()
            try value(&self, key)
            skipSpace()
            switch peek() {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "}"):
                position += 1
                return
            default: throw broken("',' or '}' is expected")
            }
        }
    }

    private mutating func skipValue() throws(Problem) {
        switch peek() {
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "{"):
            try descend()
            position += 1
            try members { scanner, _ throws(Problem) in try scanner.skipValue() }
            depth -= 1
        case UInt8(ascii: "["):
            try descend()
            position += 1
            try elements()
            depth -= 1
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        case UInt8(ascii: "n"): try word("null")
        default: try number()
        }
    }

    // The depth of the calls follows the input's; a limit keeps a hostile line from using up the stack.
    private mutating func descend() throws(Problem) {
        depth += 1
        guard depth <= 512 else { throw broken("more than 512 levels") }
    }

    private mutating func elements() throws(Problem) {
        skipSpace()
        if peek() == UInt8(ascii: "]") {
            position += 1
            return
        }
        while true {
            skipSpace()
            try skipValue()
            skipSpace()
            switch peek() {
            case UInt8(ascii: ","): position += 1
            case UInt8(ascii: "]"):
                position += 1
                return
            default: throw broken("',' or ']' is expected")
            }
        }
    }

    private mutating func word(_ expected: StaticString) throws(Problem) {
        for index in 0..<expected.utf8CodeUnitCount {
            guard peek() == expected.utf8Start[index] else { throw broken("a value is expected") }
            position += 1
        }
    }

    private mutating func digits() throws(Problem) {
        guard let byte = peek(), (0x30...0x39).contains(byte) else { throw broken("a value is expected") }
        while let byte = peek(), (0x30...0x39).contains(byte) { position += 1 }
    }

    private mutating func number() throws(Problem) {
        if peek() == UInt8(ascii: "-") { position += 1 }
        if peek() == UInt8(ascii: "0") { position += 1 } else { try digits() }
        if peek() == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if peek() == UInt8(ascii: "e") || peek() == UInt8(ascii: "E") {
            position += 1
            if peek() == UInt8(ascii: "+") || peek() == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
    }

    private mutating func string() throws(Problem) -> String {
        position += 1
        var content: [UInt8] = []
        while let byte = peek() {
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let string = String(validating: content, as: UTF8.self) else {
                    throw broken("text that is not UTF-8")
                }
                return string
            case UInt8(ascii: "\\"): content += Array(String(try escaped()).utf8)
            case 0..<0x20:
                position -= 1
                throw broken("a control character in a string")
            default: content.append(byte)
            }
        }
        throw broken("a string without end")
    }

    private mutating func escaped() throws(Problem) -> Unicode.Scalar {
        guard let byte = peek() else { throw broken("a string without end") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): break
        default: throw broken("an unknown escape")
        }
        let first = try hexadecimal()
        if (0xD800..<0xDC00).contains(first), peek() == UInt8(ascii: "\\"), position + 1 < text.count,
            text[position + 1] == UInt8(ascii: "u")
        {
            position += 2
            let second = try hexadecimal()
            guard (0xDC00..<0xE000).contains(second) else { throw broken("half a surrogate pair") }
            return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))!
        }
        guard let scalar = Unicode.Scalar(first) else { throw broken("half a surrogate pair") }
        return scalar
    }

    private mutating func hexadecimal() throws(Problem) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw broken("four hexadecimal digits are expected")
            }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }
}
