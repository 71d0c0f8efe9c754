import EventSource
import StreamModel
import StreamStorage
import Testing

/// Records that are too old, and those that retention ends (section G).
@Suite struct AgeAndExpiryTests {
    @Test func `ESM-G1 a record whose age reached the limit is not sent`() {
        var world = LaneWorld(.test(age: .seconds(60)))
        world.put(1, age: .milliseconds(60_000))
        world.put(1, age: .milliseconds(59_999))
        world.send(.start)
        #expect(world.sent == [1..<2])
    }

    @Test func `ESM-G1 a wall clock behind the arrivals makes no record old`() {
        var world = LaneWorld(.test(age: .seconds(60)))
        world.put(1, age: .seconds(-3_600))
        world.send(.start)
        #expect(world.sent == [0..<1])
    }

    @Test func `ESM-G2 only the old records are dropped, in one document`() {
        var world = LaneWorld(.test(age: .seconds(60)))
        world.put(2, age: .seconds(100))
        world.put(5, age: .seconds(1))
        world.send(.start)
        #expect(world.sent == [2..<7])
        #expect(world.documents.map(\.condition) == [.recordAgeExceeded])
        #expect(world.documents.map(\.places) == [0..<2])
        #expect(world.counters.givenUpRecords == [.recordAgeExceeded: 2])
    }

    @Test func `ESM-G3 the document has no response, and counts the invocations that were`() {
        var world = LaneWorld(.test(retries: nil, bisects: false, age: .seconds(2)))
        world.function = { _ in .fails }
        world.put(1)
        world.send(.start)
        world.runToRest()
        world.put(1, age: .seconds(2))
        #expect(world.documents.map(\.invocations) == [3, 0])
        #expect(world.documents.allSatisfy { $0.response == nil && $0.condition == .recordAgeExceeded })
    }

    @Test func `ESM-A10 a unit whose age limit passes in a pause ends at that moment`() {
        var world = LaneWorld(.test(retries: nil, bisects: false, age: .seconds(10)))
        world.function = { _ in .fails }
        world.put(1)
        world.send(.start)
        // Failures at 0, 0.5, 1.5, 3.5, 7.5; the next would be at 15.5.
        world.advance(by: .milliseconds(9_999))
        #expect(world.documents.isEmpty)
        world.advance(by: .milliseconds(1))
        #expect(world.documents.map(\.invocations) == [5])
        #expect(world.handOvers.map(\.at) == [.seconds(10)])
    }

    @Test func `ESM-X10 halves can age out`() {
        var world = LaneWorld(.test(batch: 4, age: .seconds(60)))
        world.function = { _ in nil }
        world.put(4, age: .seconds(50))
        world.send(.start)
        world.advance(by: .seconds(9))
        world.answer(.fails)
        world.advance(by: .seconds(1))
        world.answer(.success)
        #expect(world.sent == [0..<4, 0..<2])
        #expect(world.documents.map(\.places) == [2..<4])
        #expect(world.documents.map(\.invocations) == [0])
    }

    @Test func `ESM-A11 age ends a unit before its attempts do`() {
        var world = LaneWorld(.test(bisects: false, age: .seconds(60)))
        world.function = { _ in nil }
        world.put(1, age: .seconds(59))
        world.send(.start)
        world.advance(by: .seconds(1))
        world.answer(.fails)
        #expect(world.documents.map(\.condition) == [.recordAgeExceeded])
    }

    @Test func `ESM-A11 retention ends a unit before its age does`() {
        var world = LaneWorld(.test(bisects: false, age: .seconds(60)))
        world.function = { _ in nil }
        world.put(1, age: .seconds(59))
        world.send(.start)
        world.advance(by: .seconds(1))
        world.send(.trimmed(through: SequenceNumber(1)))
        world.answer(.fails)
        #expect(world.documents.map(\.condition) == [.recordsExpired])
    }

