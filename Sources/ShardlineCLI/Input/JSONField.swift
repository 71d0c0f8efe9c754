import DataFormats
import StreamModel

/// Finds members of a JSON object in a line, and checks the whole line on the way (RFC 8259).
///
/// No values are made of the others, as `put` does this for every line, and a number becomes a key exactly as it is written.
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

    private var scanner: JSONScanner
    /// Whether a member's name is canonically equal to one that is looked for, and has other bytes.
    private var hasAlike = false

    private init(_ scanner: JSONScanner) { self.scanner = scanner }

    /// The text of the member `name`: a string's content, or a number as it is written.
    static func text(of name: String, in line: [UInt8]) throws(Problem) -> String {
        try line.withUnsafeBufferPointer { bytes throws(Problem) in
            var field = JSONField(JSONScanner(bytes))
            switch try field.find([UTF8Key(name)])[0] {
            case .string(let text), .number(let text): return text
            case .other(let kind):
                throw Problem(reason: "the member '\(name)' is \(kind); a key is a string or a number")
            case nil:
                throw Problem(reason: "the object has no member '\(name)'\(field.hasAlike ? alike : "")")
            }
        }
    }

    /// What is said of a name that is only canonically equal to the one that is looked for.
    static let alike = " (one that looks the same has other bytes: another Unicode normal form)"

    /// The members with these names, nil where there is none; names are compared byte by byte. Throws where one of them
    /// occurs twice: readers differ in which of two counts, so the record could get another key than its reader sees.
    static func values(of names: [UTF8Key], in line: [UInt8]) throws(Problem) -> [Value?] {
        try line.withUnsafeBufferPointer { bytes throws(Problem) in
            var field = JSONField(JSONScanner(bytes))
            return try field.find(names)
        }
    }

    private mutating func find(_ names: [UTF8Key]) throws(Problem) -> [Value?] {
        scanner.skipSpace()
        guard scanner.next == UInt8(ascii: "{") else {
            if !scanner.isAtEnd { try skipValue(depth: 0) }
            throw Problem(
                reason: scanner.end == 0 ? "the line is empty, not a JSON object" : "the line is not a JSON object")
        }
        var found = [Value?](repeating: nil, count: names.count)
        var counts = [Int](repeating: 0, count: names.count)
        try members { field, name throws(Problem) in
            guard let index = field.index(of: name, among: names) else { return try field.skipValue(depth: 1) }
            counts[index] += 1
            found[index] = try field.value()
        }
        scanner.skipSpace()
        guard scanner.isAtEnd else { throw broken("more text after the object") }
        if let index = counts.firstIndex(where: { $0 > 1 }) {
            throw Problem(
                reason:
                    "the object has \(counts[index]) members '\(names[index].string)', so which of them counts is not known; give each member of an object its own name"
            )
        }
        return found
    }

    private mutating func index(of text: JSONScanner.Text, among names: [UTF8Key]) -> Int? {
        let found = scanner.withText(text) { bytes in
            let same = names.firstIndex { bytes.elementsEqual($0.string.utf8) }
            guard same == nil, !hasAlike else { return (same, hasAlike) }
            // Text is seldom made of a name: where both are ASCII, only the same bytes are equal.
            let isASCII = bytes.allSatisfy { $0 < 0x80 }
            let isAlike = names.contains { name in
                !(isASCII && name.string.utf8.allSatisfy { $0 < 0x80 })
                    && name.string == String(decoding: bytes, as: UTF8.self)
            }
            return (nil, isAlike)
        }
        hasAlike = found.1
        return found.0
    }

    /// Takes the object that is next. `value` is called at the start of each value.
    private mutating func members(
        _ value: (inout JSONField, JSONScanner.Text) throws(Problem) -> Void
    ) throws(Problem) {
        scanner.at += 1
        scanner.skipSpace()
        if scanner.take(UInt8(ascii: "}")) { return }
        while true {
            scanner.skipSpace()
            guard scanner.next == UInt8(ascii: "\"") else { throw broken("a member's name is expected") }
            let name = try string()
            scanner.skipSpace()
            guard scanner.take(UInt8(ascii: ":")) else { throw broken("':' is expected") }
            scanner.skipSpace()
            try value(&self, name)
            scanner.skipSpace()
            if scanner.take(UInt8(ascii: "}")) { return }
            guard scanner.take(UInt8(ascii: ",")) else { throw broken("',' or '}' is expected") }
        }
    }

    private mutating func value() throws(Problem) -> Value {
        let (start, first) = (scanner.at, scanner.next)
        if first == UInt8(ascii: "\"") { return .string(try string().string(in: scanner)) }
        try skipValue(depth: 1)
        switch first {
        case UInt8(ascii: "{"): return .other("an object")
        case UInt8(ascii: "["): return .other("a list")
        case UInt8(ascii: "n"): return .other("null")
        case UInt8(ascii: "t"), UInt8(ascii: "f"): return .other("true or false")
        default: return .number(String(decoding: scanner.slice(start..<scanner.at), as: UTF8.self))
        }
    }

    private mutating func string() throws(Problem) -> JSONScanner.Text {
        guard let text = scanner.string() else {
            throw broken(
                scanner.isAtEnd ? "a string without end" : "a wrong escape, a control character or no UTF-8 in a string"
            )
        }
        return text
    }

    /// - Parameter depth: the number of values that the value is in.
    private mutating func skipValue(depth: Int) throws(Problem) {
        let start = scanner.at
        guard scanner.skipValue(depth: depth) else {
            let levels = JSONScanner.maximumDepth
            let isTooDeep = Self.levels(of: scanner.slice(start..<scanner.at)) + depth >= levels
            throw broken(isTooDeep ? "more than \(levels) levels" : "a value is expected")
        }
    }

    /// How many brackets are open at the end of JSON that is cut off.
    private static func levels(of text: UnsafeBufferPointer<UInt8>) -> Int {
        var (levels, isInString, isEscaped) = (0, false, false)
        for byte in text {
            switch byte {
            case _ where isEscaped: isEscaped = false
            case UInt8(ascii: "\\"): isEscaped = isInString
            case UInt8(ascii: "\""): isInString.toggle()
            case UInt8(ascii: "{"), UInt8(ascii: "["): levels += isInString ? 0 : 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): levels -= isInString ? 0 : 1
            default: break
            }
        }
        return levels
    }

    private func broken(_ what: String) -> Problem {
        Problem(reason: "the line is not JSON: \(what) at byte \(scanner.at + 1)")
    }
}
