import DataFormats
import Foundation
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import EventSource

/// What was given up, read back.
@Suite("Failure records")
struct FailureRecordTests {
    static let conditions: [GiveUpCondition] = [
        .retryAttemptsExhausted, .recordAgeExceeded, .recordsExpired, .recordsLost, .permanentFailure,
        .payloadSizeExceeded, .skipped, GiveUpCondition(rawValue: "SomethingNewer"),
    ]

    static func document(_ giveUp: LaneCore.GiveUp, at time: Int64 = 1_573_691_886_021) -> FailureDocument {
        FailureDocument(
            giveUp, key: ("s", "m.x"), shard: ShardID(6), shardCreationSecond: Records.creation,
            requestID: "c9b8fa9f-5a7f-4a2e-af9c-0c604cde93a5",
            names: ResourceNames(stream: "s", mapping: "m.x", configuration: .init()), awsCompatibleCounts: false,
            timestamp: Timestamp(milliseconds: time))
    }

    /// Records of any bytes, with and without explicit hash keys.
    static func batch(_ records: [NewRecord], arrival: Timestamp = Records.arrival) -> RecordBatch {
        var bytes: [UInt8] = []
        for (index, record) in records.enumerated() {
            RecordEncoding.append(record, arrivalDelta: UInt64(7 * index), to: &bytes)
        }
        let offsets = RecordEncoding.offsets(of: records.count, in: bytes.span)!
        return RecordBatch([
            RecordRun(
                bytes: bytes, offsets: offsets, range: 0..<records.count, shard: ShardID(6),
                shardCreationSecond: Records.creation, firstSequence: SequenceNumber(41), arrival: arrival)
        ])
    }

    static let records = batch([
        NewRecord((0...255).map { UInt8($0) }, partitionKey: "ключ \"1\" \u{1F4A5}", explicitHashKey: HashKey(.max)),
        NewRecord([], partitionKey: "k\u{0}\n"), NewRecord([0xFF], partitionKey: "k"),
        NewRecord([0xC3, 0x28], partitionKey: "k", explicitHashKey: HashKey(0)),
        // Without a key (API-U-1).
        NewRecord([7], partitionKey: "", explicitHashKey: HashKey(9)),
    ])

    static func expectSame(_ read: FailureRecord, _ written: FailureDocument, _ records: [Record]) {
        #expect(read.id == written.id)
        #expect(read.condition == written.condition)
        #expect(read.errorText == written.errorText && read.errorType == written.errorType)
        #expect(read.functionError == written.response?.functionError)
        #expect(read.attempts == written.invocations && read.requestID == written.requestID)
        #expect(read.timestamp == written.timestamp)
        #expect(read.stream == written.stream && read.mapping == written.mapping && read.shard == written.shard)
        #expect(read.startSequenceNumber == written.startSequenceNumber)
        #expect(read.endSequenceNumber == written.endSequenceNumber)
        #expect(read.recordCount == written.recordCount)
        #expect(read.approximateArrivalOfFirstRecord == written.records.first?.approximateArrivalTimestamp)
        #expect(read.approximateArrivalOfLastRecord == written.records.last?.approximateArrivalTimestamp)
        #expect(read.records.count == records.count)
        for (entry, record) in zip(read.records, records) {
            #expect(entry.partitionKey == record.partitionKey && entry.explicitHashKey == record.explicitHashKey)
            #expect(entry.data[...] == record.bytes)
            #expect(entry.sequenceNumber == record.kinesisSequenceNumber)
            #expect(entry.approximateArrivalTimestamp == record.approximateArrivalTimestamp)
            let again = entry.newRecord
            #expect(again.partitionKey == record.partitionKey && again.data[...] == record.bytes)
            #expect(again.explicitHashKey == record.explicitHashKey)
        }
    }

    @Test(arguments: conditions) func `a document of a file is read as it was written`(condition: GiveUpCondition)
        throws
    {
        for failure in [nil, LaneCore.FunctionFailure("boom \"\u{1}\" ü", type: "Oops"), .init("no type")] {
            let written = Self.document(
                Records.giveUp(Self.records, condition: condition, invocations: 7, response: nil, failure: failure))
            Self.expectSame(try FailureRecord(json: written.json()), written, Array(Self.records))
        }
        let answered = Self.document(Records.giveUp(Self.records, condition: condition))
        Self.expectSame(try FailureRecord(json: answered.json() + [10]), answered, Array(Self.records))
    }

