import EventSource
import StreamModel
import Testing

/// Stopping, starting, and settings that change (section L).
@Suite struct LifeTests {
    @Test func `ESM-L3 a stop waits for the invocation in flight and takes its result`() {
        var world = LaneWorld(.test(batch: 2))
        world.function = { _ in nil }
        world.put(6)
        world.send(.start)
        world.send(.stop)
        #expect(world.stops == [])
        world.answer(.success)
        #expect(world.stops == [.asked])
        #expect(world.checkpoints == [SequenceNumber(2)])
        #expect(world.sent == [0..<2])
    }

    @Test func `ESM-L3 a stop ends only when what is done is durable`() {
        var world = LaneWorld(.test(batch: 2))
        world.checkpointsAtOnce = false
        world.function = { $0.unit.first.rawValue == 1 ? .success : nil }
        world.put(6)
        world.send(.start)
        world.send(.stop)
        world.answer(.success)
        #expect(world.stops == [])
        world.answerCheckpoint()
        #expect(world.stops == [] && world.openCheckpoint?.position == SequenceNumber(4))
        world.answerCheckpoint()
        #expect(world.stops == [.asked])
    }

    @Test func `ESM-L2 a lane that starts again goes on where it was, nothing is lost and nothing comes twice`() {
        var world = LaneWorld(.test(batch: 2))
        world.function = { _ in nil }
        world.put(6)
        world.send(.start)
        world.send(.stop)
        world.answer(.success)
        world.put(1)
        world.advance(by: .seconds(60))
        #expect(world.sent == [0..<2])
        world.function = { _ in .success }
        world.send(.start)
        #expect(world.sent == [0..<2, 2..<4, 4..<6, 6..<7])
        #expect(world.counters.settled == world.counters.polled)
        #expect(world.counters.resentRecords == 0)
    }

    @Test func `ESM-A9 attempts survive a stop and a start`() {
        var world = LaneWorld(.test(batch: 2, retries: 2, bisects: false))
        world.function = { _ in nil }
        world.put(2)
        world.send(.start)
        world.answer(.fails)
        world.advance(by: .milliseconds(500))
        world.send(.stop)
        world.answer(.fails)
        #expect(world.stops == [.asked])
        world.send(.start)
        world.advance(by: .seconds(1))
        #expect(world.calls.map(\.attempt) == [1, 2, 3])
        world.answer(.fails)
        #expect(world.documents.map(\.invocations) == [3])
    }

    @Test func `ESM-A11 a stop comes before giving up`() {
        var world = LaneWorld(.test())
        world.function = { _ in nil }
        world.put(1)
        world.send(.start)
        world.send(.stop)
        world.answer(.fails)
        #expect(world.documents.isEmpty && world.stops == [.asked])
        world.send(.start)
        #expect(world.documents.count == 1)
    }

    @Test func `ESM-L3 an invocation that was cancelled leaves its unit as it was`() {
        var world = LaneWorld(.test())
        world.function = { _ in nil }
        world.put(2)
        world.send(.start)
        world.send(.stop)
        world.answer(.cancelled)
        #expect(world.stops == [.asked] && world.checkpoints.isEmpty)
        world.send(.start)
        #expect(world.calls.map(\.attempt) == [1, 1])
    }

    @Test func `ESM-L3 a stop does not wait for a destination that fails`() {
        var world = LaneWorld(.test())
        world.function = { _ in .fails }
        world.destination = { _ in .later }
        world.put(1)
        world.send(.start)
        world.send(.stop)
        #expect(world.stops == [])
        world.answerHandOver(.fails())
        #expect(world.stops == [.asked] && world.checkpoints.isEmpty)
        world.send(.start)
        world.advance(by: .seconds(1))
        #expect(world.handOvers.count == 2)
    }

    @Test func `ESM-L3 a read that ends after a stop is not taken`() {
        var world = LaneWorld(.test())
        world.send(.start)
        world.send(.stop)
        world.put(3)
        #expect(world.counters.polled == 0)
        world.send(.start)
        #expect(world.sent == [0..<3])
    }

    @Test func `ESM-L4 lowering the retries frees a unit that waits`() {
        var world = LaneWorld(.test(retries: nil))
        world.function = { $0.unit.first.rawValue == 1 ? .fails : .success }
        world.put(1)
        world.send(.start)
        world.advance(by: .seconds(10))
        world.put(1)
        #expect(world.sent.last == 0..<1)
        world.send(.settingsChanged(.test(retries: 2)))
        #expect(world.documents.map(\.invocations) == [5])
        #expect(world.sent.last == 1..<2)
    }

    @Test func `ESM-L4 lowering the age frees a unit that waits`() {
        var world = LaneWorld(.test(retries: nil))
        world.function = { _ in .fails }
        world.put(1)
        world.send(.start)
        world.advance(by: .seconds(70))
        world.send(.settingsChanged(.test(retries: nil, age: .seconds(60))))
        #expect(world.documents.map(\.condition) == [.recordAgeExceeded])
    }

    @Test func `ESM-L4 a unit in flight keeps the settings that it began with`() {
        var world = LaneWorld(.test(batch: 4, bisects: false))
        world.function = { _ in nil }
        world.put(4)
        world.send(.start)
        world.send(.settingsChanged(.test(batch: 4, retries: 5, reports: false)))
        world.answer(.fails(from: 2))
        // Reports were on when it began, so there is progress; the rest is judged by the new settings.
        #expect(world.sent == [0..<4, 2..<4])
        world.answer(.fails(from: 3))
        #expect(world.sent == [0..<4, 2..<4, 2..<3])
    }

    @Test func `ESM-L4 a larger batch size does not merge units that exist`() {
        var world = LaneWorld(.test(batch: 4))
        world.function = { _ in nil }
        world.put(12)
        world.send(.start)
        world.answer(.fails)
        world.send(.settingsChanged(.test(batch: 100)))
        for _ in 0..<3 { world.answer(.success) }
        #expect(world.sent == [0..<4, 0..<2, 2..<4, 4..<12])
    }

    @Test func `ESM-L4 a shorter window ends the batch that waits`() {
        var world = LaneWorld(.test(window: .seconds(60)))
        world.send(.start)
        world.put(1)
        world.advance(by: .seconds(10))
        world.send(.settingsChanged(.test(window: .seconds(10))))
        #expect(world.calls == [.init(records: 0..<1, at: .seconds(10), attempt: 1)])
    }

    @Test func `ESM-A9 a listing shows what the lane is about`() {
        var world = LaneWorld(.test(window: .seconds(5), retries: 5))
        #expect(world.lane.status == .stopped)
        world.function = { _ in nil }
        world.send(.start)
        #expect(world.lane.status == .idle)
        world.put(1)
        #expect(world.lane.status == .filling(until: MonotonicTime(sinceOrigin: .seconds(5))))
        world.advance(by: .seconds(5))
        let span = world.openInvocation!.unit.span
        #expect(world.lane.status == .invoking(span, attempt: 1))
        world.answer(.fails)
        #expect(
            world.lane.status
                == .waiting(span, attempts: 1, until: MonotonicTime(sinceOrigin: .milliseconds(5_500))))
        #expect(world.lane.oldestHeldRecord?.number == SequenceNumber(1))
    }
}
