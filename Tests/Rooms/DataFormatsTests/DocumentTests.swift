import Testing

@testable import DataFormats

/// The values of a JSON text, read strictly (API-S-1 to API-S-8).
@Suite struct DocumentTests {
    static func json(_ text: String) throws -> Document { try Document(json: Array(text.utf8)) }
    static func root(_ text: String) throws -> Document.Value { try json(text).root }

    // MARK: What is JSON

    @Test(arguments: [
        "{}", "[]", " [ ] ", "\t{\"a\" :\r\n1 , \"b\":[ true,false , null ]}\n", "0", "-0", "-0.0e-0", "1E+2", "\"\"",
        #""\"\\\/\b\f\n\r\t\u00e9\uD83D\uDCA5""#, "\"é€😀\"", "[[[[]]]]", "null",
    ])
    func `JSON is read`(text: String) throws {
        _ = try Self.json(text)
    }

    @Test(arguments: [
        "", " ", "{", "[", "]", "{]", "[}", "[1,]", "[,1]", "[1 2]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}",
        "{1:1}",
        "{'a':1}", "01", "-", "+1", "1.", ".5", "1e", "1e+", "0x1", "NaN", "Infinity", "tru", "TRUE", "nul", "\"",
        "\"\n\"", "\"\t\"", #""\x""#, #""\u12g4""#, #""\u12"#, "[1]]", "{}{}", "1 1", "// a\n1", "\u{FEFF}{}",
        "[\"a\" \"b\"]",
    ])
    func `what is no JSON is refused`(text: String) {
        #expect(throws: DocumentError.self) { try Self.json(text) }
    }

    /// API-S-7
    @Test(arguments: [
        #""\ud83d""#, #""\udca5""#, #""\ud83dx""#, #""\ud83d\u0041""#, #""\ud83d\ud83d""#, #"{"\ud83d":1}"#,
    ])
    func `API-S-7 half of a surrogate pair is refused`(text: String) {
        #expect(throws: DocumentError.self) { try Self.json(text) }
    }

