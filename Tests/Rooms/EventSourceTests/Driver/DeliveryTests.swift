import MetricsTestKit
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestTraits
import Testing

@testable import EventSource

@Suite("Checkpoints, destinations and claims of a run", .restingExecutor)
struct DeliveryTests {
    private var noRetries: EventSourceMapping.Configuration {
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        return settings
    }

    @Test func `a failing destination is tried again, the function isn't called again (ESM-D9)`() async throws {
        final class Holder: FailureDestination {
            let seen = Mutex<[String]>([])
            func deliver(_ document: FailureDocument) async throws {
                let count = seen.withLock {
                    $0.append(document.id)
                    return $0.count
                }
                if count < 3 { throw MalformedRecord("no disk") }
            }
        }
        let bench = try await Bench()
        try await bench.put(1...1)
        let destination = Holder()
        let mapping = try await bench.mapping("m", noRetries, destination: destination) { _, _ in
            throw MalformedRecord()
        }
        async let run: Void = mapping.run(until: .caughtUp)
        await bench.advanceThroughPauses { if case .handedOver = $0 { true } else { false } }
        try await run
        #expect(destination.seen.withLock { $0 } == Array(repeating: "s/m/shardId-000000000000:1-1", count: 3))
        #expect(bench.calls.all.count == 1)
        #expect(mapping.statistics.deliveredToDestination == 1)
        #expect(try await bench.checkpoint() == 1)
        // A destination of one's own takes the place of the dead-letter stream.
        #expect(try await bench.store.listStreams().map(\.name) == ["s"])
    }

