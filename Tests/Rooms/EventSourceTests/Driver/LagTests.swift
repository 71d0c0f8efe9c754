import Metrics
import MetricsTestKit
import ShardlineTesting
import StreamModel
import StreamStorage
import TestTraits
import Testing

@testable import EventSource

/// What a mapping says it is behind, in records and not in numbers.
@Suite(.timeLimit(.minutes(1)), .restingExecutor)
struct LagTests {
    @Test func `the lag is what the store counts, over numbers that no record has and records not yet seen`()
        async throws
    {
        let bench = try await Bench()
        try await bench.put(1...10)
        let metrics = TestMetrics()
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 2
        let gate = Gate()
        let mapping = try await bench.mapping("m", settings, metrics: metrics) { _, _ in await gate.pass() }
        async let run: Void = mapping.run(until: .stopped)
        await gate.arrivals(1)
        // Records 5 to 7 are no more, and more is put while the function has the first two.
        try bench.store.loseRecords(SequenceNumber(5)...SequenceNumber(7), in: "s", shard: ShardID(0))
        try await bench.put(11...13)
        let dimensions = [("stream", "s"), ("mapping", "m")]
        func lags() -> [Double] { (try? metrics.expectRecorder("shardline.CheckpointLag", dimensions).values) ?? [] }
        await bench.advance(by: .seconds(1)) { !lags().isEmpty }
        #expect(Set(lags()) == [10])
        gate.open()
        await bench.rest()
        await bench.advance(by: .seconds(1)) { lags().last == 0 }
        mapping.triggerGracefulShutdown()
        try await run
    }
}
