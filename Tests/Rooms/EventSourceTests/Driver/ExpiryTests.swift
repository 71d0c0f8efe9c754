import ShardlineTesting
import StreamModel
import StreamStorage
import TestTraits
import Testing

@testable import EventSource

/// Retention ends a unit in memory too, and tells what it has taken with a closed shard (ESM-A5, ESM-A11, ESM-G4).
@Suite("A mapping whose records expire", .timeLimit(.minutes(1)), .restingExecutor)
struct ExpiryTests {
    private struct Boom: Error {}

    private static func settings(_ change: (inout EventSourceMapping.Configuration) -> Void = { _ in })
        -> EventSourceMapping.Configuration
    {
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = nil
        settings.bisectOnError = false
        change(&settings)
        return settings
    }

    /// The conditions and ranges of the documents in the mapping's dead-letter stream.
    private static func documents(_ bench: Bench) async throws -> [String] {
        try await bench.texts(in: "s.m.failed").map { text in
            let json = try #require(JSONValue(Array(text.utf8)))
            let document = json["document"] ?? json
            func number(_ name: String) -> String {
                guard case .string(let text)? = document["KinesisBatchInfo"]?[name] else { return "?" }
                return KinesisSequenceNumber(text).map { "\($0.sequenceNumber)" } ?? "?"
            }
            guard case .string(let condition)? = document["requestContext"]?["condition"] else { return "?" }
            return "\(condition) \(number("startSequenceNumber"))-\(number("endSequenceNumber"))"
        }
    }

    /// Moves the clock until `done`, not faster than what waits for it follows; gives up when that is of no use.
    private func step(
        _ bench: Bench, by step: Duration, sourceLocation: SourceLocation = #_sourceLocation, until done: () -> Bool
    ) async {
        for _ in 0..<2_000 where !done() {
            bench.time.advance(by: step)
            await bench.rest()
        }
        if !done() { Issue.record("it does not come to that", sourceLocation: sourceLocation) }
    }

