import EventSource
import StreamModel
import Testing

/// When a batch is closed and what is in it (section B).
@Suite struct BatchingTests {
    @Test func `ESM-B1 a batch is closed as soon as it is full`() {
        var world = LaneWorld(.test(batch: 10, window: .seconds(5)))
        world.send(.start)
        world.put(9)
        world.advance(by: .seconds(4))
        #expect(world.sent == [])
        world.put(1)
        #expect(world.sent == [0..<10])
        #expect(world.counters.batches == [.size: 1])
        #expect(world.trace.first?.rule == "ESM-B1")
    }

    @Test func `ESM-B2 without a window a batch is what is there`() {
        var world = LaneWorld(.test(batch: 10))
        world.send(.start)
        world.put(1)
        world.put(3)
        #expect(world.sent == [0..<1, 1..<4])
        #expect(world.counters.batches == [.window: 2])
    }

    @Test func `ESM-B2 ESM-S18 a backlog comes in whole batches, however the store's reads are cut`() {
        for part in [1, 3, 7, 10_000] {
            var world = LaneWorld(.test(batch: 10))
            world.recordsOfOneRead = part
            world.put(25)
            world.send(.start)
            #expect(world.sent == [0..<10, 10..<20, 20..<25])
            #expect(world.counters.batches == [.size: 2, .window: 1])
        }
    }

    @Test func `ESM-B3 the window opens with the first record where the lane is idle`() {
        var world = LaneWorld(.test(window: .seconds(2)))
        world.send(.start)
        world.advance(by: .seconds(10))
        world.put(1)
        world.advance(by: .milliseconds(1_999))
        world.put(1)
        #expect(world.sent == [])
        world.advance(by: .milliseconds(1))
        #expect(world.calls == [.init(records: 0..<2, at: .seconds(12), attempt: 1)])
        #expect(world.counters.batches == [.window: 1])
    }

    @Test func `ESM-B3 the window opens when the lane is free where records wait already`() {
        var world = LaneWorld(.test(window: .seconds(2), retries: 1, bisects: false))
        world.function = { _ in nil }
        world.send(.start)
        world.put(1)
        world.advance(by: .seconds(2))
        world.put(1)
        world.advance(by: .seconds(7))
        // The retry belongs to the unit: the lane is free only after it.
        world.answer(.fails)
        world.advance(by: .milliseconds(500))
        world.answer(.success)
        world.advance(by: .seconds(2))
        #expect(world.calls.last == .init(records: 1..<2, at: .milliseconds(11_500), attempt: 1))
    }

    @Test func `ESM-B3 an idle lane never invokes with nothing`() {
        var world = LaneWorld(.test(window: .seconds(1)))
        world.send(.start)
        world.advance(by: .seconds(100))
        #expect(world.calls.isEmpty && world.wake == nil)
    }

    @Test func `ESM-B11 what becomes readable as the window ends is not in the batch`() {
        var world = LaneWorld(.test(window: .seconds(2)))
        world.send(.start)
        world.put(1)
        world.advance(by: .milliseconds(1_999))
        // The clock stands at the deadline; the read comes before the tick.
        world.put(1, at: .milliseconds(2_000))
        #expect(world.sent == [0..<1])
        world.advance(by: .seconds(2))
        #expect(world.sent == [0..<1, 1..<2])
    }

    @Test func `ESM-B4 ESM-S30 a record that would pass the payload limit opens the next batch at once`() {
        var settings = LaneCore.Settings.test(window: .seconds(60))
        settings.payload = .rawBytes(limit: 100)
        var world = LaneWorld(settings)
        world.send(.start)
        world.put(2, bytes: 40)
        #expect(world.sent == [])
        world.put(1, bytes: 21)
        #expect(world.sent == [0..<2])
        #expect(world.counters.batches == [.payload: 1])
        world.advance(by: .seconds(60))
        #expect(world.sent == [0..<2, 2..<3])
    }

    @Test func `ESM-B4 a batch that reaches the payload limit is closed at once`() {
        var settings = LaneCore.Settings.test(window: .seconds(60))
        settings.payload = .rawBytes(limit: 100)
        var world = LaneWorld(settings)
        world.send(.start)
        world.put(1, bytes: 40)
        world.put(1, bytes: 60)
        #expect(world.sent == [0..<2])
        #expect(world.counters.batches == [.payload: 1])
    }

    @Test func `ESM-B4 the size is that of the whole event`() {
        var settings = LaneCore.Settings.test(window: .seconds(60))
        settings.payload = LaneCore.PayloadMeasure(limit: 100, envelope: 20, separator: 5) { $0.dataByteCount * 2 }
        var world = LaneWorld(settings)
        world.send(.start)
        world.put(3, bytes: 10)
        // 20 + 3 · 20 + 2 · 5 = 90; another record of two bytes makes 99, and then none fits.
        world.put(1, bytes: 2)
        #expect(world.sent == [])
        world.put(1, bytes: 1)
        #expect(world.sent == [0..<4])
    }

