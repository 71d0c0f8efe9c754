import StreamModel
import Testing

@testable import ShardlineCLI

/// What `put` makes of the lines of its input.
@Suite struct RecordReaderTests {
    /// Reads `input` in pieces of `step` bytes, and tells each item as one text: `3 key=data` or `3!reason`.
    static func items(
        _ input: String, keys: KeySource, limit: Int = 1000, step: Int = 1
    ) -> [String] {
        items(Array(input.utf8), keys: keys, limit: limit, step: step)
    }

    static func items(_ input: [UInt8], keys: KeySource, limit: Int = 1000, step: Int = 1) -> [String] {
        var reader = RecordReader(keySource: keys, maximumRecordSize: limit, random: CountingRandom())
        var texts: [String] = []
        func drain(atEnd: Bool) {
            while let item = reader.next(atEnd: atEnd) {
                switch item {
                case .record(let line, let record):
                    texts.append("\(line) \(record.partitionKey)=\(String(decoding: record.data, as: UTF8.self))")
                case .malformed(let line, let reason): texts.append("\(line)!\(reason)")
                }
            }
        }
        for start in stride(from: 0, to: input.count, by: step) {
            _ = reader.append { bytes in
                bytes += input[start..<min(start + step, input.count)]
                return .bytes
            }
            drain(atEnd: false)
        }
        drain(atEnd: true)
        return texts
    }

    @Test(
        arguments: [
            ("a\nb\n", ["1 k=a", "2 k=b"]),
            ("a\nb", ["1 k=a", "2 k=b"]),
            ("a\r\nb\r\n", ["1 k=a", "2 k=b"]),
            ("a\rb\n", ["1 k=a\rb"]),
            ("\n\nx\n", ["1 k=", "2 k=", "3 k=x"]),
            ("", []),
            ("äö\n", ["1 k=äö"]),
            (
                "12345678\n123456789\n1\n",
                ["1 k=12345678", "2!the record has 9 bytes of data; the stream takes at most 8", "3 k=1"]
            ),
        ] as [(String, [String])], [1, 2, 3, 100])
    func `a line is a record without its end`(sample: (input: String, items: [String]), step: Int) {
        #expect(Self.items(sample.input, keys: .fixed("k"), limit: 8, step: step) == sample.items)
    }

