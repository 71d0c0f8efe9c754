import ShardlineTesting
import StreamModel
import StreamStorage
import TestTraits
import Testing

@testable import EventSource

@Suite("Stopping, time-outs and limits of a run", .restingExecutor)
struct StopTests {
    /// Runs a mapping until it ends by itself, and answers with what kind of error.
    static func codeOfEnd(of mapping: EventSourceMapping) async -> ShardlineError.Code? {
        do { try await mapping.run(until: .stopped) } catch { return (error as? ShardlineError)?.code }
        return nil
    }

    @Test func `ESM-R9 ESM-P7 the time limit holds while a seek waits for the function`() async throws {
        let bench = try await Bench()
        try await bench.put(1...1)
        var settings = EventSourceMapping.Configuration()
        settings.functionTimeout = .seconds(30)
        let (calls, time) = (bench.calls, bench.time)
        let mapping = try await bench.mapping("m", settings) { _, _ in
            if calls.all.count == 1 { try await time.sleep(until: time.monotonicTime + .seconds(86_400)) }
        }
        async let run: Void = mapping.run(until: .stopped)
        await bench.advance(by: .milliseconds(100)) { calls.all.count == 1 }
        try await mapping.seek(to: .trimHorizon)
        await bench.advance(by: .seconds(1)) { calls.all.count == 2 }
        #expect(time.monotonicTime.sinceOrigin < .seconds(60))
        mapping.triggerGracefulShutdown()
        try await run
    }

