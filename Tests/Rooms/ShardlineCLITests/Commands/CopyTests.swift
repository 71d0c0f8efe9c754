import DataFormats
import Foundation
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import EventSource
@testable import ShardlineCLI

/// What `tail --json` prints, `put --records` puts: the copy is equal to the byte.
@Suite struct CopyTests {
    /// What a copy must not change of a record.
    struct Content: Equatable {
        var key: [UInt8]
        var hashKey: HashKey?
        var data: [UInt8]
    }

    static func content(of stream: String, in store: InMemoryStore) async throws -> [Content] {
        var contents: [Content] = []
        for shard in try await store.describeStream(stream).shards {
            var position = SequenceNumber.zero
            while position < shard.tip {
                let result = try await store.read(ReadRequest(stream: stream, shard: shard.id, after: position))
                contents += result.batch.map {
                    Content(key: Array($0.partitionKey.utf8), hashKey: $0.explicitHashKey, data: Array($0.bytes))
                }
                position = result.next
            }
        }
        return contents
    }

    /// Copies the stream `a` into `b`, which has the same number of shards.
    static func copy(_ store: InMemoryStore) async throws -> CommandFailure? {
        var failure: CommandFailure?
        let folder = TestDirectory()
        let path = folder.url("copy.jsonl")
        try Data().write(to: path)
        let file = try FileHandle(forWritingTo: path)
        let recorder = try Recorder(in: folder)
        try await TailRun(
            stream: store.stream("a"), from: .trimHorizon, shard: nil, limit: .max,
            printer: RecordPrinter(form: .json, output: Output(file.fileDescriptor)), warnings: recorder.output
        ).printWhatIsThere(until: Interruption())
        let pump = try InputPump(paths: [path.path])
        let size = try await store.describeStream("b").maximumRecordSize
        pump.start(keySource: .printedRecord, maximumRecordSize: size)
        var run = PutRun(
            stream: store.stream("b"), pump: pump, interruption: Interruption(), output: recorder.output,
            errors: recorder.output)
        do { try await run.run() } catch let error as CommandFailure { failure = error }
        return failure
    }

    @Test func `every byte, every kind of key and every size comes out as it went in`() async throws {
        let store = InMemoryStore(timeSource: VirtualTime())
        for name in ["a", "b"] { try await store.createStream(name, shards: 5) }
        let keys = [
            "plain", "\"\\/", "\u{1B}[2J\u{7}\u{9B}\u{7F}", "a\0b", "\0", "caf\u{E9}", "cafe\u{301}", "😀👨‍👩‍👧",
            "\u{202E}x\u{2028}",
            String(repeating: "k", count: 256), String(repeating: "😀", count: 256), String(repeating: "\0", count: 256),
            "null", " ",
        ]
        var records: [NewRecord] = []
        for (index, key) in keys.enumerated() {
            for round in 0..<3 {
                records.append(
                    NewRecord(
                        [UInt8(index), UInt8(round)], partitionKey: key,
                        explicitHashKey: round == 1 ? HashKey(UInt128.max - UInt128(index)) : nil))
            }
        }
        for byte in 0...255 { records.append(NewRecord([UInt8(byte)], partitionKey: "byte \(byte % 7)")) }
        records.append(NewRecord((0..<1000).map { UInt8($0 & 0xFF) }, partitionKey: "all"))
        records.append(NewRecord([], partitionKey: "none", explicitHashKey: HashKey(0)))
        records.append(NewRecord([UInt8](repeating: 0xFF, count: 1 << 20), partitionKey: "large"))
        try await store.stream("a").put(contentsOf: records)
        #expect(try await Self.copy(store) == nil)
        let (old, new) = (try await Self.content(of: "a", in: store), try await Self.content(of: "b", in: store))
        #expect(old.count == records.count)
        // Shard by shard, so the order of each key is the same too.
        #expect(new == old)
    }

    @Test func `the largest record of a failure stream is copied`() async throws {
        let store = InMemoryStore(timeSource: VirtualTime())
        for name in ["a", "b"] {
            try await store.createStream(
                name,
                settings: StreamSettings(
                    shards: 1, maximumRecordSize: Limits.largestFailureRecordSize, isFailureStream: true))
        }
        let data = [UInt8](repeating: 0xA5, count: Limits.largestFailureRecordSize)
        try await store.stream("a").put(data, partitionKey: "k")
        #expect(try await Self.copy(store) == nil)
        #expect(try await Self.content(of: "b", in: store) == [Content(key: Array("k".utf8), data: data)])
    }

