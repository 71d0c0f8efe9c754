import ShardlineTesting
import StreamModel
import StreamStorage
import TestTraits
import Testing

@testable import EventSource

@Suite("The breaker of a mapping", .timeLimit(.minutes(2)), .restingExecutor)
struct BreakerTests {
    private func at(_ seconds: Double) -> MonotonicTime { MonotonicTime(sinceOrigin: .seconds(seconds)) }

    @Test func `ESM-N4 the share is of the last minute, and of twenty records at least`() {
        let breaker = Breaker()
        #expect(breaker.note(succeeded: 0, exhausted: 19, percent: 20, at: at(0)) == nil)
        #expect(
            breaker.note(succeeded: 0, exhausted: 1, percent: 20, at: at(1))
                == Breaker.Trip(exhausted: 20, ended: 20, percent: 20))
        // It trips once.
        #expect(breaker.note(succeeded: 0, exhausted: 50, percent: 20, at: at(2)) == nil)
        breaker.reset()
        #expect(breaker.note(succeeded: 80, exhausted: 20, percent: 20, at: at(3)) == nil)
        #expect(breaker.note(succeeded: 0, exhausted: 1, percent: 20, at: at(62)) != nil)
        breaker.reset()
        #expect(breaker.note(succeeded: 0, exhausted: 19, percent: 1, at: at(100)) == nil)
        // A minute later nothing of that counts.
        #expect(breaker.note(succeeded: 0, exhausted: 1, percent: 1, at: at(160)) == nil)
        #expect(breaker.note(succeeded: 18, exhausted: 1, percent: 1, at: at(219)) != nil)
    }

    @Test(arguments: [EventSourceMapping.Configuration.WhenExhausted.giveUp, .parkKey])
    func `ESM-N4 a mapping whose records can't be processed is disabled with the reason, until it is enabled`(
        choice: EventSourceMapping.Configuration.WhenExhausted
    ) async throws {
        let bench = try await Bench()
        try await bench.put(1...500, keys: 100)
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        settings.batchSize = 10
        settings.breaker = 50
        settings.whenExhausted = choice
        let mapping = try await bench.mapping("m", settings) { _, _ in throw MalformedRecord() }
        async let run: Void = mapping.run(until: .stopped)
        await bench.rest()
        bench.time.advance(by: .seconds(2))
        await bench.rest()
        let described = try await bench.store.describeMapping(MappingID(stream: "s", name: "m"))
        #expect(described.state == .disabled && described.lastAction?.actor == "breaker")
        #expect(described.lastAction?.reason.contains("could not be processed, within a minute") == true)
        let given = mapping.statistics.givenUp + mapping.statistics.parked
        #expect(given >= 20 && given < 200)
        try await mapping.enable()
        await bench.rest()
        bench.time.advance(by: .seconds(2))
        await bench.rest()
        // What was before does not count.
        #expect(mapping.statistics.givenUp + mapping.statistics.parked > given)
        mapping.triggerGracefulShutdown()
        try await run
    }

    @Test func `ESM-N4 the percentage is checked`() {
        var settings = EventSourceMapping.Configuration()
        for wrong in [0, 100, -1] {
            settings.breaker = wrong
            #expect(throws: ShardlineError.self) { try settings.validate() }
        }
        settings.breaker = 20
        #expect(throws: Never.self) { try settings.validate() }
        #expect((try? EventSourceMapping.Configuration(json: settings.json))?.breaker == 20)
        #expect((try? EventSourceMapping.Configuration(json: Array(#"{"breaker":-1}"#.utf8)))?.breaker == nil)
    }

    @Test func `ESM-N4 a run until all is done ends with an error`() async throws {
        let bench = try await Bench()
        try await bench.put(1...500, keys: 100)
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        settings.breaker = 50
        let mapping = try await bench.mapping("m", settings) { _, _ in throw MalformedRecord() }
        await #expect { try await mapping.run(until: .caughtUp) } throws: { ($0 as? ShardlineError)?.code == .paused }
    }
}