    @Test func `ESM-G4 what expired before it was read is told, counted and passed`() {
        var world = LaneWorld(.test())
        world.put(10)
        world.trimmedThrough = SequenceNumber(7)
        world.send(.start)
        #expect(world.sent == [7..<10])
        #expect(world.documents.map(\.condition) == [.recordsExpired])
        #expect(world.documents.map(\.places) == [0..<7])
        #expect(world.documents.map(\.count) == [7])
        #expect(world.documents.first?.records.isEmpty == true)
        #expect(world.counters.expired == 7)
        #expect(world.counters.polled == 3)
        #expect(world.counters.settled == 3)
        #expect(world.checkpoints.last == SequenceNumber(10))
        #expect(world.trace.contains { $0.rule == "ESM-G4" })
    }

    @Test func `ESM-G4 without dense numbers the count is not known`() {
        var lane = ShardCore(
            .init(position: .zero), settings: .test(), denseNumbers: false, jitterSeed: 1)
        let now = Moment(monotonic: .init(sinceOrigin: .zero), wall: LaneWorld.beginning)
        _ = lane.handle(.start, at: now)
        let decisions = lane.handle(
            .read(
                1,
                .init(
                    batch: RecordBatch(), expired: SequenceNumber(1)...SequenceNumber(9), next: SequenceNumber(9),
                    tip: SequenceNumber(9))), at: now)
        let giveUps = decisions.actions.compactMap { action -> LaneCore.GiveUp? in
            if case .handOver(let giveUp, _) = action { giveUp } else { nil }
        }
        #expect(giveUps.count == 1)
        #expect(giveUps.allSatisfy { $0.count == nil })
    }

    @Test func `ESM-G4 records in memory expire too, and a blocked unit frees the lane`() {
        var world = LaneWorld(.test(batch: 4, retries: nil))
        world.function = { $0.unit.first.rawValue == 1 ? .fails : .success }
        world.put(12)
        world.send(.start)
        world.advance(by: .seconds(30))
        #expect(world.sent.last == 0..<1)
        world.trimmedThrough = SequenceNumber(6)
        world.send(.trimmed(through: SequenceNumber(6)))
        #expect(world.documents.map(\.places) == [0..<1, 1..<2, 2..<4, 4..<6])
        #expect(world.documents.allSatisfy { $0.condition == .recordsExpired && $0.response == nil })
        #expect(world.documents.first!.invocations > 1)
        #expect(world.sent.last!.upperBound == 12)
        #expect(world.counters.expired == 6)
        #expect(world.counters.settled == world.counters.polled)
        #expect(world.violations == [])
    }

    @Test func `ESM-M9 expired records without a destination are not called dropped`() {
        var world = LaneWorld(.test(destination: false))
        world.function = { _ in nil }
        world.put(3)
        world.send(.start)
        world.send(.trimmed(through: SequenceNumber(2)))
        world.answer(.fails)
        world.answer(.success)
        #expect(world.counters.dropped == 0 && world.counters.expired == 2)
        #expect(world.counters.settled == world.counters.polled)
    }

    @Test func `ESM-A11 a call that was not made since its records expired counts as none`() {
        var world = LaneWorld(.test(batch: 2, retries: nil))
        world.function = { _ in nil }
        world.put(2)
        world.send(.start)
        world.send(.trimmed(through: SequenceNumber(1)))
        // What is under way is not ended by it.
        #expect(world.documents.isEmpty)
        world.answer(.expired)
        #expect(world.documents.map(\.condition) == [.recordsExpired])
        #expect(world.documents.map(\.places) == [0..<1])
        #expect(world.documents.map(\.invocations) == [0])
        #expect(world.documents.map(\.lastInvocation) == [nil])
        world.answer(.success)
        #expect(world.counters.invocations == 1 && world.counters.errors == 0 && world.counters.notReached == 0)
        #expect(world.counters.succeeded == 1 && world.counters.expired == 1)
        #expect(world.violations == [])
    }

    @Test func `ESM-G4 a batch that waits for its window expires in it`() {
        var world = LaneWorld(.test(batch: 10, window: .seconds(300)))
        world.put(3)
        world.send(.start)
        world.advance(by: .seconds(1))
        world.trimmedThrough = SequenceNumber(2)
        world.send(.trimmed(through: SequenceNumber(2)))
        #expect(world.documents.map(\.places) == [0..<2])
        #expect(world.sent.isEmpty)
        world.advance(by: .seconds(300))
        #expect(world.sent == [2..<3])
        #expect(world.counters.expired == 2)
    }
}
