import Benchmark
import DiskAccess
import Logging
import SegmentStorage
import StreamModel
import StreamStorage
import Synchronization

/// Looks at streams and shards, and several readers of one shard in memory.
func lookPieces() {
    let fixture = LookFixture()
    let configuration = Benchmark.Configuration(
        warmupIterations: 1, maxDuration: .seconds(2), setup: { try await fixture.open() },
        teardown: { try await fixture.close() })

    for shards in [4, 10_000] {
        Benchmark("look: one of \(shards) shards", configuration: configuration) { benchmark in
            let store = fixture.store
            let id = ShardID(UInt32(shards - 1))
            try await Cost.measure(2_000, benchmark) {
                for _ in 0..<2_000 { blackHole(try await store.describeShard(id, of: "\(shards)")) }
            }
        }

        Benchmark("look: the summary of a stream of \(shards) shards", configuration: configuration) { benchmark in
            let store = fixture.store
            try await Cost.measure(2_000, benchmark) {
                for _ in 0..<2_000 { blackHole(try await store.summarizeStream("\(shards)")) }
            }
        }
    }

    Benchmark("look: a page of 100 of 10,000 shards", configuration: configuration) { benchmark in
        let store = fixture.store
        let query = ShardQuery("10000", after: ShardID(5_000), limit: 100)
        try await Cost.measure(200, benchmark) {
            for _ in 0..<200 { blackHole(try await store.shardDescriptions(query)) }
        }
    }

    // Of the newest records: 500 in one run, or 2,000 that were put one by one, so each is a run of its own.
    for (stream, count) in [("long", 500), ("short", 2_000)] {
        for readers in [1, 8] {
            Benchmark(
                "read at the tip: \(count) records in \(stream) runs by \(readers) readers",
                configuration: configuration
            ) { benchmark in
                let store = fixture.store
                let look = try await store.describeShard(ShardID(0), of: stream).shard
                let after = SequenceNumber(look.tip.rawValue - UInt64(count))
                let reads = 8_000
                try await Cost.measure(reads, benchmark) {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for _ in 0..<readers {
                            group.addTask {
                                for _ in 0..<reads / readers {
                                    let request = ReadRequest(stream: stream, shard: ShardID(0), after: after)
                                    let found = try await store.read(request)
                                    guard found.batch.count == count else {
                                        preconditionFailure("\(found.batch.count)")
                                    }
                                }
                            }
                        }
                        try await group.waitForAll()
                    }
                }
            }
        }
    }
}

/// A store with streams of few and of many shards, and with records in memory.
private final class LookFixture: Sendable {
    private let state = Mutex<(store: SegmentStore?, directory: String)>((nil, ""))

    var store: SegmentStore { state.withLock { $0.store! } }

    func open() async throws {
        let directory = try TemporaryDirectory.make()
        var logger = Logger(label: "pieces")
        logger.logLevel = .error
        let store = try await SegmentStore.openIfFree(at: "\(directory)/store", logger: logger)
        for shards in [4, 10_000] { try await store.createStream("\(shards)", shards: shards) }
        for stream in ["long", "short"] { try await store.createStream(stream, shards: 1) }
        for _ in 0..<4 { try await store.stream("long").put(contentsOf: Samples.call) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for caller in 0..<64 {
                group.addTask {
                    for _ in 0..<40 { try await store.stream("short").put(contentsOf: [Samples.call[caller]]) }
                }
            }
            try await group.waitForAll()
        }
        state.withLock { $0 = (store, directory) }
    }

    func close() async throws {
        let (store, directory) = state.withLock { $0 }
        try await store?.close()
        state.withLock { $0 = (nil, "") }
        TemporaryDirectory.remove(directory)
    }
}