    @Test func `a line that is much too long is not kept, and what follows is read`() {
        let long = String(repeating: "x", count: 5000)
        for step in [1, 7, 64, 10_000] {
            #expect(
                Self.items("a\n\(long)\r\nb\n", keys: .fixed("k"), limit: 8, step: step) == [
                    "1 k=a", "2!the record has 5001 bytes of data; the stream takes at most 8", "3 k=b",
                ])
            #expect(
                Self.items("a\r\n\(long)\r\nb\r\n", keys: .fixed("k"), limit: 8, step: step) == [
                    "1 k=a", "2!the record has 5000 bytes of data; the stream takes at most 8", "3 k=b",
                ])
            #expect(
                Self.items(long, keys: .fixed("k"), limit: 8, step: step) == [
                    "1!the record has 5000 bytes of data; the stream takes at most 8"
                ])
        }
    }

    private static func repeated(_ count: Int) -> String {
        "the object has \(count) members 'id', so which of them counts is not known; give each member of an object its own name"
    }

    @Test func `a printed record with a member twice is refused, and the next one is put`() {
        let whole = #"{"partitionKey":"k","data":"YQ=="}"#
        for member in ["partitionKey", "data", "explicitHashKey"] {
            let line = #"{"partitionKey":"k","data":"YQ==","explicitHashKey":"1","\#(member)":"1"}"#
            let items = Self.items("\(line)\n\(whole)\n", keys: .printedRecord)
            #expect(items.first?.hasPrefix("1!the object has 2 members '\(member)'") == true, "\(items)")
            #expect(items.dropFirst() == ["2 k=a"])
        }
    }

    @Test func `without a key each record gets another one`() {
        #expect(
            Self.items("a\nb\n", keys: .random) == ["1 0000000000000001=a", "2 0000000000000002=b"])
    }

    @Test(
        arguments: [
            (#"{"id":"a"}"#, "1 a"), (#"{"id":7}"#, "1 7"), (#"{"id":-1.50e+3}"#, "1 -1.50e+3"),
            (#" { "x" : [1,{"id":"no"}], "id" : "ja" } "#, "1 ja"),
            (#"{"id":"a","id":"b"}"#, "1!\(repeated(2))"), (#"{"id":"a","id":"a"}"#, "1!\(repeated(2))"),
            (#"{"id":{},"x":1,"\u0069d":2,"id":null}"#, "1!\(repeated(3))"),
            (#"{"x":1,"id":"a","x":2,"y":{"id":1,"id":2}}"#, "1 a"), (#"{"id":"a","ID":"b","i d":"c"}"#, "1 a"),
            (#"{"id":"\u00e4\ud83d\ude00\n\/"}"#, "1 ä😀\n/"),
            (#"{"ID":"a"}"#, "1!the object has no member 'id'"),
            (#"{"x":{"id":"a"}}"#, "1!the object has no member 'id'"),
            (#"{"id":null}"#, "1!the member 'id' is null; a key is a string or a number"),
            (#"{"id":true}"#, "1!the member 'id' is true or false; a key is a string or a number"),
            (#"{"id":{}}"#, "1!the member 'id' is an object; a key is a string or a number"),
            (#"{"id":[1]}"#, "1!the member 'id' is a list; a key is a string or a number"),
            (#"{"id":""}"#, "1!the partition key is empty; it must have 1 to 256 characters"),
            (#"[1]"#, "1!the line is not a JSON object"), (#""id""#, "1!the line is not a JSON object"),
        ])
    func `a member of a JSON line can be the key`(line: String, expected: String) {
        #expect(
            Self.items(line + "\n", keys: .jsonField("id"))
                == [expected.contains("!") ? expected : "\(expected)=\(line)"])
    }

    @Test(
        arguments: [
            "{", "{}}", #"{"id":}"#, #"{"id":"a",}"#, #"{"id" "a"}"#, #"{id:"a"}"#, #"{"id":"a"} x"#, #"{"id":"a"#,
            #"{"id":01}"#, #"{"id":1.}"#, #"{"id":+1}"#, #"{"id":"\x"}"#, #"{"id":"\ud800"}"#, #"{"id":tru}"#,
            "nonsense",
            "{\"id\":\"a\u{1}\"}", #"{"id":"a","x":[1,]}"#, #"{"id":"a","x":nul}"#,
        ])
    func `a line that is not JSON is malformed`(line: String) throws {
        let items = Self.items(line + "\n{\"id\":\"next\"}\n", keys: .jsonField("id"))
        #expect(items.count == 2)
        #expect(items[0].hasPrefix("1!the line is not JSON"))
        #expect(items[1] == #"2 next={"id":"next"}"#)
    }

    @Test func `deep JSON is refused, not followed`() {
        let deep = #"{"x":"# + String(repeating: "[", count: 100_000)
        #expect(
            Self.items(deep, keys: .jsonField("id"), limit: 1 << 20, step: 1 << 20)[0].hasPrefix(
                "1!the line is not JSON"))
    }

    @Test(
        arguments: [
            ("id,x\na,1\nb,2\n", ["2 a=a,1", "3 b=b,2"]),
            ("x,id\r\n1,a\r\n2,b", ["2 a=1,a", "3 b=2,b"]),
            ("\u{FEFF}id,x\na,1\n", ["2 a=a,1"]),
            ("\"id\",x\n\"a,\"\"b\"\"\",1\n", ["2 a,\"b\"=\"a,\"\"b\"\"\",1"]),
            ("id,x\na,\"two\nlines\"\nb,2\n", ["2 a=a,\"two\nlines\"", "4 b=b,2"]),
            ("id,x\r\na,\"two\r\nlines\"\r\nb,2\r\n", ["2 a=a,\"two\r\nlines\"", "4 b=b,2"]),
            ("id,x\na,\n", ["2 a=a,"]),
            ("id,x\na\nb,2\n", ["2!the row has 1 field, the header 2", "3 b=b,2"]),
            ("id,x\na,1,2\nb,2\n", ["2!the row has 3 fields, the header 2", "3 b=b,2"]),
            ("id,x\na\"b,1\nb,2\n", ["2!field 1 has a quote but does not begin with one", "3 b=b,2"]),
            ("id,x\n\"a\"b,1\nb,2\n", ["2!field 1 goes on after its closing quote", "3 b=b,2"]),
            ("id,x\n,1\nb,2\n", ["2!the partition key is empty; it must have 1 to 256 characters", "3 b=b,2"]),
            ("id,x\na,\"1\nb,2\nc,3\n", ["2!a quoted field has no closing quote", "3 b=b,2", "4 c=c,3"]),
            ("id,x\n\na,1\n", ["3 a=a,1"]),
            ("ID,x\na,1\n", ["1!the header has no column 'id', only ID, x; nothing of this file was put"]),
            ("id,\"x\na,1\n", ["1!a quoted field has no closing quote"]),
            ("", ["1!the file is empty; it must begin with a header"]),
            ("id\n", []),
        ] as [(String, [String])], [1, 3, 100])
    func `a column of a CSV file can be the key`(sample: (input: String, items: [String]), step: Int) {
        #expect(Self.items(sample.input, keys: .csvColumn("id"), step: step) == sample.items)
    }

    private static let twoRows = ["2 a=a,1", "3 b=b,2"]

    @Test(
        arguments: [
            // A byte-order mark before a header in quotes, and where it is data.
            ("\u{FEFF}\"id\",\"x\"\na,1\nb,2\n", twoRows), ("\u{FEFF}\"id\",\"x\"\r\na,1\r\nb,2\r\n", twoRows),
            ("\u{FEFF}\"id\",\"x\"\ra,1\rb,2\r", twoRows),
            ("\u{FEFF}", ["1!the file is empty; it must begin with a header"]),
            ("id,x\n\u{FEFF}a,1\n", ["2 \u{FEFF}a=\u{FEFF}a,1"]),
            (
                "\u{FEFF}\u{FEFF}id,x\na,1\n",
                ["1!the header has no column 'id', only \u{FEFF}id, x; nothing of this file was put"]
            ),
            // Lines that end with CR alone, and mixed.
            ("id,x\ra,1\rb,2\r", twoRows), ("id,x\ra,1\rb,2", twoRows), ("id,x\ra,1\nb,2\n", twoRows),
            ("id,x\ra,1\r\nb,2\r\n", twoRows), ("id,x\na,1\r\nb,2\n", twoRows), ("id,x\r\na,1\nb,2\r", twoRows),
            ("id,x\r\r\na,1\r\r\nb,2\r\r\n", ["3 a=a,1", "5 b=b,2"]),
            (
                "id,x\na,1\rb,2\rc,3\nd,4\n",
                [
                    "2!field 2 has a carriage return outside of quotes; the header's line ends with a line feed, so every line must",
                    "3 d=d,4",
                ]
            ),
            ("\"i\rd\",id\n\"1\r\n2\",a\n", ["3 a=\"1\r\n2\",a"]),
            ("id,x\ra,\"1\r2\n3\"\rb,2\r", ["2 a=a,\"1\r2\n3\"", "5 b=b,2"]),
            ("id\r", []), ("id\r\n", []), ("\r\rid,x\ra,1\rb,2\r", ["4 a=a,1", "5 b=b,2"]),
            // Blank lines.
            ("id,x\na,1\nb,2\n\n", twoRows), ("id,x\r\na,1\r\nb,2\r\n\r\n\r\n", twoRows),
            ("\n\nid,x\n\na,1\n\n\nb,2\n\n\n", ["5 a=a,1", "8 b=b,2"]), ("id\na\n\nb\n", ["2 a=a", "4 b=b"]),
            ("id,x\na,\"\n\n\"\nb,2\n", ["2 a=a,\"\n\n\"", "5 b=b,2"]),
            ("id,x\n \nb,2\n", ["2!the row has 1 field, the header 2", "3 b=b,2"]),
            ("\n\n", ["1!the file is empty; it must begin with a header"]),
            // Empty keys, and a quote that never closes.
            ("id,x\n\"\",1\nb,2\n", ["2!the partition key is empty; it must have 1 to 256 characters", "3 b=b,2"]),
            ("id,x\n\"a\"\"b\",1\n", ["2 a\"b=\"a\"\"b\",1"]),
            ("id,x\r\"a,1\rb,2\r", ["2!a quoted field has no closing quote", "3 b=b,2"]),
            // A column that occurs twice.
            (
                "id,x,id\na,1,b\n",
                [
                    "1!the header has 2 columns 'id' (the columns 1, 3), so which is the key is not known; give them different names; nothing of this file was put"
                ]
            ),
            (
                "x,\"id\",id,id\na,1,b,c\n",
                [
                    "1!the header has 3 columns 'id' (the columns 2, 3, 4), so which is the key is not known; give them different names; nothing of this file was put"
                ]
            ),
            ("id,x,x\na,1,2\n", ["2 a=a,1,2"]), ("id,ID,i d\na,1,2\n", ["2 a=a,1,2"]),
        ] as [(String, [String])], [1, 2, 3, 100])
    func `CSV is read as programs write it, or the line says why not`(
        sample: (input: String, items: [String]), step: Int
    ) {
        #expect(Self.items(sample.input, keys: .csvColumn("id"), step: step) == sample.items)
    }

    @Test func `a name that only looks the same is told from one that is not there`() {
        let alike = " (one that looks the same has other bytes: another Unicode normal form)"
        for (wanted, there) in [("caf\u{E9}", "cafe\u{301}"), ("cafe\u{301}", "caf\u{E9}")] {
            #expect(
                Self.items("{\"x\":1,\"\(there)\":2}\n{\"x\":1}\n", keys: .jsonField(wanted), step: 100) == [
                    "1!the object has no member '\(wanted)'\(alike)", "2!the object has no member '\(wanted)'",
                ])
            let columns = Self.items("x,\(there)\n1,2\n", keys: .csvColumn(wanted), step: 100)
            #expect(
                columns == [
                    "1!the header has no column '\(wanted)', only x, \(there)\(alike); nothing of this file was put"
                ])
        }
    }

    private static func tooLong(_ bytes: Int, line: Int) -> String {
        "\(line)!the record has \(bytes) bytes of data; the stream takes at most 8"
    }

    private static let returnsAlone = returns("end it with a line feed")
    // A line feed after its last CR would make both the line's end.
    private static let returnsAtEnd = returns("put it with --records")

    private static func returns(_ way: String) -> String {
        "1!the input has carriage returns (CR) and no line feed; if its lines end with CR alone, convert it first, with `tr '\\r' '\\n'`; if it is one record, \(way); nothing of it was put"
    }

    @Test(
        arguments: [
            ("\u{FEFF}a\nb\n", ["1 k=a", "2 k=b"]), ("a\n\u{FEFF}b\n", ["1 k=a", "2 k=\u{FEFF}b"]), ("\u{FEFF}", []),
            ("\u{FEFF}\n", ["1 k="]), ("\u{FEFF}\u{FEFF}a", ["1 k=\u{FEFF}a"]),
            ("a\rb\rc\r", [returnsAtEnd]), ("a\rb", [returnsAlone]), ("a\r", [returnsAtEnd]), ("\r", [returnsAtEnd]),
            ("a\rb\r\n", ["1 k=a\rb"]), ("a\n\rb", ["1 k=a", "2 k=\rb"]),
            // The first line tells whether a CR before an LF is data.
            ("a\nb\r\nc\r\r\n\r\nd\r", ["1 k=a", "2 k=b\r", "3 k=c\r\r", "4 k=\r", "5 k=d\r"]),
            ("\n\r\n", ["1 k=", "2 k=\r"]), ("\u{FEFF}\nb\r\n", ["1 k=", "2 k=b\r"]),
            ("a\r\nb\nc\r\n\r\nd\r", ["1 k=a", "2 k=b", "3 k=c", "4 k=", "5 k=d\r"]),
            ("a\r\r\nb\r\r\n", ["1 k=a\r", "2 k=b\r"]), ("\r\na\r\n", ["1 k=", "2 k=a"]),
            ("1234567\n1234567\r\n12345678\r\n", ["1 k=1234567", "2 k=1234567\r", tooLong(9, line: 3)]),
            ("1\r\n12345678\r\n", ["1 k=1", "2 k=12345678"]),
            (String(repeating: "12345\r", count: 500), [returnsAlone]),
        ] as [(String, [String])], [1, 2, 3, 5000])
    func `plain lines lose a byte-order mark and nothing else`(sample: (input: String, items: [String]), step: Int) {
        #expect(Self.items(sample.input, keys: .fixed("k"), limit: 8, step: step) == sample.items)
    }

    @Test(
        arguments: [
            ("\u{FEFF}{\"id\":1}\n\n{\"id\":2}\r\n\r\n", ["1 1={\"id\":1}", "3 2={\"id\":2}"]),
            ("{\"id\":1}\r{\"id\":2}\r", [returnsAtEnd]), ("{\"id\":\r1}", ["1 1={\"id\":\r1}"]),
            ("{\"id\":1}\n{\"id\":2}\r\n", ["1 1={\"id\":1}", "2 2={\"id\":2}"]), ("{}\r", [returnsAtEnd]),
            // White space alone is blank too: the last line of many files.
            ("{\"id\":1}\n  \n\t\r\n \r \n{\"id\":2}\n ", ["1 1={\"id\":1}", "5 2={\"id\":2}"]),
            ("\r", []), ("\r\n", []),
        ] as [(String, [String])], [1, 2, 100])
    func `JSON lines may begin with a byte-order mark and have blank lines`(
        sample: (input: String, items: [String]), step: Int
    ) {
        #expect(Self.items(sample.input, keys: .jsonField("id"), step: step) == sample.items)
    }

    @Test(arguments: [KeySource.random, .fixed("k"), .jsonField("id"), .csvColumn("id"), .printedRecord], [1, 2, 100])
    func `UTF-16 is refused with what to do`(keys: KeySource, step: Int) throws {
        for isLittle in [true, false] {
            let units = Array("\u{FEFF}id,x\r\na,1\r\n".utf16)
            let bytes = units.flatMap {
                isLittle ? [UInt8($0 & 0xFF), UInt8($0 >> 8)] : [UInt8($0 >> 8), UInt8($0 & 0xFF)]
            }
            for input in [bytes, Array(bytes.prefix(2))] {
                let items = Self.items(input, keys: keys, step: step)
                #expect(items.count == 1 && items[0].hasPrefix("1!the input is in UTF-16"), "\(items)")
                #expect(items[0].contains("iconv") && items[0].hasSuffix("nothing of it was put"))
            }
        }
        // One byte of it is none.
        #expect(Self.items([0xFF], keys: .fixed("k")) == ["1 k=\u{FFFD}"])
    }

    @Test func `a stray quote costs its row, not the file`() {
        var input = "id,x\na,\"1\n"
        for number in 1...200 { input += "b\(number),2\n" }
        let items = Self.items(input, keys: .csvColumn("id"), limit: 100, step: 50)
        #expect(items[0] == "2!a quoted field has no closing quote within 100 bytes")
        #expect(items.dropFirst() == (1...200).map { "\($0 + 2) b\($0)=b\($0),2" }[...])
    }

    @Test func `a key that is no text is malformed`() {
        #expect(
            Self.items(Array("id\n".utf8) + [0xFF, 0x0A] + Array("a\n".utf8), keys: .csvColumn("id")) == [
                "2!the key is not UTF-8", "3 a=a",
            ])
        let items = Self.items(Array("{\"id\":\"".utf8) + [0xFF] + Array("\"}\n".utf8), keys: .jsonField("id"))
        #expect(items.count == 1 && items[0].hasPrefix("1!the line is not JSON"))
    }

    @Test func `a key that is too long is malformed`() {
        let key = String(repeating: "k", count: 257)
        #expect(
            Self.items("id\n\(key)\n", keys: .csvColumn("id")) == [
                "2!the partition key has 257 characters; at most 256 are allowed"
            ])
    }
}

/// 1, 2, 3 …
private struct CountingRandom: RandomNumberGenerator {
    private var last: UInt64 = 0
    mutating func next() -> UInt64 {
        last += 1
        return last
    }
}
