import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import EventSource

/// Mappings that share a limit, and a redrive under its mapping's own (ESM-K7), on a store in memory.
@Suite(.timeLimit(.minutes(1)), .restingExecutor) struct ConcurrencyLimitTests {
    /// Which mapping was called, in order, and how many calls ran at once.
    private final class Course: Sendable {
        private struct State {
            var calls = ""
            var running = 0
            var widest = 0
        }
        private let state = Mutex(State())

        /// A call that ends when all other tasks wait.
        func call(_ name: Character, _ bench: Bench) async {
            state.withLock { state in
                state.calls.append(name)
                state.running += 1
                state.widest = max(state.widest, state.running)
            }
            await bench.rest()
            state.withLock { $0.running -= 1 }
        }

        var calls: String { state.withLock { $0.calls } }
        var widest: Int { state.withLock { $0.widest } }
    }

    @Test func `a mapping with many shards leaves another one its turns (ESM-K7)`() async throws {
        let (bench, course) = (try await Bench(shards: 8), Course())
        try await bench.store.createStream("t", shards: 1)
        try await bench.put(1...80, keys: 80)
        let other = bench.store.stream("t")
        try await other.put(contentsOf: (0..<10).map { NewRecord("\($0)", partitionKey: "k") })
        let limit = try ConcurrencyLimit(1)
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 1
        settings.maximumUncheckpointedBatches = 1
        let large = try await EventSourceMapping(
            "large", from: bench.stream, configuration: settings, concurrencyLimit: limit
        ) { _, _ in await course.call("L", bench) }
        let small = try await EventSourceMapping(
            "small", from: other, configuration: settings, concurrencyLimit: limit
        ) { _, _ in await course.call("s", bench) }
        async let one: Void = large.run(until: .caughtUp)
        async let two: Void = small.run(until: .caughtUp)
        _ = try await (one, two)
        #expect(course.widest == 1)
        #expect(large.statistics.delivered == 80 && small.statistics.delivered == 10)
        let calls = course.calls
        let first = try #require(calls.firstIndex(of: "s")), last = try #require(calls.lastIndex(of: "s"))
        // Nearly every second call is the small one's: asking in the order of the shards would make it every ninth.
        #expect(calls[first...last].count { $0 == "L" } <= 12, "\(calls)")
    }

    @Test func `two mappings together never exceed their limit, and use it (ESM-K7)`() async throws {
        let (bench, course) = (try await Bench(shards: 4), Course())
        try await bench.put(1...40, keys: 40)
        let limit = try ConcurrencyLimit(3)
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 2
        let mappings = try await [
            EventSourceMapping("a", from: bench.stream, configuration: settings, concurrencyLimit: limit) { _, _ in
                await course.call("a", bench)
            },
            EventSourceMapping(
                "b", from: bench.stream, configuration: settings, concurrencyLimit: limit,
                makeFunction: { _ in Function(course: course, bench: bench) }),
        ]
        try await withThrowingTaskGroup { group in
            for mapping in mappings { group.addTask { try await mapping.run(until: .caughtUp) } }
            try await group.waitForAll()
        }
        #expect(mappings.map(\.statistics.delivered) == [40, 40])
        #expect(course.widest == 3)
    }

    private struct Function: BatchFunction {
        let course: Course
        let bench: Bench
        mutating func handle(_ batch: RecordBatch, context: InvocationContext) async { await course.call("b", bench) }
    }

    @Test func `redriven records are invoked under the limit of their mapping (ESM-K7, ESM-N2)`() async throws {
        let (bench, course) = (try await Bench(shards: 2), Course())
        var settings = EventSourceMapping.Configuration()
        settings.whenExhausted = .parkKey
        settings.maximumRetryAttempts = 0
        settings.batchSize = 1
        settings.concurrency = 1
        try await bench.put(1...40, keys: 8)
        let failing = try await bench.mapping("m", settings) { batch, _ in
            if batch[0].partitionKey == "k3" { throw MalformedRecord("down") }
        }
        try await failing.run(until: .caughtUp)
        #expect(failing.statistics.parked == 5)
        #expect(try await bench.stream.mapping("m").release() == 1)
        try await bench.put(41...80, keys: 8)
        let mended = try await bench.mapping("m", settings) { _, context in
            await course.call(context.isRedrive ? "R" : "L", bench)
        }
        try await mended.run(until: .caughtUp)
        #expect(try await bench.stream.mapping("m").parkedKeys().isEmpty)
        #expect(course.calls.count { $0 == "R" } >= 5)
        #expect(course.calls.count { $0 == "L" } >= 35)
        #expect(course.widest == 1)
    }
}
