import EventSource
import StreamModel
import StreamStorage
import Testing

/// A function that kills its process (ESM-A9).
@Suite struct CrashNoteTests {
    @Test func `ESM-A9 after an orderly end nothing is noted`() {
        var world = LaneWorld(.test(batch: 2))
        world.put(6)
        world.send(.start)
        #expect(world.notes.isEmpty)
    }

    @Test func `ESM-A9 after an unclean end the attempts of the first batch are noted before it is invoked`() {
        var world = LaneWorld(
            .test(batch: 4, retries: 1), from: .init(position: SequenceNumber(2), notesAttempts: true))
        world.function = { $0.unit.records.contains { $0.sequenceNumber.rawValue == 4 } ? .fails : .success }
        world.put(12)
        world.send(.start)
        world.runToRest()
        let noted = world.notes.map { "\($0.first)-\($0.last) \($0.count) \($0.cause)" }
        #expect(noted == ["3-6 1 ", "3-4 1 ", "3-3 1 ", "4-4 1 ", "4-4 2 boom", "5-6 1 "])
        #expect(world.sent.last == 10..<12)
    }

    @Test func `ESM-A9 a checkpoint takes the note along, and the second batch waits for the first one's end`() {
        var world = LaneWorld(.test(batch: 2), from: .init(position: .zero, notesAttempts: true))
        world.checkpointsAtOnce = false
        world.function = { $0.unit.records.count == 2 && $0.unit.first.rawValue == 1 ? .fails : .success }
        world.put(4)
        world.send(.start)
        #expect(world.sent == [])
        world.answerCheckpoint()
        #expect(world.sent == [0..<2])
        world.answerCheckpoint()
        #expect(world.sent == [0..<2, 0..<1])
        #expect(world.openCheckpoint?.position == SequenceNumber(1))
        #expect(world.openCheckpoint?.notes.map(\.note.first) == [SequenceNumber(2)])
        world.answerCheckpoint()
        #expect(world.sent == [0..<2, 0..<1, 1..<2])
        #expect(world.notes.count == 3)
        world.answerCheckpoint()
        #expect(world.sent == [0..<2, 0..<1, 1..<2, 2..<4])
        #expect(world.notes.count == 3)
    }

    @Test func `ESM-A9 an orderly stop takes the note back`() {
        var world = LaneWorld(
            .test(batch: 2, retries: 5, bisects: false), from: .init(position: .zero, notesAttempts: true))
        world.function = { _ in .fails }
        world.put(2)
        world.send(.start)
        #expect(world.durable.notes.map(\.note.count) == [1])
        world.send(.stop)
        #expect(world.stops == [.asked] && world.durable.notes.isEmpty)
    }

    @Test func `ESM-L2 ESM-A9 a pause keeps the note, and a stop after it takes it back`() {
        var world = LaneWorld(
            .test(batch: 2, retries: 5, bisects: false), from: .init(position: .zero, notesAttempts: true))
        world.function = { _ in .fails }
        world.put(2)
        world.send(.start)
        #expect(world.durable.notes.map(\.note.count) == [1])
        world.send(.pause)
        #expect(world.stops == [.asked] && world.durable.notes.map(\.note.count) == [1])
        world.advance(by: .seconds(60))
        #expect(world.calls.count == 1)
        world.send(.start)
        #expect(world.calls.map(\.attempt) == [1, 2] && world.durable.notes.map(\.note.count) == [2])
        world.send(.pause)
        world.send(.stop)
        #expect(world.stops == [.asked, .asked, .asked] && world.durable.notes.isEmpty)
    }

    /// Runs process after process; the function kills each one that it gets the record at `killer` in.
    static func processes(killer: Int, _ settings: LaneCore.Settings) -> (last: LaneWorld, crashes: Int) {
        var world = LaneWorld(settings)
        world.function = { $0.unit.records.index(of: SequenceNumber(UInt64(killer + 1))) == nil ? .success : nil }
        world.put(40)
        var crashes = 0
        while true {
            world.send(.start)
            world.runToRest()
            guard world.openInvocation != nil, crashes < 100 else { return (world, crashes) }
            crashes += 1
            world = world.afterCrash()
        }
    }

