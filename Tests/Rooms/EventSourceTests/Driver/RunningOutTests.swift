import Logging
import MetricsTestKit
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestTraits
import Testing

@testable import EventSource

/// What a mapping does, and what an operator sees, when something never ends: in virtual time.
@Suite("A mapping that runs out of time", .timeLimit(.minutes(2)), .restingExecutor)
struct RunningOutTests {
    /// Keeps what is logged from notices on.
    private struct Log: LogHandler {
        final class Lines: Sendable {
            let all = Mutex<[String]>([])
            var lines: [String] { all.withLock { $0 } }
        }
        let kept = Lines()
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.notice
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) { kept.all.withLock { $0.append("\(event.message)") } }
    }

    /// A destination that takes nothing before its gate is open, and does not say no either.
    private struct Silent: FailureDestination {
        let gate: Gate
        func deliver(_ document: FailureDocument) async throws { await gate.pass() }
    }

    @Test func `a destination that never answers holds its shard alone, in one line that comes ever more rarely`()
        async throws
    {
        let bench = try await Bench(shards: 2)
        let ranges = HashKeyRange.even(2)
        try await bench.stream.put(contentsOf: [
            NewRecord("bad", partitionKey: "k", explicitHashKey: ranges[0].first),
            NewRecord("behind it", partitionKey: "k", explicitHashKey: ranges[0].first),
        ])
        let gate = Gate()
        let (log, metrics) = (Log(), TestMetrics())
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 1
        let mapping = try await bench.mapping(
            "m", settings, destination: Silent(gate: gate), metrics: metrics, logger: Logger(label: "test") { _ in log }
        ) { batch, _ in
            if Array(batch[0].bytes) == Array("bad".utf8) {
                throw PermanentFailure(batch[0], because: MalformedRecord("bad"))
            }
        }
        async let run: Void = mapping.run(until: .stopped)
        await gate.arrivals(1)
        // Ten minutes.
        for second in 1...600 {
            bench.time.advance(by: .seconds(1))
            await bench.rest()
            if second % 100 == 0 {
                try await bench.stream.put(
                    contentsOf: [NewRecord("other", partitionKey: "k", explicitHashKey: ranges[1].first)])
            }
        }
        await bench.rest()
        #expect(bench.calls.texts == [["bad"]] + Array(repeating: ["other"], count: 6))
        let told = log.kept.lines.filter { $0.contains("has been on one unit for") }
        #expect((1...6).contains(told.count), "\(told)")
        for line in told {
            #expect(line.hasPrefix("shardId-000000000000 has been on one unit for "))
            #expect(line.contains(", key 'k', the oldest record is "), "\(line)")
            // The other shard counts too where its function was slow to run.
            let line = line.replacing(", the longest of 2 shards", with: "")
            #expect(
                line.hasSuffix(" old), waiting for the failure destination; last error: the record is malformed: bad"),
                "\(line)")
        }
        let blocked = try metrics.expectRecorder("shardline.LaneBlockedSeconds", Self.dimensions).values
        #expect(blocked.contains { $0 > 60 } && blocked.allSatisfy { (10...600).contains($0) })
        #expect(try await bench.checkpoint() == 0)
        gate.open()
        await bench.rest()
        #expect(bench.calls.texts.last == ["behind it"])
        mapping.triggerGracefulShutdown()
        try await run
        #expect(try await bench.checkpoint() == 2)
    }

    @Test func `thousands of shards that fail at once are a few lines, and all of them are done in the end`()
        async throws
    {
        let count = 3_000
        let bench = try await Bench(shards: count)
        try await bench.stream.put(
            contentsOf: HashKeyRange.even(count).map {
                NewRecord("x", partitionKey: "k", explicitHashKey: $0.first)
            })
        let (log, metrics) = (Log(), TestMetrics())
        let isWell = Mutex(false)
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = nil
        let mapping = try await bench.mapping(
            "m", settings, metrics: metrics, logger: Logger(label: "test") { _ in log }
        ) { _, _ in if !isWell.withLock({ $0 }) { throw MalformedRecord("all") } }
        async let run: Void = mapping.run(until: .caughtUp)
        await bench.rest()
        let seconds = 6
        for _ in 0..<seconds {
            bench.time.advance(by: .seconds(1))
            await bench.rest()
        }
        let calls = bench.calls.all.count
        // Of each second some lines and a sum, and one for all shards that do not get on.
        #expect(log.kept.lines.count <= (seconds + 1) * (LogThrottle.limit + 1) + 2, "\(log.kept.lines.count)")
        #expect(
            log.kept.lines.contains {
                $0.hasPrefix("… and ") && $0.hasSuffix(" more failed calls of the function in the last second")
            })
        isWell.withLock { $0 = true }
        await bench.advance(by: .seconds(10)) { mapping.statistics.delivered == count }
        try await run
        #expect(bench.calls.all.count >= calls)
        #expect(try metrics.expectCounter("shardline.Errors", Self.dimensions).values.reduce(0, +) >= Int64(count))
    }

    @Test func `shards that do not get on are one line, at first and whenever it is twice as bad`() {
        func blocked(_ count: Int, _ seconds: Int, _ phase: MappingShardState.Phase) -> [StalledShardLog.Blocked] {
            (0..<count).map { index in
                var state = MappingShardState(
                    shard: ShardID(UInt32(index)), phase: phase, checkpoint: .zero, tip: SequenceNumber(1))
                state.attempts = 3
                state.lastError = "boom"
                state.unit = .init(partitionKey: "k", sequenceNumber: Self.number, recordCount: 2)
                return .init(state: state, time: .seconds(index == 0 ? seconds : 10), age: .seconds(3720))
            }
        }
        var log = StalledShardLog()
        let told = stride(from: 10, through: 600, by: 10).compactMap { log.line(blocked: blocked(1, $0, .delivering)) }
        #expect(
            told
                == ["10s", "20s", "40s", "1m 20s", "2m 40s", "5m 20s"].map {
                    .init(
                        level: .warning,
                        text:
                            "shardId-000000000000 has been on one unit for \($0) (a batch of 2 from \(Self.number), key 'k', the oldest record is 1h 2m old), waiting for the failure destination; last error: boom"
                    )
                })
        // Many more of them are news; that they fail is told by their failures.
        #expect(
            log.line(blocked: blocked(10_000, 610, .retrying))
                == .init(
                    level: .notice,
                    text:
                        "shardId-000000000000 has been on one unit for 10m 10s (a batch of 2 from \(Self.number), key 'k', the oldest record is 1h 2m old), the longest of 10000 shards, trying again after 3 failed tries; last error: boom"
                ))
        #expect(log.line(blocked: blocked(10_000, 620, .retrying)) == nil)
        #expect(log.line(blocked: []) == nil)
        #expect(log.line(blocked: blocked(1, 10, .invoking)) != nil)
    }

    @Test func `a function that is slower than what is put is told of when records get old, and at each doubling`() {
        var log = StalledShardLog()
        var told: [String] = []
        // Looked at every ten seconds for a day, in which the oldest record gets 8 seconds older each time.
        for look in 0..<8640 {
            if let line = log.line(age: .seconds(8 * look), lag: look) { told.append(line.text) }
        }
        #expect(told.count == 11, "\(told)")
        #expect(
            told.first
                == "the function is slower than what is put: 8 records are not done, the oldest at hand is 1m 4s old and gets older"
        )
        // An old backlog that is worked off is none of it.
        var other = StalledShardLog()
        let lines = (0..<100).compactMap { other.line(age: .seconds(100_000 - 1000 * $0), lag: 1000) }
        #expect(lines.isEmpty, "\(lines)")
    }

    @Test func `a clock that goes back an hour changes no window, no pause and no age below 0`() async throws {
        let bench = try await Bench()
        let (log, metrics) = (Log(), TestMetrics())
        var settings = EventSourceMapping.Configuration()
        settings.batchWindow = .seconds(2)
        let mapping = try await bench.mapping(
            "m", settings, metrics: metrics, logger: Logger(label: "test") { _ in log })
        async let run: Void = mapping.run(until: .stopped)
        await bench.rest()
        let (noon, begun) = (bench.time.wallTime, bench.time.monotonicTime)
        try await bench.put(1...1)
        bench.time.setWallTime(noon - .seconds(3600))
        await bench.advance(by: .milliseconds(100)) { !bench.calls.texts.isEmpty }
        let waited = bench.time.monotonicTime - begun
        await bench.rest()
        #expect(waited >= .seconds(2) && waited < .seconds(60), "\(waited)")
        let ages = try metrics.expectRecorder("shardline.IteratorAge", Self.dimensions).values
        #expect(ages == [0])
        mapping.triggerGracefulShutdown()
        try await run
    }

    private static let number = KinesisSequenceNumber(
        shard: ShardID(0), shardCreationSecond: 1, sequenceNumber: SequenceNumber(1), arrivalSecond: 2)
    private static let dimensions = [("stream", "s"), ("mapping", "m")]
}
