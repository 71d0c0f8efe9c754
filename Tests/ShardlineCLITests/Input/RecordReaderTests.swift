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
                    "1 k=a", "2!the record has 5000 bytes of data; the stream takes at most 8", "3 k=b",
                ])
            #expect(
                Self.items(long, keys: .fixed("k"), limit: 8, step: step) == [
                    "1!the record has 5000 bytes of data; the stream takes at most 8"
                ])
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
            (#"{"id":"a","id":"b"}"#, "1 b"),
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
            ("id,x\n\"a\"b,1\nb,2\n", ["2!field 1 goes on behind its closing quote", "3 b=b,2"]),
            ("id,x\n,1\nb,2\n", ["2!the partition key is empty; it must have 1 to 256 characters", "3 b=b,2"]),
            ("id,x\na,\"1\nb,2\nc,3\n", ["2!a quoted field has no closing quote", "3 b=b,2", "4 c=c,3"]),
            ("id,x\n\na,1\n", ["2!the row has 1 field, the header 2", "3 a=a,1"]),
            ("ID,x\na,1\n", ["1!the header has no column 'id', only ID, x; nothing of this file was put"]),
            ("id,\"x\na,1\n", ["1!a quoted field has no closing quote"]),
            ("", ["1!the file is empty; it must begin with a header"]),
            ("id\n", []),
        ] as [(String, [String])], [1, 3, 100])
    func `a column of a CSV file can be the key`(sample: (input: String, items: [String]), step: Int) {
        #expect(Self.items(sample.input, keys: .csvColumn("id"), step: step) == sample.items)
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
