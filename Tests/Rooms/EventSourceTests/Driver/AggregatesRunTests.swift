import DataFormats
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import EventSource

/// Mappings that take the aggregates of the Kinesis Producer Library apart, for a function that gets JSON.
@Suite("Running a mapping over aggregates", .restingExecutor)
struct AggregatesRunTests {
    /// A function outside Swift that answers as a closure says.
    private final class Function: OutsideFunction {
        private let events = Mutex<[[UInt8]]>([])
        private let answer: @Sendable (JSONValue) -> String

        init(_ answer: @escaping @Sendable (JSONValue) -> String = { _ in "{}" }) { self.answer = answer }

        func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
            events.withLock { $0.append(event) }
            return .answered(Array(answer(JSONValue(event) ?? .null).utf8))
        }

        /// Key, subsequence number and data of each entry, of each call.
        var entries: [[String]] {
            events.withLock { $0 }.map { event in
                AggregatesRunTests.records(JSONValue(event) ?? .null).map { entry in
                    let kinesis = entry["kinesis"]
                    let number: String? =
                        if case .number(let text)? = kinesis?["subSequenceNumber"] { text } else { nil }
                    return [kinesis?["partitionKey"]?.text, number, kinesis?["data"]?.text].map { $0 ?? "-" }
                        .joined(separator: " ")
                }
            }
        }
    }

    private static func records(_ event: JSONValue) -> [JSONValue] {
        if case .array(let entries)? = event["Records"] { entries } else { [] }
    }

    private static let aggregate = AggregateEncoder.aggregate([.init("a", [1]), .init("b", hashKey: "7", [2])])

    private static func base64(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        Base64.append(bytes.span, to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    private func mapping(
        _ bench: Bench, _ function: Function, _ change: (inout EventSourceMapping.Configuration) -> Void = { _ in }
    ) async throws -> EventSourceMapping {
        var settings = EventSourceMapping.Configuration()
        settings.deaggregates = true
        settings.maximumRetryAttempts = 0
        change(&settings)
        return try await EventSourceMapping("m", from: bench.stream, configuration: settings, outsideFunction: function)
    }

    private func put(_ bench: Bench) async throws {
        try await bench.stream.put(
            contentsOf: [
                NewRecord([9], partitionKey: "plain"), NewRecord(Self.aggregate, partitionKey: "a"),
                NewRecord(Self.aggregate.dropLast(), partitionKey: "cut"),
            ])
    }

    @Test
    func `the event has an entry for each user record; batches count records as they are stored (ESM-S40, ESM-E11)`()
        async throws
    {
        let bench = try await Bench()
        try await put(bench)
        let function = Function()
        let mapping = try await mapping(bench, function) { $0.batchSize = 2 }
        try await mapping.run(until: .caughtUp)
        let cut = Self.base64(Array(Self.aggregate.dropLast()))
        #expect(function.entries == [["plain - CQ==", "a 0 AQ==", "b 1 Ag=="], ["cut - \(cut)"]])
        #expect(mapping.statistics.delivered == 3 && mapping.statistics.polled == 3)
    }

    @Test func `without the setting an aggregate is one entry (ESM-S40)`() async throws {
        let bench = try await Bench()
        try await put(bench)
        let function = Function()
        try await mapping(bench, function) { $0.deaggregates = false }.run(until: .caughtUp)
        #expect(function.entries.map(\.count) == [3])
        #expect(function.entries[0][1] == "a - \(Self.base64(Self.aggregate))")
    }

    @Test func `a report of a user record is one of its record, which is given up as it is stored (ESM-E11, ESM-R10)`()
        async throws
    {
        let bench = try await Bench()
        try await put(bench)
        let function = Function { event in
            for entry in Self.records(event) where entry["kinesis"]?["partitionKey"]?.text == "b" {
                let number = entry["kinesis"]?["sequenceNumber"]?.text ?? ""
                return "{\"batchItemFailures\":[{\"itemIdentifier\":\"\(number)\"}]}"
            }
            return "{}"
        }
        let mapping = try await mapping(bench, function)
        try await mapping.run(until: .caughtUp)
        #expect(mapping.statistics.givenUp == 1 && mapping.statistics.delivered == 2)
        let document = try #require(try await bench.texts(in: "s.m.failed").first)
        #expect(document.contains(Self.base64(Self.aggregate)))
        #expect(try await bench.checkpoint() == 3)
    }

    @Test func `the payload limit is that of the user records (ESM-B4, ESM-B5, ESM-E11)`() async throws {
        let bench = try await Bench()
        // Small as a record, and large as entries.
        let users = (0..<20).map { AggregateEncoder.User("user \($0)", [UInt8($0)]) }
        try await bench.stream.put(
            contentsOf: [
                NewRecord(AggregateEncoder.aggregate(users), partitionKey: "k"), NewRecord([1], partitionKey: "k"),
            ])
        let function = Function()
        let mapping = try await mapping(bench, function) { $0.payloadLimit = 2048 }
        try await mapping.run(until: .caughtUp)
        #expect(function.entries == [["k - AQ=="]])
        #expect(mapping.statistics.givenUp == 1)
        #expect(try await bench.texts(in: "s.m.failed").first?.contains("PayloadSizeExceeded") == true)
    }

    @Test func `filters see the record as it is stored (ESM-E11, ESM-F5)`() async throws {
        let bench = try await Bench()
        try await bench.stream.put(
            contentsOf: [
                NewRecord(AggregateEncoder.aggregate([.init("inner", Array("{\"a\":1}".utf8))]), partitionKey: "outer"),
                NewRecord("{\"a\":1}", partitionKey: "plain"),
            ])
        let function = Function()
        try await mapping(bench, function) { $0.filters = [#"{"data":{"a":[1]}}"#] }.run(until: .caughtUp)
        #expect(function.entries.map(\.count) == [1])
        #expect(function.entries[0][0].hasPrefix("plain - "))
    }

    @Test func `a Swift function takes a batch apart by itself, and blames the record (API-K-5)`() async throws {
        let bench = try await Bench()
        try await put(bench)
        let seen = Mutex<[String]>([])
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        let mapping = try await bench.mapping("m", settings) { batch, _ in
            for user in batch.deaggregated() {
                seen.withLock { $0.append("\(user.partitionKey) \(user.subSequenceNumber)") }
                if user.partitionKey == "b" { throw BatchFailure(from: user, because: "no") }
            }
        }
        try await mapping.run(until: .caughtUp)
        // The record before is done, and the record with the failed one was tried again.
        #expect(seen.withLock { $0.count { $0 == "plain 0" } } == 1)
        #expect(seen.withLock { $0.last } == "cut 0")
        #expect(mapping.statistics.givenUp == 1 && mapping.statistics.delivered == 2)
    }
}