    @Test func `a record that is too large for the copy is named, and the others are put`() async throws {
        let store = InMemoryStore(timeSource: VirtualTime())
        try await store.createStream("a", settings: StreamSettings(shards: 1, maximumRecordSize: 10 << 20))
        try await store.createStream("b", settings: StreamSettings(shards: 1, maximumRecordSize: 1000))
        for size in [10, 1001, 100_000, 1000] {
            try await store.stream("a").put([UInt8](repeating: 1, count: size), partitionKey: "k")
        }
        let failure = try await Self.copy(store)
        #expect(
            failure?.status == .badData && failure?.message == "2 malformed lines were not put", "\(failure as Any)")
        #expect(try await Self.content(of: "b", in: store).map(\.data.count) == [10, 1000])
    }

    @Test(
        arguments: [
            (#"{"partitionKey":"k","data":"AP8="}"#, "1 k=0,255"),
            (#"{"data":"","x":[{"data":"no"}],"partitionKey":"k","explicitHashKey":"7"}"#, "1 k="),
            (
                #"{"partitionKey":"a","data":"AA==","data":"AQ==","partitionKey":"b"}"#,
                "1!the object has 2 members 'partitionKey', so which of them counts is not known; give each member of an object its own name"
            ),
            (#" {"partitionKey" : "\u0000" , "data" : "AAEC" } "#, "1 \0=0,1,2"),
            ("", ""), ("\r", ""),
            (
                #"{"data":"AP8="}"#,
                "1!the object has no member 'partitionKey', so it is no record that `tail --json` has printed"
            ),
            (
                #"{"partitionKey":"k"}"#,
                "1!the object has no member 'data', so it is no record that `tail --json` has printed"
            ),
            (#"{"partitionKey":"k","d\u0061t\u0061":"AA=="}"#, "1 k=0"),
            (#"{"partitionKey":7,"data":""}"#, "1!the member 'partitionKey' is a number; it must be a string"),
            (#"{"partitionKey":"k","data":null}"#, "1!the member 'data' is null; it must be a string"),
            (#"{"partitionKey":"k","data":"AP8"}"#, "1!the member 'data' is not base64 (RFC 4648, with its padding)"),
            (
                #"{"partitionKey":"k","data":"AP8=AP8="}"#,
                "1!the member 'data' is not base64 (RFC 4648, with its padding)"
            ),
            (#"{"partitionKey":"k","data":"AP9="}"#, "1!the member 'data' is not base64 (RFC 4648, with its padding)"),
            (#"{"partitionKey":"k","data":"A==="}"#, "1!the member 'data' is not base64 (RFC 4648, with its padding)"),
            (#"{"partitionKey":"k","data":"===="}"#, "1!the member 'data' is not base64 (RFC 4648, with its padding)"),
            (#"{"partitionKey":"k","data":"ab-_"}"#, "1!the member 'data' is not base64 (RFC 4648, with its padding)"),
            (#"{"partitionKey":"","data":""}"#, "1!the partition key is empty; it must have 1 to 256 characters"),
            (
                #"{"partitionKey":"k","data":"","explicitHashKey":7}"#,
                "1!the member 'explicitHashKey' is no string of decimal digits below 2^128"
            ),
            (
                #"{"partitionKey":"k","data":"","explicitHashKey":"340282366920938463463374607431768211456"}"#,
                "1!the member 'explicitHashKey' is no string of decimal digits below 2^128"
            ),
            (#"[1]"#, "1!the line is not a JSON object"),
            ("hello", "1!the line is not JSON: a value is expected at byte 1"),
        ])
    func `a line that is no printed record is malformed`(line: String, expected: String) {
        var reader = RecordReader(
            keySource: .printedRecord, maximumRecordSize: 100, random: SystemRandomNumberGenerator())
        _ = reader.append { bytes in
            bytes += Array((line + "\n").utf8)
            return InputFile.Outcome.bytes
        }
        let text =
            switch reader.next(atEnd: true) {
            case .record(let line, let record):
                "\(line) \(record.partitionKey)=\(record.data.map { "\($0)" }.joined(separator: ","))"
            case .malformed(let line, let reason): "\(line)!\(reason)"
            case nil: ""
            }
        #expect(text == expected)
    }

    @Test func `base64 is read as it is written`() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ count) }
            var text: [UInt8] = []
            Base64.append(bytes.span, to: &text)
            #expect(Base64.bytes(of: String(decoding: text, as: UTF8.self)) == bytes)
        }
        for text in ["A", "AA", "AAA", "A===", "AA=A", "=AAA", "AA==AAAA", "AAA\n", "AÄ==", "AB==", "AAB=", "AA\0A"] {
            #expect(Base64.bytes(of: text) == nil, "\(text)")
        }
    }

    @Test func `raw output is the data of the records and nothing else`() async throws {
        let store = InMemoryStore(timeSource: VirtualTime())
        try await store.createStream("a", shards: 1)
        let all = (0...255).map { UInt8($0) }
        for data in [all, [], [0x0A], [0xFF, 0x00]] { try await store.stream("a").put(data, partitionKey: "k") }
        for (limit, expected) in [(Int.max, all + [0x0A, 0xFF, 0x00]), (1, all)] {
            let folder = TestDirectory()
            let path = folder.url("raw")
            try Data().write(to: path)
            let file = try FileHandle(forWritingTo: path)
            try await TailRun(
                stream: store.stream("a"), from: .trimHorizon, shard: nil, limit: limit,
                printer: RecordPrinter(form: .raw, output: Output(file.fileDescriptor))
            ).printWhatIsThere(until: Interruption())
            #expect(try Array(Data(contentsOf: path)) == expected)
        }
    }
}
