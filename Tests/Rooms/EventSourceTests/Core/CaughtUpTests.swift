import EventSource
import StreamModel
import StreamStorage
import Testing

/// A lane of which nothing is wanted after some record (ESM-B10): it does not wait for what nobody asked for.
@Suite struct CaughtUpTests {
    private static let window = Duration.seconds(300)

    private static func world(goal: UInt64, batch: Int = 100, retries: Int = 0) -> LaneWorld {
        var world = LaneWorld(.test(batch: batch, window: window, retries: retries))
        world.send(.goal(SequenceNumber(goal)))
        return world
    }

    @Test func `ESM-B10 the last batch does not wait for its window`() {
        var world = Self.world(goal: 5)
        world.put(5)
        world.send(.start)
        #expect(world.calls == [.init(records: 0..<5, at: .zero, attempt: 1)])
        #expect(world.counters.batches == [.caughtUp: 1])
        #expect(world.trace.first?.rule == "ESM-B10")
        #expect(world.checkpoints.last == SequenceNumber(5))
        #expect(world.wake == nil && world.violations == [])
    }

    @Test func `ESM-B1 a backlog is cut by size all the same, however the store's reads are cut`() {
        for part in [1, 3, 7, 10_000] {
            var world = Self.world(goal: 25, batch: 10)
            world.recordsOfOneRead = part
            world.put(25)
            world.send(.start)
            #expect(world.sent == [0..<10, 10..<20, 20..<25])
            #expect(world.counters.batches == [.size: 2, .caughtUp: 1])
            #expect(world.elapsed == .zero)
        }
    }

    @Test func `ESM-B10 a backlog of one batch that comes in many reads is one batch`() {
        var world = Self.world(goal: 8)
        world.recordsOfOneRead = 3
        world.put(8)
        world.send(.start)
        #expect(world.sent == [0..<8])
    }

    @Test func `ESM-B10 what is put later is neither waited for nor delivered, before or after the last batch`() {
        for window in [Duration.zero, Self.window] {
            var world = LaneWorld(.test(window: window))
            world.checkpointsAtOnce = false
            world.send(.goal(SequenceNumber(3)))
            world.put(5)
            world.send(.start)
            #expect(world.sent == [0..<3])
            world.put(200)
            world.answerCheckpoint()
            world.runToRest()
            #expect(world.sent == [0..<3])
            #expect(world.checkpoints == [SequenceNumber(3)])
            world.send(.stop)
            #expect(world.stops == [.asked] && world.violations == [])
        }
    }

    @Test func `ESM-B10 records that come while the goal is not read yet are waited for, but not for the window`() {
        var world = Self.world(goal: 4)
        world.put(2)
        world.send(.start)
        world.advance(by: .seconds(10))
        #expect(world.sent == [])
        world.put(2)
        #expect(world.calls == [.init(records: 0..<4, at: .seconds(10), attempt: 1)])
    }

    @Test func `ESM-B4 the payload closes a batch before the end does`() {
        var settings = LaneCore.Settings.test(window: Self.window)
        settings.payload = .rawBytes(limit: 5)
        var world = LaneWorld(settings)
        world.send(.goal(SequenceNumber(5)))
        world.put(5, bytes: 2)
        world.send(.start)
        #expect(world.sent == [0..<2, 2..<4, 4..<5])
        #expect(world.counters.batches == [.payload: 2, .caughtUp: 1])
    }

    @Test func `ESM-A7 a unit that fails is tried again after its pause, and nothing else waits`() {
        var world = Self.world(goal: 3, retries: 2)
        var failures = 0
        world.function = { invocation in
            guard invocation.unit.records.contains(where: { $0.sequenceNumber.rawValue == 2 }) else { return .success }
            failures += 1
            return failures <= 3 ? .fails : .success
        }
        world.put(3)
        world.send(.start)
        world.runToRest()
        // 0..<3 and 0..<2 are cut; record 1 alone fails once more, after which there is one pause.
        #expect(world.sent == [0..<3, 0..<2, 0..<1, 1..<2, 1..<2, 2..<3])
        #expect(world.elapsed == .milliseconds(500))
    }

