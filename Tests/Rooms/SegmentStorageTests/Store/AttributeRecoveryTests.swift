import ShardlineTesting
import StreamModel
import StreamStorage
import TestTraits
import Testing

@testable import SegmentStorage

/// STORE-B1 and STORE-B2: attributes outlive restarts and losses of power, in the journal and in rows; and a revision is
/// never that of another value.
@Suite(.timeLimit(.minutes(1)), .restingExecutor)
struct AttributeRecoveryTests {
    enum End: CaseIterable { case orderly, powerCut }

    private static let owners: [AttributeOwner] = [.account("a"), .stream("s"), .consumer("c", of: "s")]

    private static func all(_ machine: SteppedMachine) async throws -> [[Attribute]] {
        try await machine.run { store in
            var all: [[Attribute]] = []
            for owner in owners { all.append(try await store.attributes(AttributeQuery(owner)).attributes) }
            return all
        }
    }

    @Test(arguments: End.allCases, [false, true])
    func `what was set is there, and what was removed is not`(end: End, isFlushed: Bool) async throws {
        var machine = try SteppedMachine()
        try await machine.run { store in
            try await store.createStream("s", shards: 1)
            for value: UInt8 in 0..<3 {
                try await store.changeAttributes(
                    Self.owners.flatMap { owner in
                        ["kept", "changed"].map { AttributeChange(owner, $0, .set([value])) }
                            + [AttributeChange(owner, "gone \(value)", .set([value]))]
                    })
            }
        }
        if isFlushed { machine.flush() }
        try await machine.run { store in
            try await store.changeAttributes(
                Self.owners.flatMap { owner in
                    (0..<3).map { AttributeChange(owner, "gone \($0)", .remove) }
                        + [AttributeChange(owner, "changed", .set([9]))]
                })
        }
        let before = try await Self.all(machine)
        #expect(before.map { $0.map(\.name) } == Array(repeating: ["changed", "kept"], count: 3))
        #expect(before.map { $0.map(\.value) } == Array(repeating: [[9], [2]], count: 3))
        for _ in 0..<2 {
            machine = end == .orderly ? try machine.reopened() : try machine.crashed()
            #expect(try await Self.all(machine) == before)
            machine.flush()
        }
        // A stream of the same name has none of them, and the rows of the deleted one are gone.
        try await machine.run { store in
            try await store.deleteStream("s", force: false)
            try await store.createStream("s", shards: 1)
        }
        machine.flush()
        for _ in 0..<2 {
            machine = end == .orderly ? try machine.reopened() : try machine.crashed()
            #expect(try await Self.all(machine) == [before[0], [], []])
        }
    }

    /// The number of a commit may come again after a crash.
    @Test func `each opening gives other revisions`() async throws {
        var machine = try SteppedMachine()
        var revisions: Set<UInt64> = []
        for round: UInt8 in 0..<4 {
            try await machine.run { store in
                for value: UInt8 in 0..<3 {
                    try await store.changeAttributes([AttributeChange(.account(""), "a", .set([round, value]))])
                }
            }
            let found = try await machine.run { try await $0.attributes(AttributeQuery(.account(""))).attributes }
            #expect(found.map(\.value) == [[round, 2]])
            for attribute in found { #expect(revisions.insert(attribute.revision).inserted) }
            machine = try machine.crashed()
        }
    }

    /// An attribute's row may be newer than the commit that the replay begins at.
    @Test func `replay over newer rows leaves the newest value`() {
        var catalogue = Catalogue()
        func entry(_ value: [UInt8]?, _ revision: UInt64) -> Entry {
            .attributeChanged(
                AttributeEntry(
                    stream: AttributeEntry.accounts, part: "", name: "a", revision: revision, value: value))
        }
        catalogue.apply(entry([2], 2), commit: 9)
        catalogue.apply(entry([1], 1), commit: 5)
        catalogue.apply(entry(nil, 1), commit: 7)
        #expect(catalogue.accountAttributes.attributes(of: "") == [Attribute(name: "a", value: [2], revision: 2)])
        catalogue.apply(entry(nil, 3), commit: 10)
        #expect(catalogue.accountAttributes.isEmpty)
        let unknown = AttributeEntry(stream: StreamNumber(7), part: "", name: "a", revision: 1, value: [])
        #expect(catalogue.apply(.attributeChanged(unknown), commit: 11) == .unknown)
    }
}
