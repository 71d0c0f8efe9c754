import ShardlineTesting
import StreamModel
import StreamStorage
import TestTraits
import Testing

@testable import SegmentStorage

/// STORE-Q4 and STORE-Q5: what a stream was changed to, and what it was created with, outlives every end.
@Suite(.timeLimit(.minutes(1)), .restingExecutor)
struct StreamChangeRecoveryTests {
    enum End: CaseIterable { case orderly, powerCut }

    @Test(arguments: End.allCases, [false, true])
    func `record size and first attributes are there after every end`(end: End, isFlushed: Bool) async throws {
        var machine = try SteppedMachine()
        let name = "123456789012:eu-west-1:s"
        try await machine.run { store in
            _ = try await store.createStream(
                name, settings: StreamSettings(retention: .seconds(60)), attributes: [NewAttribute("a", [1])])
        }
        if isFlushed { machine.flush() }
        let before = try await machine.run {
            try await $0.updateStream(name, retention: nil, maximumRecordSize: 7)
        }
        for round in 0..<3 {
            machine = end == .orderly ? try machine.reopened() : try machine.crashed()
            #expect(try await machine.run { try await $0.describeStream(name) } == before)
            #expect(before.maximumRecordSize == 7 && before.initialSettings.maximumRecordSize == 1 << 20)
            let found = try await machine.run { try await $0.attributes(AttributeQuery(.stream(name))).attributes }
            #expect(found.map(\.value) == [[1]])
            if round == 0 { machine.flush() } else { machine.maintain() }
        }
    }

    /// Calls that come together share a commit.
    @Test func `of several changes in one commit the last one holds`() throws {
        var planner = Planner(Catalogue(), seed: 1, now: Timestamp(milliseconds: 1_000_000), commit: 5)
        _ = try planner.plan(.createStream(name: "s", settings: StreamSettings(retention: .seconds(60))))
        _ = try planner.plan(.updateStream(name: "s", retention: .seconds(70), maximumRecordSize: nil))
        _ = try planner.plan(.updateStream(name: "s", retention: nil, maximumRecordSize: 7))
        var catalogue = planner.catalogue
        #expect(try catalogue.stream("s").retention == .seconds(70) && catalogue.stream("s").maximumRecordSize == 7)
        // The replay of the commit over the rows that it made changes nothing.
        for entry in planner.entries { catalogue.apply(entry, commit: 5) }
        #expect(catalogue == planner.catalogue)
        var replayed = Catalogue()
        for entry in planner.entries { replayed.apply(entry, commit: 5) }
        #expect(replayed == planner.catalogue)
        // An older change changes nothing.
        for entry in planner.entries { catalogue.apply(entry, commit: 4) }
        #expect(catalogue == planner.catalogue)
    }

    @Test func `a change that is none writes nothing`() throws {
        var planner = Planner(Catalogue(), seed: 1, now: Timestamp(milliseconds: 1_000_000), commit: 5)
        _ = try planner.plan(.createStream(name: "s", settings: StreamSettings()))
        let before = planner.entries.count
        _ = try planner.plan(.updateStream(name: "s", retention: nil, maximumRecordSize: nil))
        _ = try planner.plan(
            .updateStream(name: "s", retention: Limits.defaultRetention, maximumRecordSize: Limits.defaultRecordSize))
        #expect(throws: ShardlineError.self) {
            try planner.plan(.updateStream(name: "s", retention: nil, maximumRecordSize: 0))
        }
        #expect(planner.entries.count == before)
    }
}
