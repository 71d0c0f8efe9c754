import DataFormats
import DiskAccess
import KinesisAPI
import StreamModel
import StreamStorage

@testable import OwnerSocket
@testable import SegmentStorage

/// Valid inputs of each target, from which the fuzzer starts: it would not find them by itself.
enum Seeds {
    static func of(_ target: String) -> [[UInt8]] {
        switch target {
        case "commit": return entries.map { commit([$0]) } + [commit(entries)]
        case "journal-file":
            let header = JournalFileHeader(
                store: CommitFuzz.store, file: 1, size: 1 << 16, createdAt: Timestamp(milliseconds: 5)
            ).encoded
            let pieces = [[], [commit(Array(entries.suffix(3)))], [commit([]), commit([])]].map { [header] + $0 }
            return pieces.map { pieces in
                pieces.flatMap { [UInt8($0.count & 0xFF), UInt8($0.count >> 8)] + $0 }
            }
        case "block":
            return [records, longRecords].map { raw in Block.encode(raw: raw.0, runs: raw.1, at: BlockFuzz.place) }
        case "segment-index": return index
        case "aggregate": return aggregates
        case "record": return [records.0, longRecords.0]
        case "wire-request": return Samples.requests.map(\.encoded)
        case "wire-reply": return Samples.replies.map(\.encoded)
        case "wire-frames":
            let hello = Frame(.hello, call: 0, payload: Hello().encoded).encoded
            let requests = Samples.requests.prefix(3).flatMap { Frame(.request, call: 7, payload: $0.encoded).encoded }
            return [[0] + hello + requests, [3] + Hello().encoded, [3] + Welcome(capabilities: 3, process: 7).encoded]
        case "json":
            return [
                #"{"batchItemFailures":[{"itemIdentifier":"7","permanent":true,"errorMessage":"a","errorType":"b"}]}"#,
                #"{"errorMessage":"no","errorType":"ValueError","permanent":true}"#, "", " {} ", "null",
                #"{"Records":[{"Data":"AAEC\/w==","PartitionKey":"k"}],"key":1700000000.123,"a":-1.5e3,"key":null}"#,
                #"{"key":"ü\u00fc\ud83d\udca5\n","other":[1,-2.5e+7,true,false,null,{"key":[]}]}"#, #"{"key":-0.5}"#,
            ].map { Array($0.utf8) }
        case "cbor", "base64", "document-writer": return documents(target)
        case "event-stream":
            let messages = [
                EventStreamMessage.initialResponse(.json), .subscribeToShardEvent(payload: [1, 2], .cbor),
                .exception("ResourceNotFoundException", message: "a", .json), .error("a", message: "b"),
            ].map(\.encoded)
            let others: [UInt8] = [
                20, 0, 1, 0x61, 0, 1, 0x62, 4, 1, 2, 3, 4, 1, 0x63, 6, 0, 1, 9, 1, 0x64, 7, 0, 1, 0x65, 9, 9,
            ]
            return messages + [messages.flatMap { $0 }, others]
        case "filter":
            return filters
        case "rows":
            return [
                "\u{0}\u{5}one\ntwo\r\nthree", "\u{1}\u{2}\n\n", "\u{2}\u{7}{\"key\":\"a\"}\n{\"key\":1}\nno\n",
                "\u{3}\u{9}\u{FEFF}key,other\na,\"1\n2\"\"\"\nb,2\n\"c\nd\",3\n",
                "\u{3}\u{4}\"key\",other\ra,\"1\r2\"\r\rb,2\r\n",
                "\u{4}\u{4}{\"partitionKey\":\"k\\u0000\",\"explicitHashKey\":\"7\",\"data\":\"AP8=\"}\n\n{\"data\":\"\"}\n",
            ].map { Array($0.utf8) }
        case "gzip": return gzip
        case "kinesis-input":
            return [
                "\u{0}{\"StreamName\":\"s\",\"ShardCount\":1,\"Tags\":{\"a\":\"b\"}}",
                "\u{14}{\"StreamName\":\"s\",\"Records\":[{\"Data\":\"AA==\",\"PartitionKey\":\"a\"}]}",
                "\u{5}{\"StreamARN\":\"arn:aws:kinesis:us-east-1:123456789012:stream/s\",\"ShardFilter\":{\"Type\":\"AT_LATEST\"}}",
                "\u{1E}{\"ConsumerARN\":\"arn:aws:kinesis:us-east-1:123456789012:stream/s/consumer/c:1\"}",
                "arn:aws:kinesis:us-east-1:123456789012:stream/s/consumer/c:17", "shardId-000000000003",
            ].map { Array($0.utf8) }
        case "text":
            return [
                "\u{1B}[2Jü\u{9B}\u{202E}\\\t\u{1F4A5}\u{E0041}", "..", "departures.late_1-x",
                "49590338271490256608559692538361571095921575989136588898",
                "340282366920938463463374607431768211455",
            ].map { Array($0.utf8) } + [[0xFF, 0xC3, 0x28, 0xE2, 0x82]]
        default: return []
        }
    }

