import ShardlineTesting
import StreamModel
import StreamStorage
import TestTraits
import Testing

@testable import SegmentStorage

/// What retention has ended stays so: under a longer one, after a restart, with the clock set back.
@Suite(.timeLimit(.minutes(1)), .restingExecutor)
struct RetentionChangeTests {
    private static let hour = Duration.seconds(3_600)

    /// A machine whose stream has "old", and "new" an hour later.
    private static func machine(retention: Duration = .seconds(86_400)) async throws -> SteppedMachine {
        let machine = try SteppedMachine()
        try await machine.run { store in
            _ = try await store.createStream("s", settings: StreamSettings(retention: retention))
            try await store.stream("s").put("old", partitionKey: "k")
        }
        machine.time.advance(by: hour)
        try await machine.run { _ = try await $0.stream("s").put("new", partitionKey: "k") }
        return machine
    }

    enum End: CaseIterable { case orderly, powerCut }

    private static func next(_ machine: SteppedMachine, _ end: End, clock: Duration) throws -> SteppedMachine {
        switch end {
        case .orderly: try machine.reopened(clock: clock)
        case .powerCut: try machine.crashed(clock: clock)
        }
    }

    @Test(arguments: End.allCases, [false, true])
    func `what a shorter retention removed does not come back`(end: End, isFlushed: Bool) async throws {
        var machine = try await Self.machine()
        if isFlushed { machine.flush() }
        let changed = try await machine.run { try await $0.updateStream("s", retention: .seconds(60)) }
        #expect(changed.retention == .seconds(60))
        #expect(changed.shards.map(\.trimHorizon.rawValue) == [1])
        _ = try await machine.run { try await $0.updateStream("s", retention: .seconds(365 * 86_400)) }
        for round in 0..<2 {
            machine = try Self.next(machine, end, clock: round == 0 ? .seconds(-7_200) : .zero)
            let found = try await machine.run { try await $0.readThrough() }
            #expect(found.texts == ["new"])
            #expect(found.expired == [SequenceNumber(1)...SequenceNumber(1)])
            let stream = try await machine.run { try await $0.describeStream("s") }
            #expect(stream.retention == .seconds(365 * 86_400))
            #expect(stream.shards.map(\.trimHorizon.rawValue) == [1])
            // Rows and the flush's start carry it too.
            machine.flush()
        }
    }

    @Test(arguments: End.allCases) func `what expired before a longer retention does not come back`(
        end: End
    ) async throws {
        var machine = try await Self.machine(retention: .seconds(1_800))
        _ = try await machine.run { try await $0.updateStream("s", retention: .seconds(86_400)) }
        machine = try Self.next(machine, end, clock: .seconds(-3_500))
        #expect(try await machine.run { try await $0.readThrough().texts } == ["new"])
    }

    @Test func `what expired by the clock stays expired when the clock is set back before the next opening`()
        async throws
    {
        var machine = try await Self.machine(retention: .seconds(1_800))
        #expect(try await machine.run { try await $0.readThrough().texts } == ["new"])
        machine = try machine.reopened(clock: .seconds(-3_500))
        #expect(try await machine.run { try await $0.readThrough().texts } == ["new"])
    }

    @Test func `maintenance makes it durable while the store runs`() async throws {
        var machine = try await Self.machine(retention: .seconds(1_800))
        machine.maintain()
        machine = try machine.crashed(clock: .seconds(-3_500))
        #expect(try await machine.run { try await $0.readThrough().texts } == ["new"])
    }

    @Test func `a stream in which nothing expires is not noted again and again`() async throws {
        let machine = try await Self.machine(retention: .seconds(1_800))
        machine.maintain()
        machine.time.advance(by: .seconds(1_800))
        machine.maintain()
        let commit = machine.store.core.visible.watermark
        for _ in 0..<5 {
            machine.time.advance(by: .seconds(3_600))
            machine.maintain()
        }
        // Nothing but the mark that proves the last commit.
        #expect(machine.store.core.visible.watermark <= commit + 1)
    }

    @Test func `what is put with the clock set far back does not expire at once`() async throws {
        var machine = try await Self.machine(retention: .seconds(1_800))
        machine = try machine.reopened(clock: .seconds(-365 * 86_400))
        let receipt = try await machine.run { try await $0.stream("s").put("later", partitionKey: "k") }
        #expect(receipt.sequenceNumber.rawValue == 3)
        machine.maintain()
        #expect(try await machine.run { try await $0.readThrough().texts } == ["new", "later"])
        // In a shard that had no record yet, too.
        _ = try await machine.run {
            try await $0.commit([
                .seal(Seal(stream: "s", parents: [ShardID(0)], children: HashKeyRange.even(2)))
            ])
        }
        let child = try await machine.run { try await $0.stream("s").put("in a child", partitionKey: "k") }
        let texts = try await machine.run { try await $0.readThrough(shard: child.shard.number).texts }
        #expect(texts == ["in a child"])
    }

    @Test func `what has expired never goes back, whatever rows and entries were saved`() {
        var journal = JournalStandIn()
        let stream = journal.createStream("a")
        var catalogue = journal.catalogue
        func change(_ through: Int64?, _ commit: UInt64) {
            catalogue.apply(
                .streamChanged(
                    StreamChangedEntry(
                        key: stream.key, retention: .seconds(5), maximumRecordSize: 1, isFailureStream: false,
                        expiredThrough: through.map { Timestamp(milliseconds: $0) })), commit: commit)
        }
        change(5_000, 10)
        change(4_500, 9)
        #expect(catalogue.streams[stream.key]?.expiredThrough == Timestamp(milliseconds: 5_000))
        // A row may be newer than the note beside it, if only one of the two was saved: what has expired stays so.
        change(6_000, 9)
        change(4_000, 11)
        change(nil, 12)
        #expect(catalogue.streams[stream.key]?.expiredThrough == Timestamp(milliseconds: 6_000))
        #expect(catalogue.streams[stream.key]?.expiry(at: Timestamp(milliseconds: 0)).milliseconds == 6_000)
        #expect(catalogue.streams[stream.key]?.expiry(at: Timestamp(milliseconds: 12_000)).milliseconds == 7_000)
        #expect(catalogue.shards[journal.shard("a").key]?.arrival(at: .init(milliseconds: 1)).milliseconds == 6_001)
    }
}
