import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

@testable import EventSource

/// A run until everything is done does not wait for what nobody asked for; the clock stands still in all of this.
@Suite("A run until all is done", .timeLimit(.minutes(1)))
struct CaughtUpRunTests {
    private var settings: EventSourceMapping.Configuration {
        var settings = EventSourceMapping.Configuration()
        settings.batchWindow = .seconds(300)
        settings.batchSize = 4
        return settings
    }

    @Test func `no shard waits for its window (ESM-B10)`() async throws {
        let bench = try await Bench(shards: 3)
        try await bench.put(1...40, keys: 12)
        let begun = bench.time.monotonicTime
        let mapping = try await bench.mapping("m", settings)
        try await mapping.run(until: .caughtUp)
        #expect(bench.time.monotonicTime == begun)
        let texts: [String] = bench.calls.texts.flatMap { $0 }
        let expected: [String] = (1...40).map { "\($0)" }
        #expect(Set(texts) == Set(expected))
        #expect(mapping.statistics.delivered == 40)
        let batches = mapping.statistics.batches
        #expect(Set(batches.keys).isSubset(of: [.size, .caughtUp]))
        #expect(batches[.caughtUp, default: 0] <= 3)
    }

    @Test func `children of a split do not wait, and neither do their parents (ESM-H1)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...6)
        let seal = Seal(stream: "s", parents: [ShardID(0)], children: HashKeyRange.even(2))
        _ = try await bench.store.commit([.seal(seal)])
        try await bench.put(7...20, keys: 7)
        let begun = bench.time.monotonicTime
        let mapping = try await bench.mapping("m", settings)
        try await mapping.run(until: .caughtUp)
        #expect(bench.time.monotonicTime == begun)
        #expect(mapping.statistics.delivered == 20)
        let texts: [String] = bench.calls.texts.flatMap { $0 }
        #expect(Array(texts.prefix(6)) == ["1", "2", "3", "4", "5", "6"])
    }

    @Test func `what the function itself puts is left to the next run, which does not wait for it either`() async throws
    {
        let bench = try await Bench()
        try await bench.put(1...3)
        let stream = bench.stream
        let feed: EventFunction = { batch, _ in
            try await stream.put(contentsOf: batch.map { NewRecord("again", partitionKey: $0.partitionKey) })
        }
        var settings = settings
        for window in [Duration.zero, .seconds(300)] {
            settings.batchWindow = window
            let mapping = try await bench.mapping("m\(window.components.seconds)", settings, function: feed)
            let there = try await bench.store.describeStream("s").shards[0].tip
            try await mapping.run(until: .caughtUp)
            #expect(mapping.statistics.delivered == Int(there.rawValue))
        }
    }

    @Test func `a shard that failed goes through its pauses only`() async throws {
        let bench = try await Bench()
        try await bench.put(1...3)
        let mapping = try await bench.mapping("m", settings) { batch, context in
            if batch.count == 1, batch[0].sequenceNumber.rawValue == 2, context.attempt == 1 { throw MalformedRecord() }
            if batch.count > 1, batch.contains(where: { $0.sequenceNumber.rawValue == 2 }) { throw MalformedRecord() }
        }
        let begun = bench.time.monotonicTime
        async let run: Void = mapping.run(until: .caughtUp)
        await bench.advanceThroughPauses { if case .stopped = $0 { true } else { false } }
        try await run
        #expect(bench.time.monotonicTime - begun <= .milliseconds(550))
        #expect(mapping.statistics.delivered == 3)
    }

    @Test func `a destination that is slow is waited for, the window is not (ESM-D9)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...2)
        var settings = settings
        settings.maximumRetryAttempts = 0
        let mapping = try await bench.mapping("m", settings) { batch, _ in
            throw PermanentFailure(batch[0], because: MalformedRecord())
        }
        try await mapping.run(until: .caughtUp)
        #expect(mapping.statistics.deliveredToDestination == 2)
    }
}