    private static func documents(_ target: String) -> [[UInt8]] {
        switch target {
        case "base64": return ["", "AA==", "AAE=", "AAEC", "aGVsbG8gd29ybGQ=", "AB==", "A A="].map { Array($0.utf8) }
        case "document-writer":
            return [
                [8, 4, 1, 0x61, 4, 2, 0xC3, 0xBC, 1, 0x62, 5, 3, 1, 2, 3, 1, 0x63, 6] + [
                    0, 0, 1, 0x8B, 0xCF, 0xE5, 0x68, 0x7B, 0,
                ]
                    + [1, 0x64, 7, 3, 0, 1, 1, 2, 255, 255, 255, 255, 255, 255, 255, 255, 7],
                [
                    7, 4, 3, 0x7F, 0xEF, 255, 255, 255, 255, 255, 255, 3, 0, 0, 0, 0, 0, 0, 0, 1, 3, 0x43, 0x40, 4, 5,
                    6, 7, 8, 9, 0,
                ],
            ]
        default:
            let values: [[UInt8]] = [
                [0xA1, 0x63] + Array("key".utf8) + [0xC1, 0x1B, 0, 0, 1, 0x8B, 0xCF, 0xE5, 0x68, 0x7B],
                [0xBF, 0x63] + Array("key".utf8) + [
                    0x5F, 0x42, 1, 2, 0x40, 0xFF, 0x61, 0x62, 0x9F, 0xF5, 0xF6, 0xF7, 0xFF, 0xFF,
                ],
                [
                    0x84, 0xF9, 0x3E, 0, 0xFA, 0x47, 0xC3, 0x50, 0, 0xFB, 0x3F, 0xF1, 0x99, 0x99, 0x99, 0x99, 0x99,
                    0x9A, 0x39, 1, 0,
                ],
                [0x83, 0xC2, 0x42, 1, 0, 0xC3, 0x41, 5, 0xD9, 0xD9, 0xF7, 0x7F, 0x63] + Array("key".utf8) + [
                    0x61, 0x79, 0xFF,
                ],
            ]
            return values
        }
    }

    private static func run(_ raw: [UInt8], _ count: UInt32, from offset: UInt32 = 0) -> RecordsEntry.Run {
        RecordsEntry.Run(
            shardKey: 3, count: count, firstSequence: 7, arrival: 1_700_000_000_000, rawOffset: offset,
            rawBytes: UInt32(raw.count) - offset)
    }

    private static let records: ([UInt8], [RecordsEntry.Run]) = {
        var raw: [UInt8] = []
        RecordEncoding.append(NewRecord("one", partitionKey: "ключ"), to: &raw)
        let second = UInt32(raw.count)
        RecordEncoding.append(
            NewRecord("two", partitionKey: "k", explicitHashKey: HashKey(5)), arrivalDelta: 300, to: &raw)
        RecordEncoding.append(NewRecord([], partitionKey: "k"), to: &raw)
        let first = RecordsEntry.Run(
            shardKey: 1, count: 1, firstSequence: 9, arrival: 5, rawOffset: 0, rawBytes: second)
        return (raw, [first, run(raw, 2, from: second)])
    }()

    private static let longRecords: ([UInt8], [RecordsEntry.Run]) = {
        var raw: [UInt8] = []
        for _ in 0..<4 {
            RecordEncoding.append(NewRecord([UInt8](repeating: 65, count: 200), partitionKey: "k"), to: &raw)
        }
        return (raw, [run(raw, 4)])
    }()

    private static let entries =
        EntrySamples.ofEveryKind
        + [EntrySamples.checkpoint([UInt8](repeating: 5, count: Entry.longestStateInHead + 1))]

    /// A commit of these entries, and of records where there are others than one.
    private static func commit(_ entries: [Entry]) -> [UInt8] {
        let seed = CommitFuzz.store.seed
        var builder = CommitBuilder(seed: seed)
        if entries.count != 1 {
            for (raw, runs) in [records, longRecords] {
                let stored = StoredBody(raw, seed: seed)
                builder.append(
                    .records(
                        RecordsEntry(
                            codec: stored.codec, bodyOffset: 0, storedBytes: UInt32(stored.bytes.count),
                            rawBytes: UInt32(raw.count), bodyChecksum: stored.checksum, runs: runs)),
                    body: stored.bytes)
            }
        }
        for entry in entries { builder.append(entry) }
        let finished = builder.finish(
            CommitHeader(
                flags: .interval, number: 12, durableThrough: 11, fileNumber: 3, block: 1, incarnation: 2,
                wallTime: Timestamp(milliseconds: 99), previousChecksum: 7))
        // The zeros to the end of the block are nobody's.
        return Array(finished.pieces().flatMap { Array($0.buffer) }.prefix(finished.header.totalCount))
    }

