import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestTraits
import Testing

@testable import EventSource

@Suite("Updating, disabling and enabling a mapping that runs", .restingExecutor)
struct ControlRunTests {
    private let key = MappingID(stream: "s", name: "m")

    private func state(_ bench: Bench) async throws -> MappingDescription.State {
        try await bench.store.describeMapping(key).state
    }

    private func settings(batchSize: Int) -> EventSourceMapping.Configuration {
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = batchSize
        return settings
    }

    @Test func `ESM-L1 ESM-L2 ESM-L3 disabling waits for the invocation in flight, and enabling goes on after it`()
        async throws
    {
        let bench = try await Bench()
        try await bench.put(1...3)
        let gate = Gate()
        let mapping = try await bench.mapping("m", settings(batchSize: 1)) { _, _ in await gate.pass() }
        async let run: Void = mapping.run(until: .stopped)
        await gate.arrivals(1)
        #expect(try await state(bench) == .enabled)
        try await mapping.disable(reason: "the database moves", by: "night shift")
        await bench.rest()
        #expect(try await state(bench) == .disabling)
        gate.open()
        await bench.rest()
        // Its result is taken, and nothing else was begun.
        #expect(bench.calls.texts == [["1"]])
        #expect(try await bench.checkpoint() == 1)
        #expect(try await state(bench) == .disabled)
        #expect(mapping.shardStates.map(\.phase) == [.stopped])
        try await bench.put(4...4)
        bench.time.advance(by: .seconds(3600))
        await bench.rest()
        #expect(bench.calls.all.count == 1)
        #expect(try await bench.store.describeMapping(key).isClaimed)
        try await mapping.enable()
        await bench.rest()
        #expect(bench.calls.texts == [["1"], ["2"], ["3"], ["4"]])
        #expect(try await state(bench) == .enabled)
        mapping.triggerGracefulShutdown()
        try await run
        #expect(mapping.statistics.redelivered == 0 && mapping.statistics.settled == mapping.statistics.polled)
        #expect(try await bench.store.mappingHistory(key).map(\.reason) == ["the database moves", ""])
    }

    @Test func `ESM-L2 ESM-A9 a unit that is retried keeps its attempts while the mapping is disabled`() async throws {
        let bench = try await Bench()
        try await bench.put(1...1)
        let mapping = try await bench.mapping { _, context in if context.attempt <= 2 { throw MalformedRecord() } }
        async let run: Void = mapping.run(until: .stopped)
        await bench.rest()
        #expect(bench.calls.all.map(\.attempt) == [1])
        for _ in 0..<3 {
            try await mapping.disable()
            await bench.rest()
            #expect(try await state(bench) == .disabled)
            bench.time.advance(by: .seconds(600))
            await bench.rest()
            try await mapping.enable()
            await bench.rest()
        }
        await bench.advance(by: .milliseconds(100)) { mapping.statistics.delivered == 1 }
        #expect(bench.calls.all.map(\.attempt) == [1, 2, 3])
        mapping.triggerGracefulShutdown()
        try await run
    }

