import StreamModel
import Testing

@testable import EventSource

@Suite("Failure documents")
struct FailureDocumentTests {
    private func document(
        _ giveUp: LaneCore.GiveUp, awsCompatibleCounts: Bool = false
    ) -> FailureDocument {
        FailureDocument(
            giveUp, key: ("s", "m"), shard: ShardID(6), shardCreationSecond: Records.creation,
            requestID: "c9b8fa9f-5a7f-4a2e-af9c-0c604cde93a5", names: Records.names,
            awsCompatibleCounts: awsCompatibleCounts, timestamp: Timestamp(milliseconds: 1_573_691_886_021))
    }

    @Test func `a document is Lambda's, and holds the error and the event (ESM-D1, ESM-D4 to ESM-D6)`() {
        let records = Records.batch(["a", "b"])
        let numbers = records.map { $0.kinesisSequenceNumber.description }
        let event = String(decoding: KinesisEvent(names: Records.names).json(of: records), as: UTF8.self)
        let expected =
            #"{"requestContext":{"requestId":"c9b8fa9f-5a7f-4a2e-af9c-0c604cde93a5","functionArn":"arn:aws:lambda:us-east-1:000000000000:function:m","condition":"RetryAttemptsExhausted","approximateInvokeCount":2},"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},"version":"1.0","timestamp":"2019-11-14T00:38:06.021Z","KinesisBatchInfo":{"shardId":"shardId-000000000006","startSequenceNumber":"\#(numbers[0])","endSequenceNumber":"\#(numbers[1])","approximateArrivalOfFirstRecord":"2018-12-17T22:10:50.987Z","approximateArrivalOfLastRecord":"2018-12-17T22:10:50.987Z","batchSize":2,"streamArn":"arn:aws:kinesis:us-east-1:000000000000:stream/s"},"id":"s/m/shardId-000000000006:1-2","error":{"type":"Oops","text":"boom \"x\"","attempts":2,"group":"6023a3668d45ebdb"},"payload":\#(event)}"#
        #expect(String(decoding: document(Records.giveUp(records)).json(), as: UTF8.self) == expected)
    }

    @Test func `records that were never sent have no response and count no invocation (ESM-D3, ESM-G3)`() throws {
        let giveUp = Records.giveUp(
            Records.batch(["a"]), condition: .recordAgeExceeded, invocations: 0, response: nil, failure: nil)
        let value = try #require(JSONValue(document(giveUp).json()))
        #expect(value["responseContext"] == nil)
        #expect(value["requestContext"]?["condition"] == .string("RecordAgeExceeded"))
        #expect(value["requestContext"]?["approximateInvokeCount"] == .number("0"))
        #expect(value["error"]?["text"] == .null)
        let aws = try #require(JSONValue(document(giveUp, awsCompatibleCounts: true).json()))
        #expect(aws["requestContext"]?["approximateInvokeCount"] == .number("1"))
    }

    @Test func `a report that could not be used has the function error null (ESM-R14)`() throws {
        let giveUp = Records.giveUp(Records.batch(["a"]), response: .init(functionError: nil))
        let value = try #require(JSONValue(document(giveUp).json()))
        #expect(value["responseContext"]?["functionError"] == .null)
    }

    @Test func `in a stream each record has a document under its own key (ESM-D10)`() throws {
        let records = Records.batch(["a", "b", "c"], keys: ["x", "y"])
        let parts = Array(document(Records.giveUp(records)).parts(behind: nil))
        #expect(parts.count == 1)
        #expect(parts[0].through == SequenceNumber(3))
        #expect(parts[0].records.map(\.partitionKey) == ["x", "y", "x"])
        for (record, source) in zip(parts[0].records, records) {
            let value = try #require(JSONValue(record.data))
            #expect(value["document"]?["KinesisBatchInfo"]?["batchSize"] == .number("3"))
            #expect(value["error"]?["attempts"] == .number("2"))
            #expect(value["record"]?["partitionKey"]?.text == source.partitionKey)
            #expect(value["record"]?["sequenceNumber"]?.text == source.kinesisSequenceNumber.description)
            #expect(value["record"]?["approximateArrivalTimestamp"] == .number("1545084650.987"))
        }
        #expect(JSONValue(parts[0].records[1].data)?["record"]?["data"] == .string("Yg=="))
    }

    @Test func `a large unit goes in several parts, and on after what was taken (ESM-D10)`() {
        let records = Records.batch((0..<20).map { _ in String(repeating: "x", count: 1000) })
        let document = document(Records.giveUp(records))
        let parts = Array(document.parts(behind: nil, partSize: 8000))
        #expect(parts.count > 3)
        #expect(parts.reduce(0) { $0 + $1.records.count } == 20)
        #expect(parts.allSatisfy { $0.records.reduce(0) { $0 + $1.data.count } <= 8000 })
        #expect(parts.last?.through == SequenceNumber(20))
        let rest = Array(document.parts(behind: SequenceNumber(17), partSize: 8000))
        #expect(rest.reduce(0) { $0 + $1.records.count } == 3)
        #expect(Array(document.parts(behind: SequenceNumber(20))).isEmpty)
    }

    @Test func `what expired before it was read is one document without records (ESM-G4)`() throws {
        let giveUp = LaneCore.GiveUp(
            lane: 0, condition: .recordsExpired, first: SequenceNumber(4), last: SequenceNumber(9), count: nil,
            records: RecordBatch(), invocations: 0, lastInvocation: nil, response: nil, failure: nil, unit: nil,
            takenThrough: nil)
        let parts = Array(document(giveUp).parts(behind: nil))
        #expect(parts.count == 1 && parts[0].records.count == 1)
        #expect(parts[0].through == SequenceNumber(9))
        let value = try #require(JSONValue(parts[0].records[0].data))
        #expect(value["document"]?["KinesisBatchInfo"]?["batchSize"] == .null)
        #expect(value["document"]?["KinesisBatchInfo"]?["approximateArrivalOfFirstRecord"] == .null)
        let start = try #require(value["document"]?["KinesisBatchInfo"]?["startSequenceNumber"]?.text)
        #expect(KinesisSequenceNumber(start)?.sequenceNumber == SequenceNumber(4))
        #expect(value["record"] == nil)
    }

    @Test func `the document of the largest record fits into a failure stream (ESM-D10)`() {
        #expect(MappingSetup.documentSize(ofRecord: Limits.largestRecordSize) <= Limits.largestFailureRecordSize)
        let records = Records.batch(
            [String(repeating: "x", count: 1 << 20)], keys: [String(repeating: "\u{1}", count: 256)])
        let giveUp = Records.giveUp(
            records,
            failure: .init(String(repeating: "\u{1}", count: 5000), type: String(repeating: "\u{1}", count: 17 << 20)))
        let part = Array(document(giveUp).parts(behind: nil))[0]
        #expect(part.records[0].data.count <= MappingSetup.documentSize(ofRecord: 1 << 20))
    }
}