    private static let index: [[UInt8]] = {
        let place = SegmentIndexFuzz.place
        let slice = Slice(
            stream: 1, shardKey: 2, count: 3, blockOffset: 4096, blockBytes: 700, run: 1, firstSequence: 5,
            firstArrival: 6, lastArrival: 7)
        let stream = StreamDescriptor(
            id: 1, created: 3, name: "flüge", retention: 1_000,
            shards: [
                .init(
                    key: 2, number: 0, range: HashKeyRange(first: HashKey(0), last: HashKey(.max)), parent: nil,
                    adjacent: 4, creationSecond: 1, firstSequence: 1)
            ])
        let reference = SegmentIndex.PartReference(stream: 1, shardKey: 2, bytes: 72, firstSequence: 5, offset: 9000)
        let trailer = SegmentIndex.Trailer(
            kind: .footer, firstBlock: 4096, firstPart: 9000, directory: 9200, directoryBytes: 48, parts: 1, slices: 1,
            commits: 3...9, written: 77)
        var streams = PieceHeader.begin(.index, kind: SegmentIndex.PartKind.streams.rawValue)
        stream.append(stream.shards[...], to: &streams)
        PieceHeader.finish(&streams, length: streams.count, covered: streams.count, at: place)
        let header = SegmentHeader(storeID: CommitFuzz.store.bytes, segment: 5, retentionClass: 2, created: 9).encoded()
        return [
            streams, SegmentIndex.encodePart(of: [slice, slice], at: place),
            SegmentIndex.encodeDirectory([reference], at: place), trailer.encoded(at: place), Array(header.prefix(100)),
        ]
    }()

    /// `printf 'a\n' | gzip -n`, twice one after the other, and with zeros after.
    private static let gzip: [[UInt8]] = {
        let member: [UInt8] = [
            0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0x4B, 0xE4, 0x02, 0, 7, 0xA1, 0xEA, 0xDD, 2, 0, 0, 0,
        ]
        return [[255] + member, [0] + member + member, [4] + member + [0, 0, 0]]
    }()

    /// The messages of aggregates, without magic number and digest.
    private static let aggregates: [[UInt8]] = [
        // Keys "a" and "b", with "one" and "two".
        [
            0x0A, 1, 0x61, 0x0A, 1, 0x62, 0x1A, 7, 8, 0, 0x1A, 3, 0x6F, 0x6E, 0x65, 0x1A, 7, 8, 1, 0x1A, 3, 0x74, 0x77,
            0x6F,
        ],
        // Key "a" with the hash key 77 and a tag; then unknown fields of every type, and a group.
        [0x0A, 1, 0x61, 0x12, 2, 0x37, 0x37, 0x1A, 12, 8, 0, 0x10, 0, 0x1A, 1, 9, 0x22, 3, 0x0A, 1, 0x6B],
        [0x1A, 4, 8, 0, 0x1A, 0, 0x0A, 0, 0x28, 0x80, 1, 0x2B, 0x33, 0x34, 0x2C, 0x3D, 1, 2, 3, 4],
    ]

    /// A pattern, a zero, and data.
    private static let filters: [[UInt8]] = [
        (
            #"{"data":{"a":["x",5,null,true,{"exists":false}],"b.c":[{"prefix":"y"}]}}"#,
            #"{"a":[1,"x"],"b":{"c":"yz"}}"#
        ),
        (
            #"{"partitionKey":["k"],"data":{"$or":[{"a":[{"numeric":[">",0,"<=",5.5]}]},{"a":[{"cidr":"10.0.0.0/8"}]}]}}"#,
            #"{"a":5}"#
        ),
        (#"{"data":{"a":[{"anything-but":{"wildcard":["*a*b","\\*"]}}]}}"#, #"{"a":["ab","\u0061\n\\"]}"#),
        (
            #"{"data":{"a":[{"suffix":{"equals-ignore-case":"ß"}},{"anything-but":[1,2]},{"cidr":"::/1"}]}}"#,
            #"{"a":"::1"}"#
        ),
        (#"{"data":{"a":{"b":[1],"c":[2]}}}"#, #"{"a":[{"b":1},{"b":1,"c":2}],"a.b":1}"#),
    ].map { Array($0.0.utf8) + [0] + Array($0.1.utf8) }
}
