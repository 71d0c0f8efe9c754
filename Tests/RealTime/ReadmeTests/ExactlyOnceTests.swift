import Foundation
import GRDB
import Logging
import Shardline
import ShardlineTesting
import TestSupport
import Testing

/// The recipe of the page "Exactly once" keeps what the page says, whatever happens between two runs.
@Suite(.timeLimit(.minutes(1))) struct ExactlyOnceTests {
    private static let page = Readme.root.appending(path: "Sources/Shardline/Shardline.docc/ExactlyOnce.md")

    /// A crash between the function's transaction and the checkpoint.
    private struct Crash: Error {}

    private struct Crashing: BatchFunction {
        let totals: Totals
        func handle(_ batch: RecordBatch, context: InvocationContext) async throws {
            try await totals.handle(batch, context: context)
            throw Crash()
        }
    }

    /// A function that can't process records of one key.
    private struct Poisoned: BatchFunction {
        let totals: Totals
        let key: String
        func handle(_ batch: RecordBatch, context: InvocationContext) async throws {
            guard batch.allSatisfy({ $0.partitionKey != key }) else { throw Crash() }
            try await totals.handle(batch, context: context)
        }
    }

    private struct World {
        let store = InMemoryStore()
        let database: DatabaseQueue

        init() async throws {
            database = try DatabaseQueue()
            let page = try Readme(text: String(contentsOf: ExactlyOnceTests.page, encoding: .utf8))
            let tables = try #require(page.blocks("sql").first).text
            try await database.write { try $0.execute(sql: tables) }
            try await store.createStream("s", shards: 1)
        }

        func put(_ keys: String...) async throws {
            try await store.stream("s").put(contentsOf: keys.map { NewRecord("x", partitionKey: $0) })
        }

        func run(
            batchSize: Int = 100, crashes: Bool = false, lanes: Int = 1, poisoned: String? = nil, parks: Bool = false
        ) async throws {
            var settings = EventSourceMapping.Configuration()
            settings.batchSize = batchSize
            // Given up at once, so that a run that crashes ends; the mapping is sought back then.
            settings.maximumRetryAttempts = 0
            settings.bisectOnError = parks
            settings.failureDestination = .none
            settings.parallelizationFactor = lanes
            if parks { settings.whenExhausted = .parkKey }
            let totals = Totals(database: database)
            let mapping = try await EventSourceMapping(
                "totals", from: store.stream("s"), configuration: settings,
                logger: .init(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
            ) { _ in
                if let poisoned { return Poisoned(totals: totals, key: poisoned) }
                return crashes ? Crashing(totals: totals) as any BatchFunction : totals
            }
            try await mapping.run(until: .caughtUp)
        }

        /// As after a crash before any checkpoint.
        func loseCheckpoints() async throws {
            try await store.seekMapping(MappingID(stream: "s", name: "totals"), to: .trimHorizon, shard: nil)
        }

        func totals() async throws -> [String: Int] {
            try await database.read { db in
                Dictionary(
                    uniqueKeysWithValues: try Row.fetchAll(db, sql: "SELECT key, records FROM total").map {
                        ($0[0] as String, $0[1] as Int)
                    })
            }
        }
    }

    @Test func `the recipe is code that is compiled and run here`() throws {
        func lines(_ text: String) -> String {
            text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "\n")
        }
        let page = try Readme(text: String(contentsOf: Self.page, encoding: .utf8))
        let source = try String(
            contentsOf: Readme.root.appending(path: "Tests/RealTime/ReadmeTests/ExactlyOnce.swift"), encoding: .utf8)
        let recipe = try #require(page.blocks("swift").first)
        #expect(page.blocks("swift").count == 1)
        #expect(lines(source).contains(lines(recipe.text)))
        #expect(recipe.lines.count <= 20)
    }

    @Test func `records that come again after a crash, in whatever batches, count once`() async throws {
        for batchSize in [1, 2, 3, 100] {
            let world = try await World()
            try await world.put("a", "b", "a", "c", "a")
            try await world.run(batchSize: 2, crashes: true)
            #expect(try await world.totals() == ["a": 3, "b": 1, "c": 1])
            try await world.loseCheckpoints()
            try await world.put("b")
            try await world.run(batchSize: batchSize)
            #expect(try await world.totals() == ["a": 3, "b": 2, "c": 1])
        }
    }

    @Test func `records count once by lanes that are at different places, over a crash`() async throws {
        let keys = (0..<40).map { "key-\($0)" }
        let world = try await World()
        for _ in 0..<3 { for key in keys { try await world.put(key) } }
        try await world.run(batchSize: 4, crashes: true, lanes: 5)
        try await world.loseCheckpoints()
        try await world.run(batchSize: 1, lanes: 10)
        #expect(try await world.totals() == Dictionary(uniqueKeysWithValues: keys.map { ($0, 3) }))
    }

    @Test func `records of a parked key count once when they are handed back, over a crash and a split`() async throws {
        let world = try await World()
        let mapping = world.store.stream("s").mapping("totals")
        try await world.put("a", "b", "a", "b", "c", "b")
        try await world.run(poisoned: "b", parks: true)
        #expect(try await world.totals() == ["a": 2, "c": 1])
        try await world.store.stream("s").splitShard(ShardID(0))
        try await world.put("a", "b", "c")
        try await world.run(poisoned: "b", parks: true)
        #expect(try await world.totals() == ["a": 3, "c": 2])
        #expect(try await mapping.parkedKeys().map(\.recordCount) == [4])
        // Each call fails after its transaction, so the key stops although its record is counted.
        try await mapping.release()
        try await world.run(crashes: true, parks: true)
        #expect(try await mapping.parkedKeys().map(\.failedReleases) == [1])
        #expect(try await world.totals()["b", default: 0] > 0)
        try await mapping.release()
        try await world.run(batchSize: 2, parks: true)
        #expect(try await world.totals() == ["a": 3, "b": 4, "c": 2])
        #expect(try await mapping.parkedKeys().isEmpty)
    }

    @Test func `a stream that is deleted and created again is counted again`() async throws {
        let world = try await World()
        try await world.put("a", "b", "a")
        try await world.run()
        for round in 2...3 {
            try await world.store.deleteStream("s")
            try await world.store.createStream("s", shards: 1)
            try await world.put("a", "b")
            try await world.run()
            #expect(try await world.totals() == ["a": round + 1, "b": round])
        }
    }

    @Test func `records count once over a split and a merge`() async throws {
        let world = try await World()
        func seal(_ parents: [UInt32], _ children: Int) async throws {
            let seal = Seal(stream: "s", parents: parents.map { ShardID($0) }, children: HashKeyRange.even(children))
            _ = try await world.store.commit([.seal(seal)])
        }
        try await world.put("a", "b", "c", "d")
        try await world.run()
        try await seal([0], 2)
        try await world.put("a", "b", "c", "d")
        try await world.run()
        try await seal([1, 2], 1)
        try await world.put("a", "b", "c", "d")
        try await world.run(batchSize: 1)
        let expected = ["a": 3, "b": 3, "c": 3, "d": 3]
        #expect(try await world.totals() == expected)
        try await world.loseCheckpoints()
        try await world.run(batchSize: 3)
        #expect(try await world.totals() == expected)
    }
}
