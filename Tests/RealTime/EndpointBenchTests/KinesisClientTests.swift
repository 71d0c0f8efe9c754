#if Server
import DataFormats
import ShardlineTesting
import StreamModel
import Synchronization
import Testing

@testable import EndpointBench

/// A server that answers what a test says, and keeps what it was asked.
private final class ScriptedTransport: Transport {
    private let state: Mutex<(answers: [APIAnswer], requests: [APIRequest])>

    init(_ answers: [(Int, String)]) {
        state = Mutex((answers.map { APIAnswer(status: $0.0, body: Array($0.1.utf8)) }, []))
    }

    var requests: [APIRequest] { state.withLock { $0.requests } }

    func answer(to request: APIRequest) async throws -> APIAnswer {
        state.withLock { state in
            state.requests.append(request)
            return state.answers.count > 1 ? state.answers.removeFirst() : state.answers[0]
        }
    }

    func stream(_ request: APIRequest, _ receive: ([UInt8]) throws -> Void) async throws -> APIAnswer {
        try await answer(to: request)
    }

    func close() async throws {}
}

/// What is tried again, when, and what is understood of answers.
@Suite struct KinesisClientTests {
    private static func client(_ transport: ScriptedTransport, _ time: VirtualTime) -> KinesisClient {
        KinesisClient(format: .json, transport: transport, timeSource: time)
    }

    private static func result(_ shard: Int, _ number: Int) -> String {
        #"{"SequenceNumber":"\#(number)","ShardId":"shardId-00000000000\#(shard)"}"#
    }

