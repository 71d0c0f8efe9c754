import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import EventSource

/// A mapping whose stream is split and merged while it runs.
@Suite(.timeLimit(.minutes(2)), .restingExecutor)
struct ReshardingRunTests {
    /// The records that a function got, by key, and the tasks that decided.
    private final class Seen: Sendable {
        private let keys = Mutex<[String: [Int]]>([:])
        private let tasks = Mutex<Set<Int>>([])

        func note(_ batch: RecordBatch) {
            keys.withLock { keys in
                for record in batch {
                    keys[record.partitionKey, default: []].append(
                        Int(String(decoding: record.bytes, as: UTF8.self)) ?? -1)
                }
            }
        }

        func noteTask() {
            let task = withUnsafeCurrentTask { $0?.hashValue ?? 0 }
            tasks.withLock { _ = $0.insert(task) }
        }

        var values: [String: [Int]] { keys.withLock { $0 } }
        var count: Int { keys.withLock { $0.values.reduce(0) { $0 + $1.count } } }
        var taskCount: Int { tasks.withLock { $0.count } }
    }

    private struct Setup {
        let time = VirtualTime()
        let store: CountingStore
        let stream: RecordStream
        let seen = Seen()

        init() async throws {
            store = CountingStore(InMemoryStore(timeSource: time))
            _ = try await store.createStream("s", settings: StreamSettings(shards: 1))
            stream = store.stream("s")
        }

        func mapping(workers: Int = 2, factor: Int = 1) async throws -> EventSourceMapping {
            let seen = seen
            var configuration = EventSourceMapping.Configuration()
            configuration.parallelizationFactor = factor
            return try await EventSourceMapping(
                "m", from: stream, startingAt: .trimHorizon, configuration: configuration, destination: nil,
                logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }),
                source: .closure { batch, _ in seen.note(batch) }, seed: 1, workers: workers,
                observer: { _, _ in seen.noteTask() })
        }

        /// One record with this value for each of `keys` keys.
        func put(_ value: Int, keys: Int = 200) async throws {
            try await stream.put(contentsOf: (0..<keys).map { NewRecord("\(value)", partitionKey: "\($0)") })
        }

        /// Lets all tasks and pauses go on until the function has had this many records.
        func delivered(_ count: Int) async {
            await RestingExecutor.current.rest()
            while seen.count < count {
                time.advance(by: .milliseconds(50))
                await RestingExecutor.current.rest()
            }
        }
    }

    @Test func `ESM-H2 from 1 to 1,024 shards and back takes at most ten calls a shard`() async throws {
        let setup = try await Setup()
        let mapping = try await setup.mapping()
        async let run: Void = mapping.run(until: .stopped)
        try await setup.put(0)
        await setup.delivered(200)
        _ = setup.store.takeCounts()
        var put = 1
        for count in [1_024, 1] {
            try await setup.stream.updateShardCount(to: count)
            try await setup.put(put)
            put += 1
            await setup.delivered(200 * put)
        }
        let counts = setup.store.takeCounts()
        let shards = try await setup.stream.describe().shards.count
        #expect(shards == 2_048)
        // As a whole, not for each shard: a look at all of them is as long as the stream has shards.
        #expect(counts[.describeStream, default: 0] + counts[.describeMapping, default: 0] <= 30, "\(counts)")
        #expect(counts[.position, default: 0] == 0, "\(counts)")
        #expect(counts.values.reduce(0, +) <= 10 * shards, "\(counts)")
        #expect(setup.seen.values.values.allSatisfy { $0 == Array(0..<put) })
        mapping.triggerGracefulShutdown()
        try await run
        // Everything that is closed is done, so a new run begins with the one open shard.
        let checkpoints = try await setup.store.describeMapping(mapping.key).checkpoints
        #expect(checkpoints.count { $0.isShardEnd } == shards - 1)
    }

    @Test func `the workers are as many as the processors, however many shards there were at first`() async throws {
        let setup = try await Setup()
        let mapping = try await setup.mapping(workers: 4)
        async let run: Void = mapping.run(until: .stopped)
        try await setup.put(0)
        await setup.delivered(200)
        #expect(setup.seen.taskCount == 1)
        try await setup.stream.updateShardCount(to: 16)
        try await setup.put(1)
        await setup.delivered(400)
        #expect(setup.seen.taskCount == 4)
        mapping.triggerGracefulShutdown()
        try await run
    }

    @Test(arguments: [1, 3]) func `ESM-H1 records of a key are in order across random splits, merges and scales`(
        factor: Int
    ) async throws {
        for seed in 1...10 as ClosedRange<UInt64> {
            let setup = try await Setup()
            var random = SeededRandom(seed)
            let mapping = try await setup.mapping(factor: factor)
            async let run: Void = mapping.run(until: .stopped)
            for round in 0..<12 {
                try await setup.put(round, keys: 40)
                let open = try await setup.stream.describe().openShards.sorted {
                    $0.hashKeyRange.first < $1.hashKeyRange.first
                }
                let place = random.below(open.count)
                switch random.below(3) {
                case 0: try await setup.stream.splitShard(open[place].id)
                case 1 where place + 1 < open.count:
                    try await setup.stream.mergeShards(open[place].id, open[place + 1].id)
                default: try await setup.stream.updateShardCount(to: random.pick(1...9))
                }
                // Sometimes the mapping comes after, sometimes before the next round.
                if random.once(in: 2) { await setup.delivered(40 * (round + 1)) }
            }
            await setup.delivered(480)
            #expect(setup.seen.values.count == 40)
            #expect(setup.seen.values.values.allSatisfy { $0 == Array(0..<12) }, "seed \(seed)")
            mapping.triggerGracefulShutdown()
            try await run
        }
    }

    /// The shard whose end comes is known as open: the store has to be asked, and can't answer.
    @Test func `children that can't be looked up end the run with the error`() async throws {
        let setup = try await Setup()
        let mapping = try await setup.mapping()
        async let run: Void = mapping.run(until: .stopped)
        try await setup.put(0, keys: 3)
        await setup.delivered(3)
        let halves = HashKeyRange.even(2)
        setup.store.fail(.describeStream, with: ShardlineError(.readFailed, "no such luck"))
        _ = try await setup.store.commit([.seal(Seal(stream: "s", parents: [ShardID(0)], children: halves))])
        do {
            try await run
            Issue.record("the run ended without an error")
        } catch {
            #expect((error as? ShardlineError)?.message == "no such luck")
        }
        // What stood in the way is gone.
        setup.store.fail(.describeStream, with: nil)
        try await setup.put(1, keys: 3)
        try await setup.mapping().run(until: .caughtUp)
        #expect(setup.seen.values.values.allSatisfy { $0 == [0, 1] })
    }
}