    @Test func `ESM-B1 a full batch at the payload limit is closed by its size`() {
        var settings = LaneCore.Settings.test(batch: 2, window: .seconds(60))
        settings.payload = .rawBytes(limit: 20)
        var world = LaneWorld(settings)
        world.send(.start)
        world.put(2, bytes: 10)
        #expect(world.counters.batches == [.size: 1])
    }

    @Test func `ESM-B5 a record over the payload limit is given up without an invocation`() {
        var settings = LaneCore.Settings.test()
        settings.payload = .rawBytes(limit: 100)
        var world = LaneWorld(settings)
        world.put(1, bytes: 100)
        world.put(1, bytes: 101)
        world.put(1, bytes: 1)
        world.send(.start)
        #expect(world.sent == [0..<1, 2..<3])
        #expect(world.documents.map(\.condition) == [.payloadSizeExceeded])
        #expect(world.documents.first?.places == 1..<2)
        #expect(world.documents.first?.invocations == 0)
        #expect(world.documents.first?.response == nil)
    }

    @Test func `ESM-B5 the payload limit may be off`() {
        var world = LaneWorld(.test())
        world.put(1, bytes: 7 << 20)
        world.send(.start)
        #expect(world.sent == [0..<1])
    }

    @Test func `ESM-B8 one unit is in flight, however long it takes`() {
        var world = LaneWorld(.test(batch: 10))
        world.function = { _ in nil }
        world.put(20)
        world.send(.start)
        world.advance(by: .seconds(5))
        world.put(30)
        #expect(world.sent == [0..<10])
        world.answer(.success)
        #expect(world.sent == [0..<10, 10..<20])
        #expect(world.violations == [])
    }

    @Test func `ESM-B9 what is left of a batch is neither topped up nor waits for a window`() {
        var world = LaneWorld(.test(batch: 10, window: .seconds(60)))
        world.function = { $0.unit.records.count == 10 ? .fails(from: 4) : .success }
        world.send(.start)
        world.put(10)
        world.put(3)
        #expect(world.calls.map(\.at) == [.zero, .zero])
        #expect(world.sent == [0..<10, 4..<10])
    }

    @Test func `ESM-B10 the end of the shard closes its last batch at once`() {
        var world = LaneWorld(.test(window: .seconds(60)))
        world.send(.start)
        world.put(3)
        world.close()
        #expect(world.calls == [.init(records: 0..<3, at: .zero, attempt: 1)])
        #expect(world.counters.batches == [.shardEnd: 1])
        #expect(world.stops == [.shardEnd])
    }

    @Test func `ESM-B10 a stop does not invoke the batch that waits`() {
        var world = LaneWorld(.test(window: .seconds(60)))
        world.send(.start)
        world.put(3)
        world.send(.stop)
        #expect(world.sent == [] && world.stops == [.asked])
        #expect(world.counters.released == 3)
    }

    @Test(arguments: [7, Int.max])
    func `ESM-K3 the lane holds no more than four batches of records`(recordsOfOneRead: Int) {
        var world = LaneWorld(.test(batch: 10))
        world.function = { _ in nil }
        world.recordsOfOneRead = recordsOfOneRead
        world.put(1_000)
        world.send(.start)
        for _ in 0..<50 { world.answer(.success) }
        #expect(world.largestHeld <= 40 && world.largestHeld >= 20)
        #expect(world.sent == (0..<51).map { $0 * 10..<$0 * 10 + 10 })
        #expect(world.reads.allSatisfy { $0.maximumRecords <= 40 })
    }

    @Test func `ESM-K3 the lane holds no more bytes than it may, and closes a batch that can't grow`() {
        var settings = LaneCore.Settings.test(batch: 100, window: .seconds(60))
        settings.maximumHeldBytes = 10_000
        var world = LaneWorld(settings)
        world.put(50, bytes: 1_000)
        world.send(.start)
        #expect(world.counters.batches.found.map(\.cause) == [.memory])
        #expect(world.sent.allSatisfy { $0.count <= 10 })
        world.advance(by: .seconds(60))
        #expect(world.counters.succeeded == 50)
    }

    @Test func `ESM-G4 a batch ends before records that are lost, and one document tells of them`() {
        var world = LaneWorld(.test(window: .seconds(60)))
        world.lost = SequenceNumber(4)...SequenceNumber(6)
        world.put(10)
        world.send(.start)
        world.advance(by: .seconds(60))
        #expect(world.sent == [0..<3, 6..<10])
        #expect(world.counters.batches == [.gap: 1, .window: 1])
        #expect(world.documents.map(\.condition) == [.recordsLost])
        #expect(world.documents.map(\.places) == [3..<6])
        #expect(world.documents.map(\.count) == [3])
        #expect(world.counters.settled == world.counters.polled)
        #expect(world.violations == [])
    }
}