    private static func failure(_ code: String) -> String { #"{"ErrorCode":"\#(code)","ErrorMessage":"Rate."}"# }

    private static func records(_ count: Int) -> [NewRecord] {
        (0..<count).map { NewRecord("data \($0)", partitionKey: "key \($0)") }
    }

    @Test func `records that failed are put again alone, in their order, after a pause`() async throws {
        let slow = Self.failure("ProvisionedThroughputExceededException")
        let transport = ScriptedTransport([
            (
                200,
                #"{"FailedRecordCount":2,"Records":[\#(Self.result(0, 1)),\#(slow),\#(Self.result(1, 1)),\#(slow)]}"#
            ),
            (200, #"{"FailedRecordCount":1,"Records":[\#(Self.result(0, 2)),\#(Self.failure("InternalFailure"))]}"#),
            (200, #"{"FailedRecordCount":0,"Records":[\#(Self.result(1, 2))]}"#),
        ])
        let time = VirtualTime()
        let client = Self.client(transport, time)
        async let receipts = PutCall(client: client, stream: "s", shards: 2).put(Self.records(4))
        await time.sleepers(1)
        #expect(transport.requests.count == 1)
        time.advance(by: KinesisClient.firstPause)
        await time.sleepers(1)
        time.advance(by: KinesisClient.firstPause * 2)
        let places = try await receipts.map { "\($0.shard.number)/\($0.sequenceNumber)" }
        #expect(places == ["0/1", "0/2", "1/1", "1/2"])
        #expect(client.retries.count == 3)
        let keys = try transport.requests.map { request in
            try Document(json: request.body).root["Records"]?.elements.compactMap { $0["PartitionKey"]?.text } ?? []
        }
        #expect(keys == [["key 0", "key 1", "key 2", "key 3"], ["key 1", "key 3"], ["key 3"]])
    }

    @Test func `a record that failed for another reason ends the put`() async throws {
        let transport = ScriptedTransport([(200, #"{"Records":[\#(Self.failure("AccessDenied"))]}"#)])
        let put = PutCall(client: Self.client(transport, VirtualTime()), stream: "s", shards: 1)
        let error = await #expect(throws: ShardlineError.self) { _ = try await put.put(Self.records(1)) }
        #expect(error?.message.contains("AccessDenied: Rate.") == true)
    }

    @Test func `a server that goes on asking for patience ends the call with its text`() async throws {
        let transport = ScriptedTransport([(503, "busy")])
        let time = VirtualTime()
        let client = Self.client(transport, time)
        async let answer = client.call("ListStreams", [])
        for _ in 1..<KinesisClient.attempts {
            await time.sleepers(1)
            time.advance(by: KinesisClient.longestPause)
        }
        do {
            _ = try await answer
            Issue.record("it was answered")
        } catch let error as ShardlineError {
            #expect(error.message == "ListStreams: the server answered 503 without a code: busy")
        }
        #expect(transport.requests.count == KinesisClient.attempts)
    }

    @Test(arguments: [
        #"{"Records":[]}"#, #"{"Records":[{"SequenceNumber":"1"}]}"#,
        #"{"Records":[{"SequenceNumber":"1","ShardId":"shardId-000000000001"}]}"#,
        #"{"Records":[{"SequenceNumber":"x","ShardId":"shardId-000000000000"}]}"#, "[", "",
    ])
    func `results that no record can have are refused`(answer: String) async {
        let put = PutCall(
            client: Self.client(ScriptedTransport([(200, answer)]), VirtualTime()), stream: "s", shards: 1)
        await #expect(throws: ShardlineError.self) { _ = try await put.put(Self.records(1)) }
    }

    @Test func `sequence numbers are Kinesis' digits, or counters`() throws {
        let number = KinesisSequenceNumber(
            shard: ShardID(3), shardCreationSecond: 1_700_000_000, sequenceNumber: SequenceNumber(77),
            arrivalSecond: 1_700_000_001)
        func read(_ text: String) throws -> AnsweredNumber? {
            AnsweredNumber(try Document(json: Array("\"\(text)\"".utf8)).root)
        }
        #expect(try read(number.description)?.sequenceNumber == SequenceNumber(77))
        #expect(try read(number.description)?.shardCreationSecond == 1_700_000_000)
        #expect(try read("42")?.sequenceNumber == SequenceNumber(42))
        for text in ["", "-1", "4 2", "1234567890123456789", String(repeating: "9", count: 56)] {
            #expect(try read(text) == nil, "\(text)")
        }
    }

    @Test func `records whose numbers leave places out keep their numbers`() throws {
        let list = [3, 4, 9].map { #"{"SequenceNumber":"\#($0)","Data":"aGk=","PartitionKey":"k\n\#($0)"}"# }
        let document = try Document(json: Array("[\(list.joined(separator: ","))]".utf8))
        let batch = try RecordList.batch(of: document.root, in: ShardID(1), "GetRecords", size: document.size)
        #expect(batch.map(\.sequenceNumber.rawValue) == [3, 4, 9])
        #expect(batch.map(\.partitionKey) == ["k\n3", "k\n4", "k\n9"])
        #expect(batch.allSatisfy { Array($0.bytes) == Array("hi".utf8) && $0.shard == ShardID(1) })
        let bad = try Document(json: Array(#"[{"SequenceNumber":"1"}]"#.utf8))
        #expect(throws: ShardlineError.self) {
            try RecordList.batch(of: bad.root, in: ShardID(1), "GetRecords", size: 0)
        }
    }

    @Test(arguments: [
        ("http://127.0.0.1:4567", "http://127.0.0.1:4567"), ("http://[::1]:80", "http://[::1]:80"),
        ("https://kinesis.us-east-1.amazonaws.com/", "https://kinesis.us-east-1.amazonaws.com"),
        ("http://[::1]", "http://[::1]"), ("http://host_1", "http://host_1"),
    ])
    func `an address with its scheme is taken`(text: String, kept: String) throws {
        #expect(try EndpointURL(text).text == kept)
    }

    @Test(arguments: [
        "", "127.0.0.1:4567", "ftp://host", "http://", "http:///", "http://:80", "http://host:0", "http://host:65536",
        "http://host:", "http://host/path", "http://user@host", "http://ho st", "http://host\r\nX: y", "HTTP://host?x",
    ])
    func `anything else is refused, with what is allowed`(text: String) {
        let error = #expect(throws: ShardlineError.self) { try EndpointURL(text) }
        #expect(error?.description.contains("allowed: http:// or https://") == true)
    }
}
#endif
