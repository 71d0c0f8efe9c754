import DataFormats

/// The JSON of a pattern, with the place of every value, so that errors can name it.
struct PatternJSON {
    /// A value's kind and content.
    enum Value {
        case null
        case bool(Bool)
        /// A number, as it was written.
        case number(String)
        case string(String)
        case array([PatternJSON])
        /// The members in the order of the text, repeated names included.
        case object([Member])
    }

    /// A member of an object.
    struct Member {
        let name: String
        /// Where the name begins.
        let offset: Int
        let value: PatternJSON
    }

    let value: Value
    /// Where the value begins.
    let offset: Int

    /// Reads a pattern: strict JSON (RFC 8259), with a limited depth. Throws ``PatternProblem``.
    init(_ text: String) throws {
        let bytes = Array(text.utf8)
        self = try bytes.withUnsafeBufferPointer { bytes in
            var reader = Reader(scanner: JSONScanner(bytes))
            return try reader.document()
        }
    }

    private init(_ value: Value, at offset: Int) {
        self.value = value
        self.offset = offset
    }

    /// What messages call a value of this kind.
    var kind: String {
        switch value {
        case .null: "null"
        case .bool(let value): "\(value)"
        case .number(let text): "the number \(text.utf8.count > 40 ? "\(text.prefix(40))…" : text)"
        case .string(let text): "the string \(PatternProblem.quoted(text))"
        case .array: "a list"
        case .object: "an object"
        }
    }

    private struct Reader {
        var scanner: JSONScanner

        mutating func document() throws -> PatternJSON {
            scanner.skipSpace()
            let value = try value(PatternPath(), depth: 0)
            scanner.skipSpace()
            guard scanner.isAtEnd else {
                throw PatternProblem(PatternPath(), scanner.at, "text after the pattern", allowed: "one JSON object")
            }
            return value
        }

        private mutating func value(_ path: PatternPath, depth: Int) throws -> PatternJSON {
            let start = scanner.at
            guard depth < JSONScanner.maximumDepth else {
                throw PatternProblem(path, start, "too deep", allowed: "at most \(JSONScanner.maximumDepth) levels")
            }
            switch scanner.next {
            case UInt8(ascii: "{"): return try object(path, depth: depth)
            case UInt8(ascii: "["): return try array(path, depth: depth)
            case UInt8(ascii: "\""): return PatternJSON(.string(try string(path)), at: start)
            case UInt8(ascii: "t") where scanner.take("true"): return PatternJSON(.bool(true), at: start)
            case UInt8(ascii: "f") where scanner.take("false"): return PatternJSON(.bool(false), at: start)
            case UInt8(ascii: "n") where scanner.take("null"): return PatternJSON(.null, at: start)
            default:
                guard let range = scanner.number() else {
                    let what = start >= scanner.end ? "the text ends where a value is expected" : "no JSON value"
                    throw PatternProblem(path, start, what, allowed: "JSON, as in {\"data\": {\"type\": [\"order\"]}}")
                }
                return PatternJSON(.number(String(decoding: scanner.slice(range), as: UTF8.self)), at: start)
            }
        }

        private mutating func string(_ path: PatternPath) throws -> String {
            let start = scanner.at
            guard let text = scanner.string() else {
                throw PatternProblem(
                    path, start, "a string that is not closed or has a wrong escape or control character",
                    allowed: "a JSON string")
            }
            return text.string(in: scanner)
        }

        private mutating func object(_ path: PatternPath, depth: Int) throws -> PatternJSON {
            let start = scanner.at
            scanner.at += 1
            var members: [Member] = []
            scanner.skipSpace()
            if scanner.take(UInt8(ascii: "}")) { return PatternJSON(.object(members), at: start) }
            while true {
                scanner.skipSpace()
                let offset = scanner.at
                guard scanner.next == UInt8(ascii: "\"") else {
                    throw PatternProblem(path, offset, "no name of a member", allowed: "a name in double quotes")
                }
                let name = try string(path)
                scanner.skipSpace()
                guard scanner.take(UInt8(ascii: ":")) else {
                    throw PatternProblem(path.member(name), scanner.at, "no ':' after a name", allowed: "':'")
                }
                scanner.skipSpace()
                members.append(
                    Member(name: name, offset: offset, value: try value(path.member(name), depth: depth + 1)))
                scanner.skipSpace()
                if scanner.take(UInt8(ascii: "}")) { return PatternJSON(.object(members), at: start) }
                guard scanner.take(UInt8(ascii: ",")) else {
                    throw PatternProblem(path, scanner.at, "an object that does not go on", allowed: "',' or '}'")
                }
            }
        }

        private mutating func array(_ path: PatternPath, depth: Int) throws -> PatternJSON {
            let start = scanner.at
            scanner.at += 1
            var elements: [PatternJSON] = []
            scanner.skipSpace()
            if scanner.take(UInt8(ascii: "]")) { return PatternJSON(.array(elements), at: start) }
            while true {
                scanner.skipSpace()
                elements.append(try value(path.element(elements.count), depth: depth + 1))
                scanner.skipSpace()
                if scanner.take(UInt8(ascii: "]")) { return PatternJSON(.array(elements), at: start) }
                guard scanner.take(UInt8(ascii: ",")) else {
                    throw PatternProblem(path, scanner.at, "a list that does not go on", allowed: "',' or ']'")
                }
            }
        }
    }
}
