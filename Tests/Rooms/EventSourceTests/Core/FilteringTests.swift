import EventSource
import StreamModel
import StreamStorage
import TestSupport
import Testing

/// What the core does with records that no filter matches.
@Suite struct FilteringTests {
    /// Keeps the keys that begin with `k`.
    private static func settings(
        _ factor: Int = 1, batch: Int = 4, retries: Int? = 0, window: Duration = .zero
    ) throws -> LaneCore.Settings {
        var settings = LanesTests.settings(factor, batch: batch, retries: retries, window: window)
        settings.filter = try RecordFilter(patterns: [#"{"partitionKey":[{"prefix":"k"}]}"#])
        return settings
    }

    /// `x` in a text is a record that is dropped, another letter one of a key that is kept.
    private static func world(_ text: String, _ settings: LaneCore.Settings) -> LanesWorld {
        var world = LanesWorld(settings)
        put(text, &world)
        return world
    }

    private static func put(_ text: String, _ world: inout LanesWorld) {
        let keys = text.map { $0 == "x" ? "x" : "k\($0)" }
        world.dropped.formUnion(keys.indices.filter { keys[$0] == "x" }.map { world.keys.count + $0 })
        world.put(keys)
    }

    @Test(arguments: [1, 3]) func `ESM-F1 ESM-M3 ESM-M9 what no filter matches is passed over and counted`(factor: Int)
        throws
    {
        var world = Self.world("axxbxcxxxxdx", try Self.settings(factor))
        world.start()
        world.runToRest()
        #expect(world.violations == [] && world.isAllDone)
        #expect(world.settled == [0, 3, 5, 10] && world.documents.isEmpty)
        #expect(world.durable.position == SequenceNumber(12))
        #expect(world.core.counters.filteredOut == 8 && world.core.counters.polled == 12)
        #expect(world.core.counters.settled == 12 && world.core.counters.succeeded == 4)
    }

    @Test func `ESM-B6 a batch counts only records that match`() throws {
        var world = Self.world("axbxxcxdxe", try Self.settings(batch: 4))
        world.start()
        world.runToRest()
        #expect(world.calls == [[0, 2, 5, 7], [9]])
    }

    @Test func `ESM-B3 the window opens with the first record that matches`() throws {
        var world = Self.world("xx", try Self.settings(window: .seconds(10)))
        world.start()
        // Filtered records wait for nothing.
        world.save()
        #expect(world.durable.position == SequenceNumber(2) && world.wake == nil)
        world.advance(by: .seconds(7))
        Self.put("xa", &world)
        #expect(world.wake == MonotonicTime(sinceOrigin: .seconds(17)))
        world.advance(by: .seconds(9))
        #expect(world.calls.isEmpty)
        world.advance(by: .seconds(1))
        #expect(world.calls == [[3]])
    }

    @Test(arguments: [1, 2]) func `ESM-F21 the checkpoint waits for records before filtered ones, and for no other`(
        factor: Int
    ) throws {
        var world = Self.world("xaxxx", try Self.settings(factor, retries: nil))
        world.start()
        world.save()
        // The first one is done, and the next one is in the function.
        #expect(world.durable.position == SequenceNumber(1) && world.open.count == 1)
        world.answer(try #require(world.open.keys.first))
        world.save()
        #expect(world.durable.position == SequenceNumber(5) && world.isAllDone && world.violations == [])
    }

    @Test func `ESM-F21 a long run of filtered records is checkpointed as it is read`() throws {
        var world = Self.world(String(repeating: "x", count: 3000), try Self.settings(batch: 100))
        world.recordsOfOneRead = 500
        world.start()
        for _ in 0..<100 where world.openCheckpoint != nil { world.answerCheckpoint() }
        #expect(world.durable.position == SequenceNumber(3000) && world.calls.isEmpty)
        #expect(world.core.counters.checkpoints >= 1 && world.core.heldRecords == 0)
    }

    @Test func `ESM-F21 a shard that ends with filtered records is done`() throws {
        var world = Self.world("axx", try Self.settings())
        world.close()
        world.start()
        world.runToRest()
        #expect(world.stops == [.shardEnd] && world.durable.isShardEnd && world.violations == [])
    }

    @Test func `ESM-F22 a changed filter applies to what is in no batch, and what was filtered out stays so`() throws {
        var world = Self.world("xaxbb", try Self.settings(batch: 1))
        world.start()
        #expect(world.open.values.map(\.unit.records.count) == [1])
        // The first `a` is in a batch, the two `b` are not.
        var settings = world.settings
        settings.filter = try RecordFilter(patterns: [#"{"partitionKey":["ka","y"]}"#])
        world.change(settings)
        world.dropped.formUnion([3, 4])
        #expect(world.core.counters.filteredOut == 4)
        world.put(["y"])
        world.runToRest()
        #expect(world.violations == [] && world.calls == [[1], [5]])
        #expect(world.durable.position == SequenceNumber(6))
        // Without filters everything is kept from then on.
        settings.filter = nil
        world.change(settings)
        world.put(["other"])
        world.runToRest()
        #expect(world.calls == [[1], [5], [6]])
        let counters = world.core.counters
        #expect(counters.filteredOut == 4 && counters.succeeded == 3)
        #expect(counters.polled == 7 && counters.settled == 7)
    }

    @Test func `ESM-G1 filters come before age`() throws {
        var settings = try Self.settings()
        settings.maximumRecordAge = .seconds(60)
        var world = Self.world("xaxb", settings)
        world.advance(by: .seconds(100))
        world.start()
        world.runToRest()
        #expect(world.documents.map(\.places) == [[1, 3]])
        #expect(world.documents.map(\.condition) == [.recordAgeExceeded])
        #expect(world.core.counters.filteredOut == 2)
    }

    @Test func `ESM-D5 ESM-X2 a failing unit is split and given up by its own records, not by those between them`()
        throws
    {
        var world = Self.world("axxbxcxd", try Self.settings())
        world.bad = [3]
        world.start()
        world.runToRest()
        #expect(world.violations == [] && world.isAllDone)
        #expect(world.calls == [[0, 3, 5, 7], [0, 3], [0], [3], [5, 7]])
        #expect(world.documents.map(\.places) == [[3]])
    }

    @Test(arguments: 1...12) func `random histories with crashes keep order, and lose nothing (ESM-F1, ESM-F21)`(
        seed: UInt64
    ) throws {
        var random = SeededRandom(seed)
        let factor = random.pick([1, 2, 5])
        let text = String((0..<80).map { _ in Character(random.pick(["x", "x", "x", "a", "b", "c", "d"])) })
        var world = Self.world(text, try Self.settings(factor, batch: random.pick(1...5)))
        world.recordsOfOneRead = random.pick([1, 3, 1000])
        world.bad = Set((0..<3).map { _ in random.below(80) })
        world.start()
        for _ in 0..<150 where !world.isAllDone {
            if random.once(in: 12) {
                world.crash(world.settings)
            } else if world.openCheckpoint != nil, random.once(in: 2) {
                world.answerCheckpoint()
            } else if let lane = world.openDeliveries.keys.min(), random.once(in: 2) {
                world.answerDelivery(lane)
            } else if let lane = world.open.keys.sorted().last {
                world.answer(lane)
            } else {
                world.advance(by: .seconds(1))
            }
        }
        world.runToRest()
        #expect(world.violations == [] && world.isAllDone && world.durable.position == SequenceNumber(80))
        // ESM-M9
        #expect(world.core.counters.settled == world.core.counters.polled)
    }
}
