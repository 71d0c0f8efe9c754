import EventSource
import ShardlineTesting
import StreamModel
import Testing

@Suite("The mapping test driver")
struct MappingTestDriverTests {
    @Test func `a batch waits for its window, no longer (ESM-B3)`() async throws {
        var settings = EventSourceMapping.Configuration()
        settings.batchWindow = .seconds(2)
        var driver = try MappingTestDriver(configuration: settings) { _, _ in }
        try await driver.put("a", partitionKey: "k")
        try await driver.advance(by: .milliseconds(1999))
        #expect(driver.invocations.isEmpty)
        try await driver.put("b", partitionKey: "k")
        try await driver.advance(by: .milliseconds(1))
        #expect(driver.invocations.map(\.batch.count) == [2])
        #expect(driver.checkpoint == SequenceNumber(2))
    }

    @Test func `a function with state keeps it over batches and failures`() async throws {
        struct Counter: BatchFunction {
            var calls = 0
            mutating func handle(_ batch: RecordBatch, context: InvocationContext) async throws {
                calls += 1
                if calls == 2 { throw MalformedRecord("the second call") }
                if calls == 3 { #expect(context.attempt == 2) }
            }
        }
        var driver = try MappingTestDriver(makeFunction: { _ in Counter() })
        try await driver.put("a", partitionKey: "k")
        try await driver.put("b", partitionKey: "k")
        try await driver.advance(by: .seconds(1))
        #expect(driver.invocations.map(\.attempt) == [1, 1, 2])
        #expect(driver.invocations.map { $0.error == nil } == [true, false, true])
        #expect(driver.checkpoint == SequenceNumber(2))
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 0
        #expect(throws: ShardlineError.self) {
            try MappingTestDriver(configuration: settings, makeFunction: { _ in Counter() })
        }
    }

    @Test func `what arrives at the very end of the window is not in the batch (ESM-B11)`() async throws {
        var settings = EventSourceMapping.Configuration()
        settings.batchWindow = .seconds(1)
        var driver = try MappingTestDriver(configuration: settings) { _, _ in }
        try await driver.put("a", partitionKey: "k")
        try await driver.advance(by: .seconds(1))
        try await driver.put("b", partitionKey: "k")
        try await driver.advance(by: .seconds(1))
        #expect(driver.invocations.map(\.batch.count) == [1, 1])
    }

    @Test func `retries come after growing pauses, then the record is given up (ESM-A3, ESM-A7)`() async throws {
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 3
        var driver = try MappingTestDriver(configuration: settings) { _, _ in throw MalformedRecord("always") }
        let begin = driver.now
        try await driver.put("a", partitionKey: "k")
        try await driver.advance(by: .seconds(3600))
        #expect(driver.invocations.map(\.attempt) == [1, 2, 3, 4])
        let seconds = driver.invocations.map { ($0.time - begin) / Duration.seconds(1) }
        for (second, expected) in zip(seconds, [0, 0.5, 1.5, 3.5]) {
            #expect(second >= expected * 0.9 - 0.001 && second <= expected * 1.1 + 0.001)
        }
        #expect(driver.documents.map(\.condition) == [.retryAttemptsExhausted])
        #expect(driver.documents[0].invocations == 4)
        #expect(driver.documents[0].errorText == "the record is malformed: always")
        #expect(driver.documents[0].records.map(\.partitionKey) == ["k"])
        #expect(driver.explanation.contains { $0.hasPrefix("ESM-A3 ") })
    }

    @Test func `a record that ages out during its pause is given up then (ESM-A10, ESM-G1)`() async throws {
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = nil
        settings.maximumRecordAge = .seconds(60)
        var driver = try MappingTestDriver(configuration: settings) { _, _ in throw MalformedRecord() }
        try await driver.put("a", partitionKey: "k")
        try await driver.advance(by: .seconds(59))
        #expect(driver.documents.isEmpty)
        // Ages are counted in whole milliseconds, pauses aren't.
        try await driver.advance(by: .milliseconds(1001))
        #expect(driver.documents.map(\.condition) == [.recordAgeExceeded])
        #expect(driver.invocations.count == 7)
    }

    @Test func `a permanent failure costs two invocations and keeps its neighbours (ESM-R20)`() async throws {
        var driver = try MappingTestDriver { batch, _ in
            for record in batch where Array(record.bytes) == Array("bad".utf8) {
                throw PermanentFailure(record, because: .malformed)
            }
        }
        try await driver.put(
            contentsOf: ["a", "bad", "c"].map { NewRecord($0, partitionKey: "k") })
        #expect(driver.invocations.map(\.batch.count) == [3, 1])
        #expect(driver.documents.map(\.condition) == [.permanentFailure])
        #expect(driver.checkpoint == SequenceNumber(3))
        #expect(driver.invocations.map { $0.error != nil } == [true, false])
    }

    @Test func `a closed shard's last batch does not wait (ESM-B10)`() async throws {
        var settings = EventSourceMapping.Configuration()
        settings.batchWindow = .seconds(300)
        var driver = try MappingTestDriver(configuration: settings) { _, _ in }
        try await driver.put("a", partitionKey: "k")
        try await driver.closeShard()
        #expect(driver.invocations.map(\.batch.count) == [1])
    }

    @Test func `a driver that catches up does not wait for the window, and goes on as before (ESM-B10)`() async throws {
        var settings = EventSourceMapping.Configuration()
        settings.batchWindow = .seconds(300)
        settings.batchSize = 3
        var driver = try MappingTestDriver(configuration: settings) { _, _ in }
        try await driver.catchUp()
        try await driver.put(contentsOf: (1...5).map { NewRecord("\($0)", partitionKey: "k") })
        #expect(driver.invocations.map(\.batch.count) == [3])
        try await driver.catchUp()
        #expect(driver.invocations.map(\.batch.count) == [3, 2])
        #expect(driver.checkpoint == SequenceNumber(5))
        try await driver.put("6", partitionKey: "k")
        #expect(driver.invocations.count == 2)
        try await driver.advance(by: .seconds(300))
        #expect(driver.invocations.map(\.batch.count) == [3, 2, 1])
    }

    @Test func `settings outside their limits are refused`() {
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 0
        #expect(throws: ShardlineError.self) { try MappingTestDriver(configuration: settings) { _, _ in } }
    }
}