    @Test(arguments: [0, 1, 7, 8, 12, 15, 39])
    func `ESM-A9 a record that kills its process is isolated and given up`(killer: Int) {
        let (world, crashes) = Self.processes(killer: killer, .test(batch: 8, retries: 2))
        #expect(world.documents.map(\.places) == [killer..<killer + 1])
        #expect(world.documents.map(\.condition) == [.retryAttemptsExhausted])
        #expect(world.documents.map(\.invocations) == [3])
        #expect(world.documents.first?.failure?.type == "ProcessEnded")
        #expect(world.checkpoints.last == SequenceNumber(40))
        // The first crash leaves no note; then one for each halving, and one for each attempt of the record.
        #expect(crashes <= 1 + 3 + 3)
        #expect(world.violations == [])
    }

    @Test func `ESM-A9 without bisect the whole batch is given up in the end`() {
        let (world, crashes) = Self.processes(killer: 9, .test(batch: 8, retries: 2, bisects: false))
        #expect(world.documents.map(\.places) == [8..<16])
        #expect(world.documents.map(\.invocations) == [3])
        #expect(crashes == 4)
    }

    @Test func `ESM-A9 the unit of a crash is taken up as it was, though batches are smaller now`() {
        var world = LaneWorld(
            .test(batch: 2, retries: 5, bisects: false),
            from: .init(
                position: SequenceNumber(10),
                note: AttemptNote(
                    first: SequenceNumber(11), last: SequenceNumber(30), count: 3, cause: "boom")))
        world.recordsOfOneRead = 3
        world.put(40)
        world.send(.start)
        #expect(world.counters.batches[.crash] == 1)
        #expect(world.calls.isEmpty)
        world.runToRest()
        // Three attempts have failed, so this one waits for two seconds.
        #expect(world.calls.first == .init(records: 10..<30, at: .seconds(2), attempt: 4))
        #expect(world.sent.dropFirst() == [30..<32, 32..<34, 34..<36, 36..<38, 38..<40])
        #expect(world.counters.resentRecords == 20)
    }

    @Test func `ESM-A9 what expired of the unit of a crash is not waited for`() {
        var world = LaneWorld(
            .test(batch: 8, retries: 5, bisects: false),
            from: .init(
                position: .zero,
                note: AttemptNote(first: SequenceNumber(1), last: SequenceNumber(8), count: 1, cause: "")))
        world.put(20)
        world.trimmedThrough = SequenceNumber(5)
        world.send(.start)
        world.runToRest()
        #expect(world.documents.map(\.places) == [0..<5])
        #expect(world.sent == [5..<8, 8..<16, 16..<20])
    }

    @Test func `ESM-A9 the note of a version before lanes is the one of the only lane`() throws {
        let note = AttemptNote(first: SequenceNumber(5), last: SequenceNumber(8), count: 2, cause: "boom")
        let checkpoint = ShardCheckpoint(
            shard: ShardID(0), position: SequenceNumber(4), isShardEnd: false, state: [], earlierAttempts: note)
        let progress = try ShardProgress(checkpoint)
        #expect(progress == ShardProgress(position: SequenceNumber(4), notes: [.init(lane: 0, note)]))
        // It is kept on in the state.
        let next = ShardCheckpoint(shard: ShardID(0), position: SequenceNumber(4), state: progress.encodedState)
        #expect(try ShardProgress(next) == progress)
    }

    @Test func `ESM-A9 a note about other records is not looked at`() {
        for note in [(3, 8), (30, 31)] {
            var world = LaneWorld(
                .test(batch: 8),
                from: .init(
                    position: note.0 == 3 ? SequenceNumber(8) : .zero,
                    note: AttemptNote(
                        first: SequenceNumber(UInt64(note.0)), last: SequenceNumber(UInt64(note.1)), count: 9,
                        cause: "")))
            world.put(16)
            world.send(.start)
            #expect(world.counters.batches[.crash] == 0)
            #expect(world.documents.isEmpty)
            #expect(world.checkpoints.last == SequenceNumber(16))
        }
    }
}
