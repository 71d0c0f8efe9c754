import Logging
import MetricsTestKit
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestSupport
import Testing

@testable import SegmentStorage

/// STORE-C3: a system's clock that jumps.
struct ClockTests {
    private struct Log: LogHandler {
        final class Lines: Sendable { let all = Mutex<[String]>([]) }
        let kept = Lines()
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.notice
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) { kept.all.withLock { $0.append("\(event.level) \(event.message)") } }
    }

    private static let hour = Duration.seconds(3600)
    private static let noon = Timestamp(milliseconds: 1_700_000_000_000)

    @Test func `a clock that goes back an hour and forward again leaves the order of arrivals`() async throws {
        let test = try await TestStore.open()
        try await test.store.createStream("s", settings: StreamSettings())
        test.time.setWallTime(Self.noon)
        try await test.put("a")
        test.time.setWallTime(Self.noon - Self.hour)
        try await test.put("b")
        test.time.setWallTime(Self.noon + .seconds(5))
        try await test.put("c")
        let records = try await test.store.read(ReadRequest(stream: "s", shard: ShardID(0), after: .zero)).batch
        #expect(
            records.map(\.approximateArrivalTimestamp) == [Self.noon, Self.noon, Self.noon + .seconds(5)])
        // A shard that nothing was written to meanwhile knows nothing of it.
        try await test.store.createStream("t", settings: StreamSettings())
        let other = try await test.store.stream("t").put("x", partitionKey: "k")
        #expect(other.approximateArrivalTimestamp == Self.noon + .seconds(5))
        try await test.store.close()
    }

    @Test func `it is told once, and shown as long as it lasts`() throws {
        let (log, metrics) = (Log(), TestMetrics())
        var watch = ClockWatch(newest: Self.noon, logger: Logger(label: "test") { _ in log }, metrics: metrics)
        // What a clock is set by now and then is no news.
        watch.look(at: Self.noon - .milliseconds(900))
        #expect(log.kept.all.withLock { $0.isEmpty })
        for second in 0..<5 { watch.look(at: Self.noon - Self.hour + .seconds(second)) }
        for _ in 0..<5 { watch.look(at: Self.noon - Self.hour + .milliseconds(4_500)) }
        watch.look(at: Self.noon + .seconds(1))
        watch.look(at: Self.noon + .seconds(2))
        #expect(
            log.kept.all.withLock { $0 } == [
                "warning the system's clock went back by 3600.0 s: until it is there again, records arrive at the time of the newest one in their shard, and what is too old is deleted that much later",
                "notice the system's clock is where it was before it went back",
            ])
        #expect(
            try metrics.expectGauge("shardline.ClockBehindSeconds").values
                == [3600, 3599, 3598, 3597, 3596, 0])
    }

    @Test func `retention deletes later, and never what is too young, when the clock goes back`() async throws {
        let test = try await TestStore.open()
        try await test.store.createStream("s", settings: StreamSettings(shards: 1, retention: .seconds(7200)))
        test.time.setWallTime(Self.noon)
        try await test.put("a")
        test.time.setWallTime(Self.noon - Self.hour)
        try await test.put("b")
        test.time.setWallTime(Self.noon + .seconds(7199))
        #expect(try await test.texts() == ["a", "b"])
        test.time.setWallTime(Self.noon + .seconds(7200))
        #expect(try await test.texts() == [])
        // What was gone stays gone, though the clock says that it is young.
        test.time.setWallTime(Self.noon)
        #expect(try await test.texts() == [])
        try await test.store.close()
    }
}
