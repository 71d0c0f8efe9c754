import MetricsTestKit
import ShardlineTesting
import StreamModel
import StreamStorage
import TestTraits
import Testing

@testable import EventSource

/// Metrics by shard and by lane, and the counters that other processes can read.
@Suite("Metrics by shard", .timeLimit(.minutes(1)), .restingExecutor)
struct ShardMetricsTests {
    private static let mapping = [("stream", "s"), ("mapping", "m")]

    private static func total(_ metrics: TestMetrics, _ name: String, _ more: [(String, String)] = []) -> Int {
        let prefix = more.isEmpty ? "shardline." : "shardline.shard."
        return Int((try? metrics.expectCounter(prefix + name, mapping + more).totalValue) ?? -1)
    }

    private static func values(_ metrics: TestMetrics, _ name: String, _ more: [(String, String)] = []) -> [Double] {
        let prefix = more.isEmpty ? "shardline." : "shardline.shard."
        return (try? metrics.expectRecorder(prefix + name, mapping + more).values) ?? []
    }

    @Test func `with the setting each metric is there for each shard, and they add up (ESM-M1 to ESM-M8)`()
        async throws
    {
        let bench = try await Bench(shards: 3)
        let metrics = TestMetrics()
        let ranges = HashKeyRange.even(3)
        for (shard, count) in [30, 7, 0].enumerated() {
            try await bench.stream.put(
                contentsOf: (0..<count).map {
                    NewRecord("\($0)", partitionKey: "k", explicitHashKey: ranges[shard].first)
                })
        }
        var settings = EventSourceMapping.Configuration()
        settings.shardMetrics = true
        settings.batchSize = 4
        settings.maximumRetryAttempts = 0
        let mapping = try await bench.mapping("m", settings, metrics: metrics) { batch, _ in
            if let bad = batch.first(where: { $0.bytes == [UInt8(ascii: "5")] }) {
                throw PermanentFailure(bad, because: "five")
            }
        }
        try await mapping.run(until: .caughtUp)
        let shards = (0..<3).map { [("shard", ShardID($0).description)] }
        for name in MappingCounts.names {
            let parts = shards.map { Self.total(metrics, name, $0) }
            #expect(parts.allSatisfy { $0 >= 0 }, "\(name)")
            #expect(parts.reduce(0, +) == Self.total(metrics, name), "\(name) \(parts)")
        }
        #expect(shards.map { Self.total(metrics, "PolledEventCount", $0) } == [30, 7, 0])
        #expect(shards.map { Self.total(metrics, "GivenUpEventCount", $0) } == [1, 1, 0])
        #expect(
            shards.map { Self.values(metrics, "IteratorAge", $0).count }.reduce(0, +) == mapping.statistics.invocations)
        for shard in shards {
            for name in ["CheckpointLag", "OldestRecordAge"] {
                #expect(try metrics.expectGauge("shardline.shard." + name, Self.mapping + shard).lastValue == 0)
            }
        }
        // The names are those of the mapping, with another prefix.
        let labels = Set((metrics.counters.map(\.label) + metrics.timers.map(\.label) + metrics.recorders.map(\.label)))
        let names = labels.filter { !$0.hasPrefix("shardline.shard.") }.map { $0.dropFirst("shardline.".count) }
        #expect(Set(names.map { "shardline.shard.\($0)" }) == labels.filter { $0.hasPrefix("shardline.shard.") })
    }

    @Test func `without the setting there is no metric of a shard`() async throws {
        let bench = try await Bench()
        let metrics = TestMetrics()
        try await bench.put(1...5)
        try await bench.mapping("m", metrics: metrics).run(until: .caughtUp)
        let labels = metrics.counters.map(\.label) + metrics.timers.map(\.label) + metrics.recorders.map(\.label)
        #expect(!labels.isEmpty && !labels.contains { $0.hasPrefix("shardline.shard.") })
    }

    @Test func `the records between checkpoint and newest record are told by shard (ESM-M8)`() async throws {
        let bench = try await Bench(shards: 2)
        let metrics = TestMetrics()
        let ranges = HashKeyRange.even(2)
        for (shard, count) in [5, 3].enumerated() {
            try await bench.stream.put(
                contentsOf: (0..<count).map { _ in
                    NewRecord("x", partitionKey: "k", explicitHashKey: ranges[shard].first)
                })
        }
        var settings = EventSourceMapping.Configuration()
        settings.shardMetrics = true
        settings.maximumRetryAttempts = nil
        let mapping = try await bench.mapping("m", settings, metrics: metrics) { batch, _ in
            if batch[0].shard == ShardID(0) { throw MalformedRecord() }
        }
        async let run: Void = mapping.run(until: .stopped)
        await bench.rest()
        func last(_ name: String, _ shard: UInt32) -> Double? {
            let place = Self.mapping + [("shard", ShardID(shard).description)]
            return try? metrics.expectGauge("shardline.shard." + name, place).lastValue
        }
        await bench.advance(by: .seconds(1)) { last("CheckpointLag", 0) == 5 && last("OldestRecordAge", 0) ?? 0 > 0 }
        #expect(last("CheckpointLag", 1) == 0 && last("OldestRecordAge", 1) == 0)
        mapping.triggerGracefulShutdown()
        try await run
    }

    @Test func `ESM-L4 the metrics of each shard are switched on while the mapping runs`() async throws {
        let bench = try await Bench()
        let metrics = TestMetrics()
        let mapping = try await bench.mapping("m", .init(), metrics: metrics) { _, _ in }
        async let run: Void = mapping.run(until: .stopped)
        try await bench.put(1...3)
        await bench.rest()
        let shard = [("shard", ShardID(0).description)]
        try await mapping.update { $0.shardMetrics = true }
        await bench.rest()
        try await bench.put(4...5)
        await bench.rest()
        #expect(Self.total(metrics, "PolledEventCount") == 5 && Self.total(metrics, "PolledEventCount", shard) == 2)
        try await mapping.update { $0.shardMetrics = false }
        await bench.rest()
        try await bench.put(6...6)
        await bench.rest()
        #expect(Self.total(metrics, "PolledEventCount") == 6 && Self.total(metrics, "PolledEventCount", shard) == 2)
        mapping.triggerGracefulShutdown()
        try await run
    }

    @Test func `each lane that is blocked is measured, not only the one furthest behind (ESM-M1, ESM-M8)`()
        async throws
    {
        let bench = try await Bench()
        let metrics = TestMetrics()
        // Keys of different lanes.
        let keys = (0..<3).map { lane in
            (0...).lazy.map { "key \($0)" }.first { ShardCore.lane(ofKey: $0, factor: 3) == lane }!
        }
        var settings = EventSourceMapping.Configuration()
        settings.parallelizationFactor = 3
        settings.shardMetrics = true
        settings.functionTimeout = .seconds(600)
        let (first, second) = (Gate(), Gate())
        let (firstKey, secondKey) = (keys[0], keys[1])
        let mapping = try await bench.mapping("m", settings, metrics: metrics) { batch, _ in
            if batch[0].partitionKey == firstKey { await first.pass() }
            if batch[0].partitionKey == secondKey { await second.pass() }
        }
        try await bench.stream.put(contentsOf: keys.map { NewRecord("x", partitionKey: $0) })
        async let run: Void = mapping.run(until: .stopped)
        await first.arrivals(1)
        await second.arrivals(1)
        func blocked() -> [Double] { Self.values(metrics, "LaneBlockedSeconds") }
        await bench.advance(by: .seconds(1)) { !blocked().isEmpty }
        await bench.rest()
        #expect(blocked().count == 2 && blocked().allSatisfy { $0 >= 10 })
        // Two that run, and one that has ended.
        #expect(Self.values(metrics, "IteratorAge").filter { $0 >= 10_000 }.count == 2)
        first.open()
        await bench.rest()
        await bench.advance(by: .seconds(1)) { blocked().count > 2 }
        #expect(blocked().count == 3 && blocked()[2] >= 20)
        #expect(Self.values(metrics, "LaneBlockedSeconds", [("shard", ShardID(0).description)]) == blocked())
        second.open()
        mapping.triggerGracefulShutdown()
        try await run
    }

    @Test func `reads that bring nothing that a filter keeps are counted (ESM-M2, ESM-M3)`() async throws {
        let bench = try await Bench()
        let metrics = TestMetrics()
        try await bench.put(1...500)
        var settings = EventSourceMapping.Configuration()
        settings.filters = [#"{"partitionKey":["none"]}"#]
        try await bench.mapping("m", settings, metrics: metrics).run(until: .caughtUp)
        #expect(Self.total(metrics, "PolledEventCount") == 500 && Self.total(metrics, "FilteredOutEventCount") == 500)
        #expect(Self.total(metrics, "Invocations") == 0)
    }

    @Test func `the counters of a running mapping can be read from its store (ESM-M9)`() async throws {
        let bench = try await Bench(shards: 2)
        try await bench.put(1...40, keys: 9)
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 1
        let mapping = try await bench.mapping("m", settings) { batch, context in
            if context.attempt == 1 { throw MalformedRecord() }
        }
        async let run: Void = mapping.run(until: .stopped)
        await bench.advance(by: .seconds(1)) { mapping.statistics.delivered == 40 }
        let states = try #require(try await bench.store.mappingStates(mapping.key))
        var sums: [UTF8Key: Int] = [:]
        for state in states { sums.merge(state.counts, uniquingKeysWith: +) }
        let all = mapping.statistics
        #expect(sums["PolledEventCount"] == 40 && sums["SucceededEventCount"] == 40)
        #expect(sums["Invocations"] == all.invocations && sums["Errors"] == all.errors && all.errors > 0)
        #expect(sums["DroppedEventCount"] == nil)
        #expect(Set(sums.keys).isSubset(of: MappingCounts.names.map { UTF8Key($0) }))
        #expect(mapping.shardStates == states)
        mapping.triggerGracefulShutdown()
        try await run
    }
}
