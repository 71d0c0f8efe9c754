import EventSource
import StreamModel
import Testing

/// Handing over what is given up (ESM-D8, ESM-D9, ESM-P6).
@Suite struct DestinationTests {
    /// One bad record in the middle of three, a batch each.
    static func world(destination: Bool = true) -> LaneWorld {
        var world = LaneWorld(.test(batch: 1, destination: destination))
        world.function = { $0.unit.first.rawValue == 2 ? .fails : .success }
        world.put(3)
        return world
    }

    @Test func `ESM-D9 a failing destination is tried again with pauses, the function is not`() {
        var world = Self.world()
        var failures = 0
        world.destination = { _ in
            failures += 1
            return failures <= 4 ? .fails() : .takes(checkpointed: true)
        }
        world.send(.start)
        #expect(world.sent == [0..<1, 1..<2])
        world.advance(by: .seconds(100))
        #expect(world.handOvers.map(\.at) == [0, 0.5, 1.5, 3.5, 7.5].map { .seconds($0) })
        #expect(world.sent == [0..<1, 1..<2, 2..<3])
        #expect(world.documents.count == 1)
        #expect(world.counters.destinationFailures == 4)
    }

    @Test func `ESM-D9 the checkpoint waits for the destination`() {
        var world = Self.world()
        world.destination = { _ in .later }
        world.send(.start)
        #expect(world.checkpoints == [SequenceNumber(1)])
        guard case .handingOver(let span, failures: 0) = world.lane.status else { Issue.record(); return }
        #expect(span.last == SequenceNumber(2) && span.head?.partitionKey == "k" && span.count == 1)
        world.answerHandOver(.fails())
        #expect(world.checkpoints == [SequenceNumber(1)])
        #expect(world.lane.status == .handingOver(span, failures: 1))
        world.advance(by: .milliseconds(500))
        world.answerHandOver(.takes(checkpointed: true))
        #expect(world.checkpoints == [SequenceNumber(1), SequenceNumber(2), SequenceNumber(3)])
    }

    @Test func `ESM-P6 a destination apart from the checkpoint is followed by it`() {
        var world = LaneWorld(.test())
        world.checkpointsAtOnce = false
        world.function = { _ in .fails }
        world.destination = { _ in .takes(checkpointed: false) }
        world.put(1)
        world.send(.start)
        #expect(world.documents.count == 1)
        #expect(world.openCheckpoint?.position == SequenceNumber(1))
        #expect(!world.lane.isIdle)
        world.answerCheckpoint()
        #expect(world.lane.isIdle)
        #expect(world.violations == [])
    }

    @Test func `ESM-D10 what the destination has of a unit is not handed over again`() {
        var world = LaneWorld(.test(batch: 4, bisects: false))
        world.function = { _ in .fails }
        world.destination = { giveUp in
            giveUp.takenThrough == nil ? .fails(takenThrough: SequenceNumber(3)) : .takes(checkpointed: true)
        }
        world.put(4)
        world.send(.start)
        #expect(world.checkpoints == [SequenceNumber(3)])
        #expect(world.lane.persistedPosition == SequenceNumber(3))
        #expect(world.counters.destinationDelivered == 3)
        world.runToRest()
        #expect(world.documents.map(\.takenThrough) == [SequenceNumber(3)])
        #expect(world.counters.destinationDelivered == 4)
        #expect(world.counters.settled == world.counters.polled)
        #expect(world.checkpoints.last == SequenceNumber(4))
    }

    @Test func `ESM-D8 without a destination records are dropped and counted`() {
        var world = Self.world(destination: false)
        world.send(.start)
        #expect(world.sent == [0..<1, 1..<2, 2..<3])
        #expect(world.counters.dropped == 1)
        #expect(world.counters.givenUp == 1)
        #expect(world.handOvers.isEmpty)
        #expect(world.checkpoints.last == SequenceNumber(3))
        #expect(world.counters.settled == world.counters.polled)
    }

    @Test func `ESM-L4 taking the destination away frees a lane that waits for it`() {
        var world = Self.world()
        world.destination = { _ in .fails() }
        world.send(.start)
        world.advance(by: .seconds(100))
        world.send(.settingsChanged(.test(batch: 1, destination: false)))
        #expect(world.sent.last == 2..<3)
        #expect(world.counters.dropped == 1 && world.counters.destinationDelivered == 0)
        #expect(world.counters.settled == world.counters.polled)
    }

    @Test func `ESM-X9 each unit given up is a document of its own`() {
        var world = LaneWorld(.test(batch: 4))
        world.function = { _ in .fails }
        world.put(4)
        world.send(.start)
        #expect(world.documents.map(\.places) == [0..<1, 1..<2, 2..<3, 3..<4])
    }

    @Test func `ESM-R20 the record is given up at once, what is before it is done, what comes after it goes on`() {
        var world = LaneWorld(.test(batch: 6, retries: 3, bisects: false))
        world.function = { invocation in
            invocation.unit.records.contains { $0.sequenceNumber.rawValue == 3 } ? .permanent(2) : .success
        }
        world.destination = { _ in .later }
        world.put(6)
        world.send(.start)
        #expect(world.checkpoints == [SequenceNumber(2)])
        world.answerHandOver(.takes(checkpointed: true))
        #expect(world.sent == [0..<6, 3..<6])
        #expect(world.calls.map(\.attempt) == [1, 1])
        #expect(world.documents.map(\.condition) == [.permanentFailure])
        #expect(world.documents.map(\.invocations) == [1])
        #expect(world.elapsed == .zero)
    }
}
