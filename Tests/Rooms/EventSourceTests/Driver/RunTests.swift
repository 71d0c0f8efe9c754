import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestTraits
import Testing

@testable import EventSource

@Suite("Running a mapping", .restingExecutor)
struct RunTests {
    @Test func `every record reaches the function once and in order within its shard (ESM-P1, ESM-B8)`() async throws {
        let bench = try await Bench(shards: 4)
        try await bench.put(1...500, keys: 20)
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 7
        let mapping = try await bench.mapping("m", settings)
        try await mapping.run(until: .caughtUp)
        let numbers = bench.calls.texts.flatMap { $0 }.compactMap { Int($0) }
        #expect(numbers.sorted() == Array(1...500))
        for shard in Set(bench.calls.all.map(\.shard)) {
            let ofShard = bench.calls.all.filter { $0.shard == shard }.flatMap(\.texts).compactMap { Int($0) }
            #expect(ofShard == ofShard.sorted())
        }
        #expect(bench.calls.texts.allSatisfy { $0.count <= 7 })
        #expect(mapping.statistics.delivered == 500)
        #expect(mapping.statistics.invocations == bench.calls.all.count)
        #expect(Set(bench.calls.all.map(\.requestID)).count == bench.calls.all.count)
    }

    @Test func `a mapping made again goes on at its checkpoints (ESM-P7)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...10)
        try await bench.mapping().run(until: .caughtUp)
        #expect(try await bench.checkpoint() == 10)
        try await bench.put(11...12)
        let again = try await bench.mapping(startingAt: .latest)
        #expect(again.isResumed)
        try await again.run(until: .caughtUp)
        #expect(bench.calls.texts.flatMap { $0 } == (1...12).map(String.init))
        #expect(again.statistics.redelivered == 0)
    }

    @Test func `the settings of a run are those that its store shows, also where it resumes (ESM-L4)`() async throws {
        let bench = try await Bench()
        let key = MappingID(stream: "s", name: "m")
        func stored() async throws -> EventSourceMapping.Configuration {
            try await EventSourceMapping.Configuration(json: bench.store.describeMapping(key).configuration)
        }
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 7
        try await bench.mapping("m", settings).run(until: .caughtUp)
        #expect(try await stored().batchSize == 7)
        settings.batchSize = 8
        settings.maximumRetryAttempts = nil
        let again = try await bench.mapping("m", settings)
        // Nothing runs with the new ones yet.
        #expect(try await stored().batchSize == 7)
        try await again.run(until: .caughtUp)
        #expect(try await stored() == settings)
    }

    @Test func `a running mapping shows through its store which shard is stuck, and why`() async throws {
        let bench = try await Bench()
        let key = MappingID(stream: "s", name: "m")
        try await bench.put(1...1)
        let mapping = try await bench.mapping { _, context in
            if context.attempt <= 2 { throw MalformedRecord() }
        }
        async let run: Void = mapping.run(until: .caughtUp)
        var pause = Duration.zero
        for await (_, event) in bench.trace {
            guard case .retrying(_, _, let wait) = event else { continue }
            pause = wait
            break
        }
        let states = try #require(try await bench.store.mappingStates(key))
        #expect(states == mapping.shardStates)
        #expect(states.map(\.phase) == [.retrying] && states[0].isFailing)
        #expect(states[0].attempts == 1 && states[0].lastError == "the record is malformed")
        #expect(states[0].unit?.partitionKey == "k0" && states[0].unit?.recordCount == 1)
        #expect(states[0].unit?.sequenceNumber.sequenceNumber == SequenceNumber(1))
        #expect(states[0].oldestArrival == bench.time.wallTime)
        #expect(states[0].busySince == bench.time.wallTime)
        bench.time.advance(by: pause)
        await bench.advanceThroughPauses { if case .succeeded = $0 { true } else { false } }
        try await run
        #expect(try await bench.store.mappingStates(key) == nil)
    }

    @Test(.timeLimit(.minutes(1))) func `a function that can't be reached shows as failing, with the reason`()
        async throws
    {
        final class Absent: OutsideFunction {
            let isThere = Atomic(false)
            func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
                isThere.load(ordering: .relaxed) ? .answered([]) : .notReached("no such file")
            }
        }
        let bench = try await Bench()
        try await bench.put(1...1)
        let function = Absent()
        let mapping = try await EventSourceMapping(
            "m", from: bench.stream, logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
            outsideFunction: function)
        async let run: Void = mapping.run(until: .caughtUp)
        await bench.rest()
        #expect(mapping.shardStates[0].isFailing)
        #expect(mapping.shardStates[0].attempts == 0 && mapping.shardStates[0].lastError == "no such file")
        function.isThere.store(true, ordering: .relaxed)
        await bench.advance(by: .seconds(1)) { mapping.statistics.delivered == 1 }
        try await run
        #expect(!mapping.shardStates[0].isFailing && mapping.shardStates[0].lastError == nil)
    }

    @Test func `with latest, what is put after the mapping was made is delivered and nothing before (ESM-P4)`()
        async throws
    {
        let bench = try await Bench()
        try await bench.put(1...3)
        let mapping = try await bench.mapping(startingAt: .latest)
        try await bench.put(4...5)
        try await mapping.run(until: .caughtUp)
        #expect(bench.calls.texts.flatMap { $0 } == ["4", "5"])
    }

    @Test func `a bad record is isolated and goes to the dead-letter stream (ESM-X2, ESM-D10)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...8)
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        let mapping = try await bench.mapping("m", settings) { batch, _ in
            if batch.contains(where: { Array($0.bytes) == Array("5".utf8) }) { throw MalformedRecord("five") }
        }
        try await mapping.run(until: .caughtUp)
        let documents = try await bench.texts(in: "s.m.failed").map { try #require(JSONValue(Array($0.utf8))) }
        #expect(documents.count == 1)
        #expect(documents[0]["record"]?["data"] == .string("NQ=="))
        #expect(documents[0]["record"]?["partitionKey"] == .string("k0"))
        #expect(documents[0]["document"]?["requestContext"]?["condition"] == .string("RetryAttemptsExhausted"))
        #expect(documents[0]["document"]?["KinesisBatchInfo"]?["batchSize"] == .number("1"))
        #expect(documents[0]["error"]?["text"] == .string("the record is malformed: five"))
        // One bad record of 8 costs 7 invocations (ESM-X11).
        #expect(mapping.statistics.invocations == 7)
        #expect(mapping.statistics.givenUp == 1)
        #expect(mapping.statistics.delivered == 7)
        #expect(try await bench.checkpoint() == 8)
    }

    @Test func `a failed unit is tried again after growing pauses (ESM-A7)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...1)
        let mapping = try await bench.mapping { _, context in
            if context.attempt <= 3 { throw MalformedRecord() }
        }
        async let run: Void = mapping.run(until: .caughtUp)
        let begin = bench.time.monotonicTime
        await bench.advanceThroughPauses { if case .succeeded = $0 { true } else { false } }
        try await run
        #expect(bench.calls.all.map(\.attempt) == [1, 2, 3, 4])
        // 0.5 + 1 + 2 seconds, each a tenth more or less.
        let passed = bench.time.monotonicTime - begin
        #expect(passed >= .milliseconds(3150) && passed <= .milliseconds(3850))
        #expect(mapping.statistics.retries == 3)
    }

    @Test func `each shard has a function of its own, with its state`() async throws {
        struct Counting: BatchFunction {
            let shard: ShardID
            var seen = 0
            mutating func handle(_ batch: RecordBatch, context: InvocationContext) async throws {
                #expect(context.shard == shard)
                #expect(batch[0].sequenceNumber.rawValue == UInt64(seen) + 1)
                seen += batch.count
            }
        }
        let bench = try await Bench(shards: 3)
        try await bench.put(1...60, keys: 30)
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 4
        let mapping = try await EventSourceMapping("m", from: bench.stream, configuration: settings) {
            Counting(shard: $0)
        }
        try await mapping.run(until: .caughtUp)
        #expect(mapping.statistics.delivered == 60)
        #expect(mapping.statistics.errors == 0)
    }
}

struct StatisticsTests {
    @Test func `statistics are said in a line, what did not happen is left out`() {
        var statistics = MappingStatistics()
        statistics.delivered = 9
        statistics.invocations = 4
        #expect("\(statistics)" == "delivered 9, invocations 4, 0 of them failed, given up 0")
        statistics.errors = 2
        statistics.givenUp = 1
        statistics.givenUpByCondition = [.permanentFailure: 1]
        statistics.sentAgain = 3
        #expect(
            "\(statistics)"
                == "delivered 9, invocations 4, 2 of them failed, given up 1 (PermanentFailure 1), sent again 3")
    }
}