    @Test(
        arguments: [
            [0xFF], [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xC3], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xE2, 0x82],
            [0xF0, 0x80, 0x80, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xF8, 0x88, 0x80, 0x80, 0x80],
        ] as [[UInt8]])
    func `API-S-7 what is no UTF-8 is refused`(bytes: [UInt8]) {
        for padding in [0, 1, 7, 8, 15] {
            let text = [UInt8](repeating: 0x61, count: padding) + bytes
            #expect(throws: DocumentError.self) { try Document(json: [0x22] + text + [0x22]) }
            #expect(throws: DocumentError.self) { try Document(cbor: [0x60 | UInt8(text.count)] + text) }
        }
    }

    /// API-S-4
    @Test func `lists and maps are nested 32 deep at most`() throws {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let inner = open == "[" ? "" : "1"
            func nested(_ depth: Int) -> String {
                String(repeating: open, count: depth) + inner + String(repeating: close, count: depth)
            }
            _ = try Self.json(nested(32))
            #expect(throws: DocumentError(.tooDeep, at: 32 * open.utf8.count)) { try Self.json(nested(33)) }
            #expect(throws: DocumentError(.tooDeep, at: 32 * open.utf8.count)) {
                try Self.json(String(repeating: open, count: 1 << 20))
            }
        }
    }

    @Test func `an error names its place`() {
        #expect(throws: DocumentError(.malformed, at: 4)) { try Self.json("[1, ]") }
        #expect(throws: DocumentError(.continues, at: 3)) { try Self.json("[] 1") }
        #expect(DocumentError(.malformed, at: 4).description == "not well-formed at byte 4")
        #expect(DocumentError(.continues, at: 3).description == "more bytes after the value, from byte 3")
        #expect(DocumentError(.tooDeep, at: 9).description == "nested deeper than 32 levels at byte 9")
        #expect(DocumentError(.tooLarge, at: 0).description == "larger than 268435455 bytes")
    }

    // MARK: Values

    @Test func `kinds`() throws {
        let text = #"[null, true, false, 1, -1.5, 1e2, "a", "\n", [], {}]"#
        let values = Array(try Self.root(text).elements)
        #expect(
            values.map(\.kind) == [
                .null, .bool, .bool, .integer, .decimal, .decimal, .string, .string, .array, .object,
            ])
        #expect(values.map(\.bool) == [nil, true, false, nil, nil, nil, nil, nil, nil, nil])
        #expect(values.map(\.int) == [nil, nil, nil, 1, -2, 100, nil, nil, nil, nil])
        #expect(values.map(\.double) == [nil, nil, nil, 1, -1.5, 100, nil, nil, nil, nil])
        #expect(values.map(\.text) == [nil, nil, nil, nil, nil, nil, "a", "\n", nil, nil])
        #expect(values.map(\.milliseconds) == [nil, nil, nil, 1000, -1500, 100_000, nil, nil, nil, nil])
    }

    /// API-S-6: what stands in quotes is no number, whatever its digits.
    @Test func `API-S-6 decimal strings are strings`() throws {
        let number = "49646437577108476416916876405825929425585429676275269634"
        let value = try Self.root("{\"ShardId\":\"\(number)\"}")["ShardId"]
        #expect(value?.kind == .string)
        #expect(value?.text == number)
        #expect(value?.int == nil)
    }

    @Test func `escapes are decoded, also in names and in comparisons`() throws {
        let value = try Self.root(#"{"StreamN\u0061me":"\u00fc\ud83d\udca5\\\/","b":"StreamNam\u0065"}"#)
        #expect(value["StreamName"]?.text == "ü💥\\/")
        #expect(value["b"]?.equals("StreamName") == true)
        #expect(value["b"]?.equals("StreamNam") == false)
        #expect(value["StreamName"]?.equals("ü💥\\/") == true)
        // A string is compared by its bytes: é is not e with an accent.
        #expect(try Self.root("\"e\u{301}\"").equals("\u{E9}") == false)
        #expect(try Self.root("1").equals("1") == false)
    }

    /// API-S-1
    @Test func `API-S-1 null counts as absent, and the last member of a name counts`() throws {
        let value = try Self.root(#"{"a":1,"b":null,"a":2,"c":{"a":9},"d":3,"d":null}"#)
        #expect(value["a"]?.int == 2)
        #expect(value["b"] == nil)
        #expect(value["c"]?["a"]?.int == 9)
        #expect(value["d"]?.int == 3)
        #expect(value["A"] == nil)
        #expect(value["missing"] == nil)
        #expect(value.count == 6)
        #expect(value.members.map { $0.name.text } == ["a", "b", "a", "c", "d", "d"])
        #expect(value.members.map { $0.value.kind } == [.integer, .null, .integer, .object, .integer, .null])
        #expect(try Self.root("[1]")["a"] == nil)
        #expect(try Self.root("\"a\"").members.map { $0.name.text } == [])
        #expect(try Self.root("{}").elements.map(\.kind) == [])
        #expect(try Self.root("5").count == 0)
    }

    @Test func `nested lists and maps are passed over whole`() throws {
        let text = #"[[1,[2,3],{"a":[4]}],{"b":{"c":[]},"d":5},6]"#
        let values = Array(try Self.root(text).elements)
        #expect(values.map(\.count) == [3, 2, 0])
        #expect(values[1]["d"]?.int == 5)
        #expect(values[0].elements.map(\.kind) == [.integer, .array, .object])
        #expect(values[2].int == 6)
    }

    // MARK: Numbers

    /// API-S-5
    @Test(
        arguments: [
            ("0", 0), ("-0", 0), ("1.9", 1), ("-1.1", -2), ("-1.0", -1), ("1.5e3", 1500), ("12345e-2", 123),
            ("-1e-400", -1),
            ("1e-400", 0), ("0e999999999999999999999", 0), ("-0.0e5", 0), ("9223372036854775807", .max),
            ("9223372036854775808", .max), ("-9223372036854775808", .min), ("-9223372036854775809", .min),
            ("-9223372036854775808.5", .min), ("9223372036854775807.9", .max), ("1e19", .max), ("-1e19", .min),
            ("1e999999999999999999999", .max), ("1e-999999999999999999999", 0), ("0.000000000000001e15", 1),
            ("100000000000", 100_000_000_000), ("1000000000000000000000000e-24", 1), ("0.1e1", 1), ("-12.00e-1", -2),
        ] as [(String, Int64)])
    func `API-S-5 a number is cut down to a whole one`(text: String, whole: Int64) throws {
        #expect(try Self.root(text).int == whole)
    }

    /// API-S-3
    @Test(
        arguments: [
            ("1700000000", 1_700_000_000_000), ("1700000000.123", 1_700_000_000_123),
            ("1700000000.1239999", 1_700_000_000_123),
            ("1.700000000123e9", 1_700_000_000_123), ("17000000001239e-4", 1_700_000_000_123), ("0.0005", 0),
            ("-0.0005", 0),
            ("-1.5", -1500), ("1e-3", 1), ("9007199254740993.001", 9_007_199_254_740_993_001),
            ("1E9", 1_000_000_000_000),
            ("9223372036854775.807", .max), ("-9223372036854775.808", .min), ("9223372036854775.808", nil),
            ("1e300", nil),
            ("-1e999999999999", nil), ("0e999999999999", 0),
        ] as [(String, Int64?)])
    func `API-S-3 seconds are cut to milliseconds, digit by digit`(text: String, milliseconds: Int64?) throws {
        #expect(try Self.root(text).milliseconds == milliseconds)
    }

    // MARK: Blobs

    /// API-S-2
    @Test func `API-S-2 a blob is a string in base64`() throws {
        let value = try Self.root(#"["","AA==","AAEC","\/\/8=","aGVsbG8gd29ybGQ=","AAEC=","A A=",1]"#)
        let values = Array(value.elements)
        #expect(try values[0].blob() == [])
        #expect(try values[1].blob() == [0])
        #expect(try values[2].blob() == [0, 1, 2])
        #expect(try values[3].blob() == [255, 255])
        #expect(try values[4].blob() == Array("hello world".utf8))
        #expect(throws: Base64Problem.length(5)) { try values[5].blob() }
        #expect(throws: Base64Problem.character(" ")) { try values[6].blob() }
        #expect(try values[7].blob() == [])
        #expect(values.map(\.blobCount) == [0, 1, 3, nil, 11, nil, 2, nil])
    }

    @Test func `a large body of tiny values takes a small multiple of it, and is read`() throws {
        let count = 1_000_000
        let list = try Document(json: Array(("[0" + String(repeating: ",0", count: count - 1) + "]").utf8))
        #expect(list.root.count == count)
        #expect(list.root.elements.reduce(0) { $0 + ($1.int == 0 ? 1 : 0) } == count)
        let map = try Document(json: Array(("{\"a\":1" + String(repeating: ",\"a\":2", count: 200_000) + "}").utf8))
        #expect(map.root["a"]?.int == 2)
        #expect(MemoryLayout<DocumentNode>.stride == 8)
    }
}
