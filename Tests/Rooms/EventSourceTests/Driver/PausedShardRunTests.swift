import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestTraits
import Testing

@testable import EventSource

@Suite("Shards that are paused until somebody resumes them", .timeLimit(.minutes(2)), .restingExecutor)
struct PausedShardRunTests {
    private func settings() -> EventSourceMapping.Configuration {
        var settings = EventSourceMapping.Configuration()
        settings.whenExhausted = .pauseShard
        settings.maximumRetryAttempts = 0
        settings.batchSize = 4
        return settings
    }

    private func mapping(_ bench: Bench, refusing bad: Set<String>) async throws -> EventSourceMapping {
        try await bench.mapping("m", settings()) { batch, _ in
            for record in batch where bad.contains(String(decoding: record.bytes, as: UTF8.self)) {
                throw MalformedRecord("number \(batch.count)")
            }
        }
    }

    @Test func `ESM-N3 a run until all is done ends with an error that names the shard, and the next one goes on`()
        async throws
    {
        let bench = try await Bench()
        try await bench.put(1...9)
        let first = try await mapping(bench, refusing: ["6"])
        await #expect(throws: ShardlineError.self) { try await first.run(until: .caughtUp) }
        do {
            try await mapping(bench, refusing: ["6"]).run(until: .caughtUp)
            Issue.record("the shard is paused")
        } catch let error as ShardlineError {
            #expect(error.code == .paused && error.message.contains("key 'k0'"))
        }
        #expect(try await bench.checkpoint() == 5)
        let named = bench.stream.mapping("m")
        let paused = try await named.pausedShards()
        #expect(paused.map(\.recordCount) == [1] && paused.first?.cause.errorText?.contains("number 1") == true)
        #expect(try await named.resume([ShardID(7)]).isEmpty)
        // The function is mended.
        #expect(try await named.resume(reason: "deployed 1.4", by: "ops").map(\.shard) == [ShardID(0)])
        #expect(try await named.history().last?.reason == "resume shardId-000000000000: deployed 1.4")
        try await mapping(bench, refusing: []).run(until: .caughtUp)
        #expect(try await bench.checkpoint() == 9)
        #expect(try await named.pausedShards().isEmpty)
        #expect(try await bench.store.attributes(AttributeQuery(.stream("s"))).attributes.isEmpty)
        #expect(try await bench.texts(in: "s.m.failed").isEmpty)
    }

    @Test func `ESM-N3 a shard of a running mapping is resumed, and what paused it is given up`() async throws {
        let bench = try await Bench(shards: 2)
        try await bench.put(1...20, keys: 6)
        let mapping = try await mapping(bench, refusing: ["6"])
        async let run: Void = mapping.run(until: .stopped)
        await bench.rest()
        let named = bench.stream.mapping("m")
        let paused = try await named.pausedShards()
        #expect(paused.count == 1)
        let calls = bench.calls.all.count
        bench.time.advance(by: .seconds(600))
        await bench.rest()
        #expect(mapping.shardStates.contains { $0.phase == .paused && $0.isFailing && $0.unit != nil })
        // The other shard is done.
        #expect(bench.calls.all.count == calls)
        _ = try await named.resume(givingUp: true)
        bench.time.advance(by: .seconds(2))
        await bench.rest()
        #expect(try await named.pausedShards().isEmpty)
        #expect(try await bench.texts(in: "s.m.failed").count == 1)
        #expect(mapping.statistics.givenUp == 1 && mapping.statistics.delivered == 19)
        mapping.triggerGracefulShutdown()
        try await run
        #expect(mapping.statistics.settled == mapping.statistics.polled)
        #expect(try await bench.store.attributes(AttributeQuery(.stream("s"))).attributes.isEmpty)
    }

    @Test(arguments: [false, true])
    func `ESM-N3 of two orders about one pause the last counts`(givesUp: Bool) async throws {
        let bench = try await Bench()
        try await bench.put(1...5)
        await #expect(throws: ShardlineError.self) {
            try await mapping(bench, refusing: ["2"]).run(until: .caughtUp)
        }
        let named = bench.stream.mapping("m")
        _ = try await named.resume(givingUp: !givesUp)
        bench.time.advance(by: .seconds(1))
        _ = try await named.resume(givingUp: givesUp)
        #expect(try await bench.store.attributes(AttributeQuery(.stream("s"))).attributes.count == 1)
        let next = try await mapping(bench, refusing: [])
        try await next.run(until: .caughtUp)
        #expect(next.statistics.givenUp == (givesUp ? 1 : 0))
    }

    @Test func `ESM-N3 a seek ends a pause`() async throws {
        let bench = try await Bench()
        try await bench.put(1...5)
        await #expect(throws: ShardlineError.self) {
            try await mapping(bench, refusing: ["2"]).run(until: .caughtUp)
        }
        let named = bench.stream.mapping("m")
        #expect(try await named.pausedShards().count == 1)
        try await named.seek(to: .trimHorizon)
        #expect(try await named.pausedShards().isEmpty)
        try await mapping(bench, refusing: []).run(until: .caughtUp)
        #expect(try await bench.checkpoint() == 5)
    }

    @Test(arguments: [
        #"{"action":"resume","pauses":["shardId-000000000000"]}"#, #"{"action":"resume","pauses":{"x":5}}"#,
        #"{"action":"resume","pauses":{"shardId-000000000000":"5"}}"#,
    ])
    func `ESM-N13 a request to resume that can't be read means no shard`(text: String) {
        #expect(MappingRequest(value: Array(text.utf8)) == nil)
        let pauses = [ShardID(3): Timestamp(milliseconds: 5)]
        let written = MappingRequest(.resumeGivingUp, pauses: pauses, actor: "ops", reason: "why")
        let read = MappingRequest(value: written.value)
        #expect(read?.pauses == pauses && read?.action == .resumeGivingUp && read?.reason == "why")
    }

    @Test func `ESM-N3 the state of a paused shard is read as it was written, and nothing else is`() throws {
        let head = LaneCore.RecordName(
            partitionKey: "k\u{E9}", number: Records.batch(["a"])[0].kinesisSequenceNumber, arrival: Records.arrival)
        for window in [nil, LaneCore.Window(start: .init(milliseconds: 0), end: .init(milliseconds: 60), state: [1])] {
            for (type, text) in [(nil, nil), ("T", nil), (nil, "text"), ("T", "text")] as [(String?, String?)] {
                let paused = PausedShard(
                    shard: ShardID(6), since: Records.arrival,
                    cause: FailureCause(
                        condition: .permanentFailure, errorType: type, errorText: text, attempts: 3),
                    lane: 1, of: 3, first: SequenceNumber(7), last: SequenceNumber(9), recordCount: 2, head: head)
                var progress = ShardProgress(position: SequenceNumber(5), window: window)
                progress.paused = paused
                let state = progress.encodedState
                func read(_ state: [UInt8]) throws -> ShardProgress {
                    try ShardProgress(ShardCheckpoint(shard: ShardID(6), position: progress.position, state: state))
                }
                #expect(try read(state) == progress)
                for length in 1..<state.count {
                    #expect(throws: ShardlineError.self) { try read(Array(state[..<length])) }
                }
                #expect(throws: ShardlineError.self) { try read(state + [0]) }
                // Whatever the bytes are, they are read or refused.
                for place in state.indices {
                    for bit in 0..<8 {
                        var other = state
                        other[place] ^= 1 << bit
                        _ = try? read(other)
                    }
                }
            }
        }
    }
}