    private func run(_ mapping: EventSourceMapping, while body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await mapping.run(until: .stopped) }
            try await body()
            mapping.triggerGracefulShutdown()
            try await group.waitForAll()
        }
    }

    @Test func `ESM-A5 a unit that is tried without end ends with its retention, and the lane goes on`() async throws {
        let bench = try await Bench()
        try await bench.store.updateStream("s", retention: .seconds(60))
        try await bench.put(1...2)
        let mapping = try await bench.mapping("m", Self.settings { $0.batchSize = 2 }) { batch, _ in
            if batch.firstSequence == SequenceNumber(1) { throw Boom() }
        }
        try await run(mapping) {
            await step(bench, by: .milliseconds(500)) { mapping.statistics.errors > 3 }
            await step(bench, by: .milliseconds(500)) { mapping.statistics.expired == 2 }
            try await bench.put(3...3)
            await step(bench, by: .milliseconds(1)) { mapping.statistics.delivered == 1 }
        }
        #expect(mapping.statistics.expired == 2)
        #expect(mapping.statistics.givenUpByCondition[.recordsExpired] == 2)
        #expect(bench.calls.texts.last == ["3"])
        #expect(try await Self.documents(bench).allSatisfy { $0.hasPrefix("RecordsExpired 1-2") })
        #expect(try await bench.checkpoint() == 3)
    }

    @Test func `ESM-A11 a unit that expires while it waits for its turn is not sent`() async throws {
        let bench = try await Bench(shards: 2)
        try await bench.store.updateStream("s", retention: .seconds(5))
        let ranges = HashKeyRange.even(2)
        for range in ranges {
            try await bench.stream.put("x", partitionKey: "k", explicitHashKey: range.first)
        }
        let gate = Gate()
        let mapping = try await bench.mapping("m", Self.settings { $0.concurrency = 1 }) { _, _ in await gate.pass() }
        try await run(mapping) {
            await gate.arrivals(1)
            await step(bench, by: .seconds(1)) { bench.time.monotonicTime.sinceOrigin > .seconds(20) }
            gate.open()
            await step(bench, by: .milliseconds(1)) { mapping.statistics.expired == 1 }
        }
        #expect(bench.calls.all.count == 1)
        #expect(mapping.statistics.delivered == 1 && mapping.statistics.invocations == 1)
    }

    @Test func `ESM-A5 a batch that waits for its window ends with its retention`() async throws {
        let bench = try await Bench()
        try await bench.store.updateStream("s", retention: .seconds(30))
        try await bench.put(1...2)
        let mapping = try await bench.mapping("m", Self.settings { $0.batchWindow = .seconds(300) })
        try await run(mapping) {
            await step(bench, by: .seconds(1)) { mapping.statistics.expired == 2 }
            #expect(bench.time.monotonicTime.sinceOrigin < .seconds(300))
        }
        #expect(bench.calls.all.isEmpty)
        let documents = try await Self.documents(bench)
        #expect(!documents.isEmpty && documents.allSatisfy { $0 == "RecordsExpired 1-2" }, "\(documents)")
    }

    @Test func `an invocation that is under way is not cancelled, and its result counts`() async throws {
        let bench = try await Bench()
        try await bench.store.updateStream("s", retention: .seconds(5))
        try await bench.put(1...1)
        let gate = Gate()
        let mapping = try await bench.mapping("m", Self.settings()) { _, _ in await gate.pass() }
        try await run(mapping) {
            await gate.arrivals(1)
            await step(bench, by: .seconds(1)) { bench.time.monotonicTime.sinceOrigin > .seconds(20) }
            gate.open()
            await step(bench, by: .milliseconds(1)) { mapping.statistics.delivered == 1 }
        }
        #expect(mapping.statistics.delivered == 1 && mapping.statistics.expired == 0)
    }

    @Test func `a retention that is shortened under a stuck mapping ends its unit`() async throws {
        let bench = try await Bench()
        try await bench.put(1...1)
        let mapping = try await bench.mapping("m", Self.settings()) { _, _ in throw Boom() }
        try await run(mapping) {
            await step(bench, by: .seconds(1)) { bench.time.monotonicTime.sinceOrigin > .seconds(100) }
            #expect(mapping.statistics.expired == 0)
            try await bench.store.updateStream("s", retention: .seconds(10))
            await step(bench, by: .milliseconds(500)) { mapping.statistics.expired == 1 }
        }
        #expect(bench.time.monotonicTime.sinceOrigin < .seconds(300))
    }

    /// Splits shard 0 and puts records 4 to 6 into its children.
    private static func split(_ bench: Bench) async throws {
        let seal = Seal(stream: "s", parents: [ShardID(0)], children: HashKeyRange.even(2))
        _ = try await bench.store.commit([.seal(seal)])
        bench.time.advance(by: .seconds(2))
    }

    @Test func `ESM-H1 a running mapping whose parent shard is removed tells it, then its children come`()
        async throws
    {
        let bench = try await Bench()
        try await bench.store.updateStream("s", retention: .seconds(60))
        try await bench.put(1...3)
        try await Self.split(bench)
        let mapping = try await bench.mapping("m", Self.settings { $0.batchSize = 2 }) { batch, context in
            if context.shard == ShardID(0) { throw Boom() }
        }
        try await run(mapping) {
            await step(bench, by: .seconds(1)) { bench.time.monotonicTime.sinceOrigin > .seconds(50) }
            try await bench.put(4...9, keys: 6)
            #expect(bench.calls.all.allSatisfy { $0.shard == ShardID(0) })
            await step(bench, by: .seconds(1)) { mapping.statistics.expired == 3 }
            await step(bench, by: .milliseconds(1)) { mapping.statistics.delivered == 6 }
        }
        #expect(mapping.statistics.expired == 3)
        bench.time.advance(by: .seconds(1))
        let description = try await bench.store.describeMapping(MappingID(stream: "s", name: "m"))
        #expect(description.expiredShards.isEmpty)
        #expect(try await bench.store.describeStream("s").shards.map(\.id.number) == [1, 2])
    }

    @Test(arguments: [false, true])
    func `ESM-G4 what a stopped mapping had not done of removed shards is told at its next run`(
        untilCaughtUp: Bool
    ) async throws {
        let bench = try await Bench()
        try await bench.store.updateStream("s", retention: .seconds(60))
        try await bench.put(1...3)
        // Made, and stopped before it did anything; so it has not come to the children either.
        _ = try await bench.mapping("m", Self.settings())
        try await Self.split(bench)
        try await bench.put(4...9, keys: 6)
        let firsts = try await bench.store.describeStream("s").shards.dropFirst()
        for child in firsts {
            let range = child.hashKeyRange
            let middle = HashKey(range.first.value + (range.last.value - range.first.value) / 2)
            _ = try await bench.store.commit([
                .seal(
                    Seal(
                        stream: "s", parents: [child.id],
                        children: [
                            HashKeyRange(first: range.first, last: middle),
                            HashKeyRange(first: HashKey(middle.value + 1), last: range.last),
                        ]))
            ])
        }
        bench.time.advance(by: .seconds(120))
        try await bench.put(10...12, keys: 3)
        #expect(try await bench.store.describeStream("s").shards.allSatisfy { $0.closedAt == nil })
        let mapping = try await bench.mapping("m", Self.settings())
        if untilCaughtUp {
            try await mapping.run(until: .caughtUp)
        } else {
            try await run(mapping) { await step(bench, by: .milliseconds(1)) { mapping.statistics.delivered == 3 } }
        }
        #expect(mapping.statistics.delivered == 3)
        #expect(mapping.statistics.expired == 9)
        #expect(Set(bench.calls.texts.flatMap { $0 }) == ["10", "11", "12"])
        let documents = try await Self.documents(bench)
        #expect(documents.count == 1 + firsts.filter { $0.tip > $0.origin }.count, "\(documents)")
        #expect(documents.allSatisfy { $0.hasPrefix("RecordsExpired ") })
        #expect(documents.contains("RecordsExpired 1-3"))
        // Told once.
        let again = try await bench.mapping("m", Self.settings())
        try await again.run(until: .caughtUp)
        #expect(again.statistics.expired == 0 && again.statistics.delivered == 0)
    }

    @Test func `ESM-G4 what expired in a child before the mapping came to it is told`() async throws {
        let bench = try await Bench()
        try await bench.store.updateStream("s", retention: .seconds(60))
        _ = try await bench.mapping("m", Self.settings())
        try await Self.split(bench)
        try await bench.put(1...4, keys: 4)
        bench.time.advance(by: .seconds(100))
        let mapping = try await bench.mapping("m", Self.settings())
        try await mapping.run(until: .caughtUp)
        #expect(mapping.statistics.expired == 4)
    }
}