    @Test(arguments: [true, false])
    func `a mapping that is disabled when it is run delivers nothing until it is enabled`(
        isCancelled: Bool
    ) async throws {
        let bench = try await Bench(shards: 2)
        let mapping = try await bench.mapping()
        try await mapping.disable()
        try await bench.put(1...8, keys: 8)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await mapping.run(until: .stopped) }
            await bench.rest()
            bench.time.advance(by: .seconds(5))
            await bench.rest()
            #expect(bench.calls.all.isEmpty && mapping.shardStates.isEmpty)
            // It can be ended meanwhile.
            if isCancelled { group.cancelAll() } else { mapping.triggerGracefulShutdown() }
        }
        #expect(try await state(bench) == .disabled)
        async let run: Void = mapping.run(until: .caughtUp)
        await bench.rest()
        try await mapping.enable()
        try await run
        #expect(bench.calls.texts.flatMap { $0 }.sorted() == (1...8).map(String.init))
    }

    @Test func `a seek and a split do not enable a mapping`() async throws {
        let bench = try await Bench()
        try await bench.put(1...2)
        let mapping = try await bench.mapping()
        async let run: Void = mapping.run(until: .stopped)
        await bench.rest()
        try await mapping.disable()
        await bench.rest()
        try await mapping.seek(to: .trimHorizon)
        try await bench.stream.splitShard(ShardID(0))
        try await bench.put(3...6, keys: 4)
        bench.time.advance(by: .seconds(10))
        await bench.rest()
        #expect(bench.calls.texts == [["1", "2"]])
        #expect(try await state(bench) == .disabled)
        try await mapping.enable()
        await bench.rest()
        #expect(bench.calls.texts.dropFirst().first == ["1", "2"])
        #expect(bench.calls.texts.flatMap { $0 }.sorted() == ["1", "1", "2", "2", "3", "4", "5", "6"])
        mapping.triggerGracefulShutdown()
        try await run
    }

    @Test func `ESM-L4 an update takes effect between two invocations`() async throws {
        let bench = try await Bench()
        try await bench.put(1...6)
        let gate = Gate()
        var single = settings(batchSize: 1)
        single.maximumUncheckpointedBatches = 1
        let mapping = try await bench.mapping("m", single) { _, _ in await gate.pass() }
        async let run: Void = mapping.run(until: .stopped)
        await gate.arrivals(1)
        let updated = try await mapping.update(reason: "more at once") { $0.batchSize = 5 }
        #expect(try StoredSettings(json: updated.configuration).configuration.batchSize == 5)
        await bench.rest()
        gate.open()
        await bench.rest()
        // The second batch was closed before.
        #expect(bench.calls.texts == [["1"], ["2"], ["3", "4", "5", "6"]])
        #expect(try await state(bench) == .enabled)
        #expect(try await bench.store.describeMapping(key).holder?.revision == 1)
        mapping.triggerGracefulShutdown()
        try await run
        // It outlives the run: this object's settings have not changed.
        try await bench.put(7...8)
        try await mapping.run(until: .caughtUp)
        #expect(bench.calls.texts.last == ["7", "8"])
        // A program with other settings has the last word.
        let other = try await bench.mapping("m", settings(batchSize: 3))
        try await bench.put(9...14)
        try await other.run(until: .caughtUp)
        #expect(bench.calls.texts.suffix(2) == [["9", "10", "11"], ["12", "13", "14"]])
    }

    @Test func `ESM-L4 fewer retries free a shard that is stuck`() async throws {
        let bench = try await Bench()
        try await bench.put(1...2)
        var endless = settings(batchSize: 1)
        endless.maximumRetryAttempts = nil
        let mapping = try await bench.mapping("m", endless) { batch, _ in
            if String(decoding: batch[0].bytes, as: UTF8.self) == "1" { throw MalformedRecord() }
        }
        async let run: Void = mapping.run(until: .stopped)
        await bench.advance(by: .seconds(1)) { bench.calls.all.count == 3 }
        try await mapping.update { $0.maximumRetryAttempts = 1 }
        await bench.rest()
        #expect(mapping.statistics.givenUp == 1 && bench.calls.texts.last == ["2"])
        mapping.triggerGracefulShutdown()
        try await run
    }

    @Test func `ESM-L4 what is given up goes to the new destination, which can't be deleted`() async throws {
        let bench = try await Bench()
        var dropping = settings(batchSize: 1)
        dropping.maximumRetryAttempts = 0
        dropping.failureDestination = .none
        let mapping = try await bench.mapping("m", dropping) { _, _ in throw MalformedRecord() }
        async let run: Void = mapping.run(until: .stopped)
        try await bench.put(1...1)
        await bench.rest()
        try await mapping.update { $0.failureDestination = .stream(named: "bad") }
        await bench.rest()
        try await bench.put(2...2)
        await bench.rest()
        #expect(mapping.statistics.dropped == 1 && mapping.statistics.deliveredToDestination == 1)
        #expect(try await bench.texts(in: "bad").count == 1)
        await #expect(throws: ShardlineError.self) { try await bench.stream.engine.deleteStream("bad") }
        try await mapping.update { $0.failureDestination = .none }
        await bench.rest()
        try await bench.stream.engine.deleteStream("bad")
        try await bench.put(3...3)
        await bench.rest()
        #expect(mapping.statistics.dropped == 2)
        mapping.triggerGracefulShutdown()
        try await run
    }

    @Test func `ESM-L4 a new limit holds for the invocations after it`() async throws {
        let bench = try await Bench(shards: 4)
        var one = settings(batchSize: 1)
        one.concurrency = 1
        let gate = Gate()
        let mapping = try await bench.mapping("m", one) { _, _ in await gate.pass() }
        async let run: Void = mapping.run(until: .stopped)
        try await bench.put(1...40, keys: 40)
        await bench.rest()
        #expect(bench.calls.all.count == 1)
        try await mapping.update { $0.concurrency = 3 }
        await bench.rest()
        #expect(bench.calls.all.count == 3)
        gate.open()
        await bench.rest()
        #expect(mapping.statistics.delivered == 40)
        mapping.triggerGracefulShutdown()
        try await run
    }

    @Test func `ESM-K5 ESM-L4 a new factor has as many batches in flight, and each lane its function`() async throws {
        let bench = try await Bench()
        let (first, others) = (Gate(), Gate())
        let inFlight = Mutex((now: 0, most: 0))
        let mapping = try await bench.mapping("m", settings(batchSize: 1)) { batch, _ in
            // The batches that the one lane has closed already.
            guard batch[0].sequenceNumber > SequenceNumber(20) else { return await first.pass() }
            inFlight.withLock { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            await others.pass()
            inFlight.withLock { $0.now -= 1 }
        }
        async let run: Void = mapping.run(until: .stopped)
        try await bench.put(1...20)
        await bench.rest()
        #expect(bench.calls.all.count == 1)
        try await mapping.update { $0.parallelizationFactor = 10 }
        try await bench.put(21...60, keys: 40)
        await bench.rest()
        #expect(bench.calls.all.count == 1)
        first.open()
        // Forty keys are in all lanes.
        await others.arrivals(10)
        await bench.rest()
        others.open()
        await bench.rest()
        try await mapping.update { $0.parallelizationFactor = 1 }
        try await bench.put(61...80, keys: 40)
        await bench.rest()
        #expect(inFlight.withLock(\.most) == 10)
        #expect(mapping.statistics.delivered == 80 && bench.calls.all.count == 80)
        mapping.triggerGracefulShutdown()
        try await run
    }

    @Test func `settings that can't be used are refused, and leave the mapping as it is`() async throws {
        let bench = try await Bench()
        let mapping = try await bench.mapping("m", settings(batchSize: 2))
        await #expect(throws: ShardlineError.self) { try await mapping.update { $0.batchSize = 0 } }
        await #expect(throws: ShardlineError.self) {
            try await mapping.update { $0.failureDestination = .stream(named: "s") }
        }
        let now = try await mapping.describe()
        #expect(now.revision == 0)
        try await mapping.mapping.update(to: settings(batchSize: 3), ifRevision: 0)
        do {
            try await mapping.mapping.update(to: settings(batchSize: 4), ifRevision: 0)
            Issue.record("an update with a stale revision was accepted")
        } catch let error as ShardlineError {
            #expect(error.code == .mappingChanged)
        }
        // What another program has written and nobody can read does not stop a run.
        async let run: Void = mapping.run(until: .stopped)
        await bench.rest()
        try await bench.store.controlMapping(MappingControl(key, configuration: [1, 2], actor: "strange"))
        try await bench.put(1...6)
        await bench.rest()
        #expect(bench.calls.texts == [["1", "2", "3"], ["4", "5", "6"]])
        mapping.triggerGracefulShutdown()
        try await run
    }
}