    @Test(arguments: conditions) func `the documents of a stream are read as they were written`(
        condition: GiveUpCondition
    ) throws {
        let written = Self.document(Records.giveUp(Self.records, condition: condition))
        let parts = Array(written.parts(behind: nil)).flatMap(\.records)
        #expect(parts.count == Self.records.count)
        for (part, record) in zip(parts, Self.records) {
            Self.expectSame(try FailureRecord(json: part.data), written, [record])
        }
    }

    @Test func `what was never read has a document without records`() throws {
        for (condition, count) in [(GiveUpCondition.recordsExpired, nil), (.recordsLost, 6 as Int?)] {
            let written = Self.document(
                LaneCore.GiveUp(
                    lane: 0, condition: condition, first: SequenceNumber(4), last: SequenceNumber(9), count: count,
                    records: RecordBatch(), invocations: 0, lastInvocation: nil, response: nil, failure: nil, unit: nil,
                    takenThrough: nil))
            let data = Array(written.parts(behind: nil))[0].records[0].data
            Self.expectSame(try FailureRecord(json: data), written, [])
            Self.expectSame(try FailureRecord(json: written.json()), written, [])
            #expect(try FailureRecord(json: data).endSequenceNumber.sequenceNumber == SequenceNumber(9))
        }
    }

    @Test func `the largest document of a failure stream is read`() throws {
        let data = [UInt8](repeating: 0xA5, count: Limits.largestRecordSize)
        let records = Self.batch([NewRecord(data, partitionKey: "k", explicitHashKey: HashKey(5))])
        let written = Self.document(Records.giveUp(records))
        let bytes = Array(written.parts(behind: nil))[0].records[0].data
        #expect(bytes.count > 13 << 20 && bytes.count <= MappingSetup.documentSize(ofRecord: data.count))
        #expect(try FailureRecord(json: bytes).records[0].data == data)
    }

    @Test func `times before 1970, in leap years and of single milliseconds are read`() throws {
        for time in [-1, -86_400_001, 0, 1, 951_825_599_999, 1_709_164_800_000, 4_102_444_799_999] as [Int64] {
            let arrival = Timestamp(milliseconds: time)
            let written = Self.document(
                Records.giveUp(Self.batch([NewRecord("x", partitionKey: "k")], arrival: arrival)), at: time)
            Self.expectSame(try FailureRecord(json: written.json()), written, Array(written.records))
        }
    }