    @Test func `ESM-G4 a goal among records that expired or were lost is reached`() {
        var world = Self.world(goal: 6)
        world.put(6)
        world.trimmedThrough = SequenceNumber(2)
        world.lost = SequenceNumber(5)...SequenceNumber(6)
        world.send(.start)
        #expect(world.sent == [2..<4])
        #expect(world.documents.map(\.condition) == [.recordsExpired, .recordsLost])
        #expect(world.checkpoints.last == SequenceNumber(6))
        #expect(world.elapsed == .zero)
    }

    @Test func `ESM-A9 the unit of a crash, which the process before began, does not wait either`() {
        var world = LaneWorld(
            .test(batch: 10, window: Self.window, retries: 3, bisects: false),
            from: .init(
                position: .zero,
                note: AttemptNote(first: SequenceNumber(1), last: SequenceNumber(4), count: 1, cause: ""),
                notesAttempts: true))
        world.send(.goal(SequenceNumber(4)))
        world.put(6)
        world.send(.start)
        world.runToRest()
        #expect(world.sent == [0..<4])
        #expect(world.checkpoints.last == SequenceNumber(4))
    }

    @Test func `ESM-B10 a goal in a jump of numbers, where no record is, is reached`() throws {
        let now = Moment(monotonic: MonotonicTime(sinceOrigin: .zero), wall: LaneWorld.beginning)
        for hasLater in [false, true] {
            var lane = ShardCore(
                .init(position: .zero), settings: .test(window: Self.window), denseNumbers: true, jitterSeed: 1)
            _ = lane.handle(.goal(SequenceNumber(50)), at: now)
            _ = lane.handle(.start, at: now)
            var batch = RecordBatch([LaneWorld.run(3)])
            if hasLater { batch.append(LaneWorld.run(1, first: 100)) }
            let read = ReadResult(batch: batch, next: SequenceNumber(hasLater ? 100 : 60), tip: SequenceNumber(100))
            let closed = lane.handle(.read(1, read), at: now)
            let invocation = try #require(
                closed.actions.compactMap { if case .invoke(let invocation) = $0 { invocation } else { nil } }.first)
            #expect(invocation.unit.records.count == 3)
            _ = lane.handle(.invocationEnded(invocation.number, .success), at: now)
            _ = lane.handle(.checkpointed, at: now)
            _ = lane.handle(.checkpointed, at: now)
            #expect(lane.persistedPosition == SequenceNumber(50))
        }
    }

    @Test func `ESM-B10 what expires after the goal is left to the next run`() {
        var world = Self.world(goal: 3)
        world.put(5)
        world.send(.start)
        #expect(world.sent == [0..<3])
        world.send(.trimmed(through: SequenceNumber(5)))
        world.runToRest()
        #expect(world.documents.isEmpty && world.counters.expired == 0)
        #expect(world.checkpoints.last == SequenceNumber(3))
    }

    @Test func `ESM-B10 ESM-H1 a shard that is closed after the goal does not end with the goal`() {
        for closesAtOnce in [false, true] {
            var world = Self.world(goal: 3)
            world.put(5)
            if closesAtOnce { world.close() }
            world.send(.start)
            world.close()
            #expect(world.sent == [0..<3])
            #expect(world.checkpoints.last == SequenceNumber(3) && world.stops == [])
            #expect(world.durable.isShardEnd == false)
            world.send(.goal(nil))
            world.runToRest()
            #expect(world.sent == [0..<3, 3..<5] && world.stops == [.shardEnd])
        }
    }

    @Test func `ESM-B10 a goal that is taken back is none`() {
        var world = Self.world(goal: 2)
        world.put(3)
        world.send(.start)
        #expect(world.sent == [0..<2])
        world.send(.goal(nil))
        world.put(1)
        world.advance(by: Self.window)
        #expect(world.sent == [0..<2, 2..<4])
        #expect(world.counters.batches == [.caughtUp: 1, .window: 1])
    }
}