    @Test func `a document whose commit is in doubt is settled by reading, not sent twice (ESM-D10)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...3)
        let doubts = Mutex(2)
        bench.store.answerCommits { changes in
            guard case .append(let append)? = changes.first, append.stream == "s.m.failed" else { return nil }
            return doubts.withLock {
                $0 -= 1
                return $0 >= 0 ? .unknown(written: true) : nil
            }
        }
        let mapping = try await bench.mapping("m", noRetries) { batch, _ in
            throw PermanentFailure(batch[0], because: .malformed)
        }
        try await mapping.run(until: .caughtUp)
        #expect(try await bench.texts(in: "s.m.failed").count == 3)
        #expect(mapping.statistics.deliveredToDestination == 3)
    }

    @Test func `a document that surely wasn't written is delivered again (ESM-D9)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...1)
        let failures = Mutex(2)
        bench.store.answerCommits { changes in
            guard case .append? = changes.first else { return nil }
            return failures.withLock {
                $0 -= 1
                return $0 == 1 ? .unknown(written: false) : $0 == 0 ? .failure(ShardlineError(.diskFull, "full")) : nil
            }
        }
        let mapping = try await bench.mapping("m", noRetries) { _, _ in throw MalformedRecord() }
        async let run: Void = mapping.run(until: .caughtUp)
        await bench.advanceThroughPauses { if case .handedOver = $0 { true } else { false } }
        try await run
        #expect(try await bench.texts(in: "s.m.failed").count == 1)
        #expect(bench.calls.all.count == 1)
    }

    @Test func `at most one finished unit is unpersisted when the next one starts (ESM-P9)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...4)
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 1
        settings.maximumUncheckpointedBatches = 1
        bench.store.answerCommits { changes in
            if case .checkpoint? = changes.first { .late(by: .seconds(1)) } else { nil }
        }
        settings.functionTimeout = .seconds(86_400)
        let mapping = try await bench.mapping("m", settings)
        let calls = bench.calls
        async let run: Void = mapping.run(until: .stopped)
        await bench.rest()
        // However long nothing comes back, the third unit waits for the first one's checkpoint.
        await bench.rest()
        #expect(calls.texts == [["1"], ["2"]])
        await bench.advance(by: .milliseconds(100)) { calls.all.count >= 3 }
        #expect(try await bench.checkpoint() >= 1)
        mapping.triggerGracefulShutdown(grace: .seconds(3600))
        await bench.advance(by: .milliseconds(100)) { mapping.shardStates[0].phase == .stopped }
        try await run
        #expect(try await bench.checkpoint() == UInt64(calls.all.count))
    }

    @Test func `a checkpoint whose commit is in doubt is written again`() async throws {
        let bench = try await Bench()
        try await bench.put(1...1)
        bench.store.answerNextCommit(with: .unknown(written: false))
        let mapping = try await bench.mapping()
        async let run: Void = mapping.run(until: .caughtUp)
        await bench.advance(by: .milliseconds(50)) { mapping.shardStates.first?.phase == .stopped }
        try await run
        #expect(try await bench.checkpoint() == 1)
    }

    @Test func `after a seek a running mapping goes on at the new position (ESM-P7)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...3)
        let mapping = try await bench.mapping()
        async let run: Void = mapping.run(until: .stopped)
        await bench.advanceThroughPauses { $0 == .checkpointed(SequenceNumber(3)) }
        try await bench.store.seekMapping(mapping.key, to: .afterSequenceNumber(SequenceNumber(1)), shard: ShardID(0))
        await bench.time.sleepers(1)
        bench.time.advance(by: MappingExecution.watchInterval)
        await bench.advanceThroughPauses { $0 == .checkpointed(SequenceNumber(3)) }
        mapping.triggerGracefulShutdown()
        try await run
        #expect(bench.calls.texts == [["1", "2", "3"], ["2", "3"]])
        #expect(mapping.statistics.redelivered == 2)
    }

    @Test func `a mapping that was deleted while it runs ends with an error`() async throws {
        let bench = try await Bench()
        let mapping = try await bench.mapping()
        async let run: Void = mapping.run(until: .stopped)
        await bench.time.sleepers(1)
        try await bench.store.deleteStream("s", force: true)
        bench.time.advance(by: MappingExecution.watchInterval)
        do {
            try await run
            Issue.record("the run ended without an error")
        } catch let error as ShardlineError {
            #expect([.mappingNotFound, .streamNotFound].contains(error.code))
        }
    }

    @Test func `a store that is closed under a running mapping ends the run with an error`() async throws {
        let bench = try await Bench(shards: 3)
        let mapping = try await bench.mapping()
        async let run: Void = mapping.run(until: .stopped)
        await bench.time.sleepers(1)
        try await bench.store.close()
        do {
            try await run
            Issue.record("the run ended without an error")
        } catch let error as ShardlineError {
            #expect(error.code == .closed)
        }
    }

    @Test func `children are read when their parent is done (ESM-H1, ESM-H3)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...10, keys: 10)
        let seal = Seal(stream: "s", parents: [ShardID(0)], children: HashKeyRange.even(2))
        _ = try await bench.store.commit([.seal(seal)])
        try await bench.put(11...20, keys: 10)
        let mapping = try await bench.mapping(startingAt: .trimHorizon)
        try await mapping.run(until: .caughtUp)
        let calls = bench.calls.all
        #expect(calls.flatMap(\.texts).count == 20)
        let lastOfParent = try #require(calls.lastIndex { $0.shard == ShardID(0) })
        let firstOfChild = try #require(calls.firstIndex { $0.shard != ShardID(0) })
        #expect(lastOfParent < firstOfChild)
        #expect(mapping.shardStates.first?.phase == .ended)
    }

    @Test func `the figures of a run balance (ESM-M9)`() async throws {
        let bench = try await Bench(shards: 2)
        try await bench.put(1...50, keys: 10)
        let metrics = TestMetrics()
        let mapping = try await bench.mapping("m", noRetries, metrics: metrics) { batch, _ in
            for record in batch where String(decoding: record.bytes, as: UTF8.self).hasSuffix("3") {
                throw PermanentFailure(record, because: .malformed)
            }
        }
        try await mapping.run(until: .caughtUp)
        let statistics = mapping.statistics
        #expect(statistics.polled == 50)
        #expect(statistics.delivered + statistics.deliveredToDestination + statistics.dropped == 50)
        #expect(statistics.givenUpByCondition == [.permanentFailure: 5])
        let dimensions = [("stream", "s"), ("mapping", "m")]
        #expect(try metrics.expectCounter("shardline.PolledEventCount", dimensions).totalValue == 50)
        #expect(
            try metrics.expectCounter("shardline.OnFailureDestinationDeliveredEventCount", dimensions).totalValue == 5)
        #expect(
            try metrics.expectCounter("shardline.Invocations", dimensions).totalValue == Int64(statistics.invocations))
        #expect(try metrics.expectCounter("shardline.DroppedEventCount", dimensions).totalValue == 0)
        #expect(
            try metrics.expectRecorder("shardline.IteratorAge", dimensions).values.count == statistics.invocations)
    }

    @Test func `without a destination given-up records are counted as dropped (ESM-D8, ESM-M5)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...3)
        var settings = noRetries
        settings.failureDestination = .none
        let mapping = try await bench.mapping("m", settings) { _, _ in throw MalformedRecord() }
        try await mapping.run(until: .caughtUp)
        #expect(mapping.statistics.dropped == 3)
        #expect(try await bench.checkpoint() == 3)
        #expect(try await bench.store.listStreams().map(\.name) == ["s"])
    }

    @Test func `a crash before is counted as a try of the unit that was noted (ESM-A9)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...4)
        let first = try await bench.mapping()
        let claim = try await bench.store.claimMapping(first.key)
        let note = AttemptNote(first: SequenceNumber(1), last: SequenceNumber(4), count: 1, cause: "killed")
        let noted = ShardProgress(position: .zero, notes: [.init(lane: 0, note)])
        _ = try await bench.store.commit([
            .checkpoint(
                CheckpointMove(
                    mapping: first.key, epoch: claim.epoch,
                    checkpoint: ShardCheckpoint(shard: ShardID(0), position: .zero, state: noted.encodedState)))
        ])
        try await bench.store.releaseMapping(first.key, epoch: claim.epoch)
        let mapping = try await bench.mapping()
        try await mapping.run(until: .caughtUp)
        // The unit that had the crash is halved before it is tried again.
        #expect(bench.calls.texts == [["1", "2"], ["3", "4"]])
        #expect(mapping.statistics.redelivered == 4)
        #expect(try await bench.store.describeMapping(mapping.key).checkpoints[0].state == [])
    }
}