    @Test func `what the version before wrote is read, and Lambda's own documents`() throws {
        // As they lie in the dead-letter streams and files of the version before: without explicit hash keys.
        let head =
            #""requestContext":{"requestId":"c9b8fa9f","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:m","condition":"RetryAttemptsExhausted","approximateInvokeCount":2},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"version":"1.0","timestamp":"2019-11-14T00:38:06.021Z","KinesisBatchInfo":{"shardId":"shardId-000000000006","startSequenceNumber":"\#(Self.number(41))","endSequenceNumber":"\#(Self.number(42))","approximateArrivalOfFirstRecord":"2019-11-14T00:38:04.835Z","approximateArrivalOfLastRecord":"2019-11-14T00:38:05Z","batchSize":500,"streamArn":"arn:aws:kinesis:us-east-1:000000000000:stream/s"}"#
        let entry =
            #"{"partitionKey":"k","sequenceNumber":"\#(Self.number(41))","approximateArrivalTimestamp":1573691884.835,"data":"Yg=="}"#
        let stream = try FailureRecord(
            json: #"{"document":{\#(head)},"error":{"type":null,"text":"boom","attempts":2},"record":\#(entry)}"#.utf8)
        #expect(stream.records.map(\.data) == [Array("b".utf8)] && stream.records[0].explicitHashKey == nil)
        #expect(stream.errorText == "boom" && stream.errorType == nil && stream.recordCount == 500)
        #expect(stream.id == "s/m/shardId-000000000006:41-42")
        #expect(stream.approximateArrivalOfLastRecord == Timestamp(milliseconds: 1_573_691_885_000))

        let event = #"{"Records":[{"kinesis":\#(entry.replacing("{", with: #"{"kinesisSchemaVersion":"1.0","#))}]}"#
        let file = try FailureRecord(
            json: #"{\#(head),"id":"an id","error":{"type":"E","text":"x","attempts":2},"payload":\#(event)}"#.utf8)
        #expect(file.id == "an id" && file.records == stream.records && file.errorType == "E")

        // Lambda tells SQS and SNS no payload, and S3 may get it as text (ESM-D6).
        let plain = try FailureRecord(json: "{\(head)}".utf8)
        #expect(plain.records.isEmpty && plain.errorText == nil && plain.attempts == 2)
        let quoted = event.replacing("\"", with: "\\\"")
        let text = try FailureRecord(json: #"{\#(head),"payload":"\#(quoted)","newer":[{"x":1}]}"#.utf8)
        #expect(text.records == stream.records)
    }

    private static func number(_ counter: UInt64) -> KinesisSequenceNumber {
        KinesisSequenceNumber(
            shard: ShardID(6), shardCreationSecond: 1_545_000_000, sequenceNumber: SequenceNumber(counter),
            arrivalSecond: 1_573_691_884)
    }

    @Test func `what is no failure document says what is missing, in one line`() throws {
        let written = Self.document(Records.giveUp(Self.records))
        let good = String(decoding: Array(written.parts(behind: nil))[0].records[1].data, as: UTF8.self)
        let cases: [(String, String)] = [
            ("", "it is not JSON"), ("plain text", "it is not JSON"), ("[1]", "it is not a JSON object"),
            ("{}", "its member 'requestContext' is not an object"),
            (#"{"document":7}"#, "its member 'document' is not an object"),
            (
                good.replacing(#""condition":"RetryAttemptsExhausted","#, with: ""),
                "'document.requestContext.condition'"
            ),
            (good.replacing("KinesisBatchInfo", with: "DDBStreamBatchInfo"), "a DynamoDB stream"),
            (good.replacing("shardId-000000000006", with: "shard 6"), "'document.KinesisBatchInfo.shardId'"),
            (good.replacing("shardId-000000000006", with: "shardId-000000000007"), "a number of its shard"),
            (good.replacing("2019-11-14T00:38", with: "2019-02-30T00:38"), "'document.timestamp' is not a time"),
            (good.replacing(#""data":""#, with: #""data":"="#), "'record.data' is not base64"),
            (good.replacing(#""data":"","#, with: ""), "'record.data'"),
            (good.replacing(":stream/", with: ":table/"), "an ARN with ':stream/'"),
            (good.replacing(#""approximateInvokeCount":2"#, with: #""approximateInvokeCount":"2""#), "a whole number"),
        ]
        for (text, reason) in cases where text != good {
            let error = #expect(throws: ShardlineError.self, "\(reason)") { try FailureRecord(json: text.utf8) }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains(reason) == true, "\(String(describing: error)): \(reason)")
            #expect(error?.message.contains("\n") == false)
        }
        let record = Records.batch(["no document"])[0]
        #expect(throws: ShardlineError.self) { try FailureRecord(record) }
    }

    @Test func `base64 is read as it is written, and nothing else is`() {
        for count in 0..<70 {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 151 &+ count) }
            var text: [UInt8] = []
            Base64.append(bytes.span, to: &text)
            #expect(Base64.bytes(of: String(decoding: text, as: UTF8.self)) == bytes)
        }
        for text in ["Y", "Yg", "Yg=", "Yh==", "Yg==Yg==", "Yg= =", "YWJ=", "=", "====", "Y===", "YWé", "YW-_", " Yg="]
        {
            #expect(Base64.bytes(of: text) == nil, "\(text)")
        }
    }

    @Test func `the page of the documentation describes each member that there is, and no other`() throws {
        let written = Self.document(Records.giveUp(Self.records))
        let stream = try #require(JSONValue(Array(written.parts(behind: nil))[0].records[0].data))
        let file = try #require(JSONValue(written.json()))
        let page = try String(
            contentsOf: URL(filePath: PackageFolder.path("Sources/Shardline/Shardline.docc/FailureRecords.md")),
            encoding: .utf8)
        let sections = page.components(separatedBy: "\n## ")
        for (title, json) in [("In a dead-letter stream", stream), ("In a file", file)] {
            let section = try #require(sections.first { $0.hasPrefix(title) })
            let told = section.matches(of: #/(?m)^\| `([^`]+)` \|/#).map { String($0.1) }
            #expect(Set(told).count == told.count)
            #expect(Set(told) == Self.members(of: json, at: ""), "\(title)")
        }
    }

    /// The paths of all values in it: `error.text`, `payload.Records[].eventID`.
    private static func members(of json: JSONValue, at path: String) -> Set<String> {
        switch json {
        case .object(let members):
            Set(members.flatMap { Self.members(of: $1, at: path.isEmpty ? "\($0)" : "\(path).\($0)") })
        case .array(let elements): Set(elements.flatMap { Self.members(of: $0, at: path + "[]") })
        default: [path]
        }
    }
}
