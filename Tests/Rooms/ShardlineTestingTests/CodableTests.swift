import Foundation
import Shardline
import ShardlineTesting
import Testing

/// Values as JSON, Foundation's types in and out.
@Suite(.timeLimit(.minutes(1)))
struct CodableTests {
    struct Order: Codable, Equatable {
        var customer: String
        var lines: [Line]
        struct Line: Codable, Equatable {
            var total: Int
        }
    }

    private static let order = Order(customer: "éva", lines: [.init(total: 3), .init(total: -1)])

    @Test func `values that are put are decoded as they were`() async throws {
        let store = InMemoryStore(timeSource: VirtualTime())
        try await store.createStream("s", shards: 1)
        let stream = store.stream("s")
        try await stream.put(encoding: Self.order, partitionKey: "k")
        try await stream.put(contentsOf: [NewRecord(encoding: Self.order, partitionKey: "k")])
        try await stream.withProducer { try await $0.enqueue(encoding: Self.order, partitionKey: "k") }
        var found: [Order] = []
        for try await record in stream.records(follow: false) { found.append(try record.decode()) }
        #expect(found == [Self.order, Self.order, Self.order])
    }

    @Test func `a value that can't be encoded is put nowhere`() async throws {
        let store = InMemoryStore(timeSource: VirtualTime())
        try await store.createStream("s", shards: 1)
        let stream = store.stream("s")
        await #expect(throws: EncodingError.self) { try await stream.put(encoding: Double.nan, partitionKey: "k") }
        try await stream.withProducer { producer in
            await #expect(throws: EncodingError.self) {
                try await producer.enqueue(encoding: [Double.infinity], partitionKey: "k")
            }
            try await producer.enqueue(encoding: 1, partitionKey: "k")
        }
        #expect(try await stream.recordCount() == 1)
    }

    @Test(arguments: [
        ("{", "The given data was not valid JSON."),
        (#"{"customer":"a"}"#, "there is no member 'lines'"),
        (#"{"customer":"a","lines":[{"total":1},{"total":"x"}]}"#, ".lines[1].total"),
        (#"{"customer":null,"lines":[]}"#, ".customer"),
        ("", "The given data was not valid JSON."),
    ])
    func `what does not fit names the record, the place and the reason`(text: String, reason: String) throws {
        let record = Record(
            NewRecord(text, partitionKey: "k"), shard: ShardID(0), shardCreationSecond: 1,
            sequenceNumber: SequenceNumber(7), approximateArrivalTimestamp: Timestamp(milliseconds: 1))
        let failure = try #require(throws: PermanentFailure.self) { try record.decode(as: Order.self) }
        #expect(failure.sequenceNumber == SequenceNumber(7))
        #expect(failure.cause is MalformedRecord)
        #expect("\(failure)".contains(reason), "\(failure)")
        #expect(failure.localizedDescription == "\(failure)")
    }

    struct Positive: Decodable {
        init(from decoder: any Decoder) throws {
            if try Int(from: decoder) < 1 { throw ShardlineError(.invalidArgument, "it must be positive") }
        }
    }

    @Test func `a value that its own type refuses is a permanent failure, too`() throws {
        let record = Record(
            NewRecord("0", partitionKey: "k"), shard: ShardID(0), shardCreationSecond: 1,
            sequenceNumber: SequenceNumber(7), approximateArrivalTimestamp: Timestamp(milliseconds: 1))
        let failure = try #require(throws: PermanentFailure.self) { try record.decode(as: Positive.self) }
        #expect("\(failure)".contains("it must be positive"), "\(failure)")
    }

    @Test func `a record that can't be decoded is given up at once, and the others go on`() async throws {
        var driver = try MappingTestDriver { batch, _ in
            for record in batch { _ = try record.decode(as: Int.self) }
        }
        try await driver.put(contentsOf: ["1", "2", "x", "4"].map { NewRecord($0, partitionKey: "k") })
        try await driver.catchUp()
        #expect(driver.documents.map(\.condition) == [.permanentFailure])
        #expect(driver.documents.first?.records.map { String(decoding: $0.bytes, as: UTF8.self) } == ["x"])
        #expect(driver.checkpoint == SequenceNumber(4))
    }

    @Test func `bytes go in as Data, as an array and as a slice`() async throws {
        let store = InMemoryStore(timeSource: VirtualTime())
        try await store.createStream("s", shards: 1)
        let stream = store.stream("s")
        let bytes: [UInt8] = [0, 255, 10]
        try await stream.put(Data(bytes), partitionKey: "k")
        try await stream.put(bytes, partitionKey: "k")
        try await stream.put(bytes[0...], partitionKey: "k")
        try await stream.withProducer { producer in
            try await producer.enqueue(Data(bytes), partitionKey: "k")
            try await producer.enqueue(bytes, partitionKey: "k")
        }
        var found: [[UInt8]] = []
        for try await record in stream.records(follow: false) { found.append(Array(record.bytes)) }
        #expect(found == Array(repeating: bytes, count: 5))
    }

    @Test func `dates become timestamps to the millisecond, and back`() {
        for milliseconds: Int64 in [0, 1, 999, 1_785_000_000_123, -1] {
            let stamp = Timestamp(milliseconds: milliseconds)
            #expect(Timestamp(Date(stamp)) == stamp)
        }
        // Never after the date: a time in the future is refused.
        #expect(Timestamp(Date(timeIntervalSince1970: 1_785_000_000.1237)).milliseconds == 1_785_000_000_123)
        #expect(Timestamp(.distantFuture).milliseconds > 0 && Timestamp(.distantPast).milliseconds < 0)
        #expect(Timestamp(Date(timeIntervalSince1970: .infinity)).milliseconds == .max)
        let date = Date(timeIntervalSince1970: 12.5)
        #expect(StartingPosition.atTimestamp(date) == .atTimestamp(Timestamp(milliseconds: 12_500)))
    }

    /// GRDB has a class of this name.
    @Test func `the module's name tells its types from others of the same name`() {
        typealias Theirs = Shardline.Record
        #expect(Theirs.self == Record.self)
    }
}