    @Test func `a graceful stop waits for the invocation in flight and checkpoints it (ESM-L3)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...2)
        let gate = Gate()
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 1
        let mapping = try await bench.mapping("m", settings) { _, _ in await gate.pass() }
        async let run: Void = mapping.run(until: .stopped)
        await gate.arrivals(1)
        mapping.triggerGracefulShutdown()
        gate.open()
        try await run
        // The first record is done, the second was not begun.
        #expect(bench.calls.texts == [["1"]])
        #expect(try await bench.checkpoint() == 1)
        #expect(try await bench.store.describeMapping(mapping.key).isClaimed == false)
    }

    @Test func `an idle mapping stops at once, and can run again`() async throws {
        let bench = try await Bench(shards: 3)
        let mapping = try await bench.mapping()
        async let run: Void = mapping.run(until: .stopped)
        await bench.time.sleepers(1)
        mapping.triggerGracefulShutdown()
        try await run
        try await bench.put(1...3, keys: 3)
        try await mapping.run(until: .caughtUp)
        #expect(bench.calls.texts.flatMap { $0 }.sorted() == ["1", "2", "3"])
    }

    @Test func `an idle mapping ends when its store has failed`() async throws {
        let bench = try await Bench(shards: 3)
        let mapping = try await bench.mapping()
        async let code = Self.codeOfEnd(of: mapping)
        await bench.time.sleepers(1)
        bench.store.fail(with: ShardlineError(.storeFailed, "the disk is gone"))
        #expect(await code == .storeFailed)
    }

    @Test func `a mapping whose store has failed does not try its destination for ever`() async throws {
        let bench = try await Bench()
        try await bench.put(1...1)
        let gate = Gate()
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        let store = bench.store
        let mapping = try await bench.mapping("m", settings) { _, context in
            store.fail(with: ShardlineError(.storeFailed, "the disk is gone"))
            gate.open()
            throw MalformedRecord("bad")
        }
        async let code = Self.codeOfEnd(of: mapping)
        await gate.pass()
        #expect(await code == .storeFailed)
        #expect(mapping.statistics.deliveredToDestination == 0)
    }

    @Test func `a stop that comes before the run ends it at once`() async throws {
        let bench = try await Bench()
        let mapping = try await bench.mapping()
        mapping.triggerGracefulShutdown()
        try await mapping.run(until: .stopped)
        #expect(bench.calls.all.isEmpty)
    }

    @Test func `when the grace time is over the invocation is cancelled and comes again (ESM-L3)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...1)
        let (gate, time) = (Gate(), bench.time)
        gate.open()
        let mapping = try await bench.mapping { _, context in
            guard context.attempt == 1 else { return }
            await gate.pass()
            try await time.sleep(until: time.monotonicTime + .seconds(50))
        }
        async let run: Void = mapping.run(until: .stopped)
        await gate.arrivals(1)
        // The watch, the time limit and the function sleep; then the grace time does too.
        await time.sleepers(3)
        mapping.triggerGracefulShutdown(grace: .seconds(5))
        await time.sleepers(4)
        time.advance(by: .seconds(5))
        try await run
        #expect(try await bench.checkpoint() == 0)
        #expect(mapping.statistics.delivered == 0)
    }

    @Test func `a cancelled run cancels its invocations and throws`() async throws {
        let bench = try await Bench()
        try await bench.put(1...1)
        let (gate, time) = (Gate(), bench.time)
        gate.open()
        let mapping = try await bench.mapping { _, _ in
            await gate.pass()
            try await time.sleep(until: time.monotonicTime + .seconds(50))
        }
        let outcome = await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                do {
                    try await mapping.run(until: .stopped)
                    return false
                } catch is CancellationError {
                    return true
                } catch {
                    return false
                }
            }
            await gate.arrivals(1)
            group.cancelAll()
            return await group.next()
        }
        #expect(outcome == true)
        #expect(try await bench.checkpoint() == 0)
        #expect(try await bench.store.describeMapping(mapping.key).isClaimed == false)
    }

    @Test
    func `a function over its time is cancelled, and the shard waits until it has really ended (ESM-R17, ESM-R18)`()
        async throws
    {
        let bench = try await Bench()
        try await bench.put(1...1)
        let (late, gate, time) = (Gate(), Gate(), bench.time)
        late.open()
        var settings = EventSourceMapping.Configuration()
        settings.functionTimeout = .seconds(3)
        settings.maximumRetryAttempts = 0
        let mapping = try await bench.mapping("m", settings) { _, context in
            // Longer than it may; cancelled, it still takes its time to end.
            try? await time.sleep(until: time.monotonicTime + .seconds(100))
            await late.pass()
            await gate.pass()
        }
        async let run: Void = mapping.run(until: .caughtUp)
        await time.sleepers(3)
        time.advance(by: .seconds(3))
        await late.arrivals(1)
        #expect(mapping.shardStates.map(\.phase) == [.invoking])
        #expect(bench.calls.all.count == 1)
        gate.open()
        try await run
        #expect(mapping.statistics.givenUpByCondition == [.retryAttemptsExhausted: 1])
        let document = try #require(JSONValue(Array(try await bench.texts(in: "s.m.failed")[0].utf8)))
        #expect(document["error"]?["text"] == .string("the function took longer than 3s"))
        #expect(document["error"]?["type"] == .string("TimeOut"))
    }

    @Test func `no more invocations run at once than allowed (ESM-A6)`() async throws {
        let bench = try await Bench(shards: 4)
        try await bench.put(1...40, keys: 40)
        let running = Permits(2).join()
        var settings = EventSourceMapping.Configuration()
        settings.concurrency = 2
        settings.batchSize = 2
        let mapping = try await bench.mapping("m", settings) { _, _ in
            guard case .granted(waited: false) = await running.acquire(for: ShardID(0)) else {
                throw MalformedRecord("too many")
            }
            await bench.rest()
            running.release()
        }
        try await mapping.run(until: .caughtUp)
        #expect(mapping.statistics.errors == 0)
        #expect(mapping.statistics.delivered == 40)
    }

    @Test func `a mapping runs once at a time`() async throws {
        let bench = try await Bench()
        let mapping = try await bench.mapping()
        let other = try await bench.mapping()
        async let run: Void = mapping.run(until: .stopped)
        await bench.time.sleepers(1)
        for second in [mapping, other] {
            let error = await #expect(throws: ShardlineError.self) { try await second.run(until: .caughtUp) }
            #expect(error?.code == .mappingBusy)
        }
        mapping.triggerGracefulShutdown()
        try await run
    }
}
