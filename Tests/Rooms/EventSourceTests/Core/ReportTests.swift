import EventSource
import StreamModel
import Testing

/// What a function's report of failed records means (section R).
@Suite struct ReportTests {
    /// A unit of five records, numbered from 8, so that their order as text and as numbers differ.
    static let unit: LaneCore.Unit = {
        var world = LaneWorld(.test(), from: .init(position: SequenceNumber(7)))
        world.function = { _ in nil }
        world.put(12)
        world.send(.start)
        return world.openInvocation!.unit
    }()

    static func name(_ number: UInt64, arrival: UInt64 = 1_700_000_000) -> String {
        KinesisSequenceNumber(
            shard: ShardID(0), shardCreationSecond: 1_700_000_000, sequenceNumber: SequenceNumber(number),
            arrivalSecond: arrival
        ).description
    }

    enum Meaning: Equatable {
        case success, bad
        case partial(UInt64, String)
        case permanent(UInt64, String)
    }

    static func meaning(_ entries: [LaneCore.ReportedFailure]) -> Meaning? {
        switch unit.result(ofReport: entries) {
        case .success: .success
        case .badReport: .bad
        case .partial(let from, let failure): .partial(from.rawValue, failure.text)
        case .permanent(let number?, let failure): .permanent(number.rawValue, failure.text)
        default: nil
        }
    }

    @Test func `ESM-R2 an empty report is a success`() {
        #expect(Self.meaning([]) == .success)
    }

    @Test func `ESM-R10 ESM-R11 the lowest record counts, by number, and duplicates count once`() {
        let entries = [11, 10, 9, 10, 9].map {
            LaneCore.ReportedFailure(Self.name($0), failure: LaneCore.FunctionFailure("no \($0)"))
        }
        #expect(Self.meaning(entries) == .partial(9, "no 9"))
    }

    @Test(arguments: ["", "10", "zzz", name(7), name(13), name(9, arrival: 1_700_000_001)])
    func `ESM-R5 ESM-R8 an identifier that is none of the unit's makes the whole unit fail`(identifier: String) {
        #expect(Self.meaning([LaneCore.ReportedFailure(identifier)]) == .bad)
    }

    @Test func `ESM-R6 ESM-R7 an entry without an identifier makes the whole unit fail`() {
        #expect(Self.meaning([LaneCore.ReportedFailure(nil)]) == .bad)
    }

    @Test func `ESM-R11 one invalid entry among valid ones makes the whole unit fail`() {
        let valid = LaneCore.ReportedFailure(Self.name(9))
        #expect(Self.meaning([valid, LaneCore.ReportedFailure("")]) == .bad)
        #expect(Self.meaning([LaneCore.ReportedFailure(nil), valid]) == .bad)
    }

    @Test func `ESM-R20 an entry may say that its record can never be handled`() {
        let failure = LaneCore.FunctionFailure("hopeless")
        let permanent = LaneCore.ReportedFailure(Self.name(9), isPermanent: true, failure: failure)
        #expect(Self.meaning([LaneCore.ReportedFailure(Self.name(10)), permanent]) == .permanent(9, "hopeless"))
        // Only the lowest record's entry decides: those after it come again.
        #expect(
            Self.meaning([permanent, LaneCore.ReportedFailure(Self.name(8), failure: failure)])
                == .partial(8, "hopeless"))
        // Of two entries for one record, the stronger one, in either order.
        #expect(Self.meaning([LaneCore.ReportedFailure(Self.name(9)), permanent]) == .permanent(9, "hopeless"))
        #expect(Self.meaning([permanent, LaneCore.ReportedFailure(Self.name(9))]) == .permanent(9, "hopeless"))
    }

    @Test func `ESM-R4 with reports off a partial failure is a failure of the whole`() {
        var world = LaneWorld(.test(batch: 4, reports: false))
        world.function = { $0.unit.records.count == 4 ? .fails(from: 3) : .success }
        world.put(4)
        world.send(.start)
        #expect(world.sent == [0..<4, 0..<2, 2..<4])
    }
}
