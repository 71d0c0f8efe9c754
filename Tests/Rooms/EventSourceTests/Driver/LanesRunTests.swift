import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import Testing
import TestSupport
import TestTraits

@testable import EventSource

/// Mappings with several lanes in a shard, as they run (section K).
@Suite(.timeLimit(.minutes(1)), .restingExecutor) struct LanesRunTests {
    private static func settings(_ factor: Int) -> EventSourceMapping.Configuration {
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 2
        settings.parallelizationFactor = factor
        settings.maximumRetryAttempts = 1
        return settings
    }

    /// How many calls of a function run at once, and which keys they have.
    private final class Calls: Sendable {
        struct State {
            var running: Set<String> = []
            var now = 0
            var most = 0
            var overlaps: [String] = []
            var order: [String: [String]] = [:]
        }
        let state = Mutex(State())

        func begin(_ batch: RecordBatch) {
            state.withLock { state in
                let keys = Set(batch.map(\.partitionKey))
                state.overlaps += keys.intersection(state.running)
                state.running.formUnion(keys)
                state.now += 1
                state.most = max(state.most, state.now)
            }
        }

        func end(_ batch: RecordBatch) {
            state.withLock { state in
                state.now -= 1
                state.running.subtract(batch.map(\.partitionKey))
                for record in batch {
                    state.order[record.partitionKey, default: []].append(String(decoding: record.bytes, as: UTF8.self))
                }
            }
        }
    }

    @Test func `ESM-K1 ESM-K2 batches of one shard run at once, and each key keeps its order`() async throws {
        let bench = try await Bench()
        try await bench.put(1...60, keys: 12)
        let calls = Calls()
        let mapping = try await bench.mapping("m", Self.settings(4)) { batch, _ in
            calls.begin(batch)
            try await bench.time.sleep(until: bench.time.monotonicTime + .seconds(1))
            calls.end(batch)
        }
        async let run: Void = mapping.run(until: .caughtUp)
        await bench.advance(by: .seconds(1)) { mapping.statistics.delivered == 60 }
        try await run
        let state = calls.state.withLock { $0 }
        #expect(state.most == 4 && state.overlaps.isEmpty)
        for key in 0..<12 {
            #expect(state.order["k\(key)"] == (1...60).filter { $0 % 12 == key }.map { "\($0)" })
        }
        #expect(try await bench.checkpoint() == 60)
    }

    @Test func `ESM-K3 ESM-X1 a bad record costs its own lane, and is given up alone`() async throws {
        let bench = try await Bench()
        try await bench.put(1...40, keys: 10)
        let mapping = try await bench.mapping("m", Self.settings(10)) { batch, _ in
            if let bad = batch.first(where: { String(decoding: $0.bytes, as: UTF8.self) == "7" }) {
                throw BatchFailure(from: bad, because: "bad")
            }
        }
        async let run: Void = mapping.run(until: .caughtUp)
        await bench.advanceThroughPauses { if case .handedOver = $0 { true } else { false } }
        try await run
        #expect(mapping.statistics.delivered == 39 && mapping.statistics.givenUp == 1)
        #expect(try await bench.texts(in: "s.m.failed").count == 1)
        #expect(try await bench.checkpoint() == 40)
    }

    @Test func `ESM-K5 a mapping that runs again with another factor delivers nothing twice`() async throws {
        let bench = try await Bench()
        let seen = Mutex<[String: Int]>([:])
        for (round, factor) in [1, 3, 10, 2].enumerated() {
            try await bench.put(round * 20 + 1...round * 20 + 20, keys: 9)
            let mapping = try await bench.mapping("m", Self.settings(factor)) { batch, _ in
                seen.withLock { seen in
                    for record in batch { seen[String(decoding: record.bytes, as: UTF8.self), default: 0] += 1 }
                }
            }
            try await mapping.run(until: .caughtUp)
        }
        #expect(seen.withLock { $0.count == 80 && $0.values.allSatisfy { $0 == 1 } })
    }

    @Test func `ESM-R17 each lane has a function with state of its own`() async throws {
        struct Counting: BatchFunction {
            let made: Int
            let counts: CountsByFunction
            func handle(_ batch: RecordBatch, context: InvocationContext) async throws {
                counts.state.withLock { counts in
                    for record in batch { counts[record.partitionKey, default: []].insert(made) }
                }
            }
        }
        final class CountsByFunction: Sendable { let state = Mutex<[String: Set<Int>]>([:]) }
        let bench = try await Bench()
        try await bench.put(1...50, keys: 10)
        let counts = CountsByFunction()
        let made = Mutex(0)
        let mapping = try await EventSourceMapping("m", from: bench.stream, configuration: Self.settings(5)) { _ in
            Counting(
                made: made.withLock {
                    $0 += 1; return $0
                }, counts: counts)
        }
        try await mapping.run(until: .caughtUp)
        #expect(made.withLock { $0 } == 5)
        #expect(counts.state.withLock { $0.count == 10 && $0.values.allSatisfy { $0.count == 1 } })
    }
}
