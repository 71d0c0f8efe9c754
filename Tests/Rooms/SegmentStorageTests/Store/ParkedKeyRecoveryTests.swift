import ShardlineTesting
import StreamModel
import StreamStorage
import TestTraits
import Testing

@testable import SegmentStorage

/// Parked keys outlive restarts and losses of power, in the journal and in rows; a change of one writes one row; and they
/// go with their shard, when the mapping has reached its end.
@Suite(.timeLimit(.minutes(1)), .restingExecutor)
struct ParkedKeyRecoveryTests {
    enum End: CaseIterable { case orderly, powerCut }

    private static let key = MappingID(stream: "s", name: "m")

    private static func park(_ text: String, _ value: [UInt8]?, shard: UInt32 = 0, epoch: UInt64) -> Change {
        .park(
            ParkedKeyChange(mapping: key, shard: ShardID(shard), partitionKey: text, value: value, epoch: epoch))
    }

    private static func end(_ shard: UInt32, at position: UInt64, isEnd: Bool = true, epoch: UInt64) -> Change {
        .checkpoint(
            CheckpointMove(
                mapping: key, epoch: epoch,
                checkpoint: ShardCheckpoint(
                    shard: ShardID(shard), position: SequenceNumber(position), isShardEnd: isEnd)))
    }

    /// A machine with a stream, whose records live for 100 seconds, and a claimed mapping of it.
    private static func machine() async throws -> SteppedMachine {
        let machine = try SteppedMachine()
        try await machine.run { store in
            _ = try await store.createStream("s", settings: StreamSettings(shards: 1, retention: .seconds(100)))
            try await store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
            _ = try await store.claimMapping(key)
        }
        return machine
    }

    private static func epoch(_ machine: SteppedMachine) async throws -> UInt64 {
        try await machine.run { try await $0.describeMapping(key).epoch }
    }

    private static func commit(_ machine: SteppedMachine, _ changes: [Change]) async throws {
        let isDone = try await machine.run { store in
            if case .committed = try await store.commit(changes) { true } else { false }
        }
        #expect(isDone)
    }

    private static func parked(_ machine: SteppedMachine) async throws -> [String] {
        try await machine.run { store in
            try await store.parkedKeys(ParkedKeyQuery(key)).keys.map {
                "\($0.shard.number) \($0.partitionKey)=\($0.value)"
            }
        }
    }

    private static func rows(_ machine: SteppedMachine) throws -> Int {
        try machine.metadata.read()[.parked].count
    }

    @Test(arguments: End.allCases, [false, true])
    func `what was parked is there, and what was freed is not (STORE-E1)`(end: End, isFlushed: Bool) async throws {
        var machine = try await Self.machine()
        let epoch = try await Self.epoch(machine)
        for value: UInt8 in 0..<3 {
            try await Self.commit(
                machine,
                ["kept", "changed", "gone \(value)", ""].map { Self.park($0, [value], epoch: epoch) })
        }
        if isFlushed { machine.flush() }
        try await Self.commit(
            machine,
            (0..<3).map { Self.park("gone \($0)", nil, epoch: epoch) } + [Self.park("changed", [9], epoch: epoch)])
        let before = try await Self.parked(machine)
        #expect(before == ["0 =[2]", "0 changed=[9]", "0 kept=[2]"])
        for _ in 0..<2 {
            machine = end == .orderly ? try machine.reopened() : try machine.crashed()
            #expect(try await Self.parked(machine) == before)
            machine.flush()
            #expect(try Self.rows(machine) == 3)
        }
        // A mapping of the same name has none of them, and the rows of the deleted one are gone; so for the stream.
        for deletesStream in [false, true] {
            try await machine.run { store in
                if deletesStream {
                    try await store.deleteStream("s", force: true)
                    try await store.createStream("s", shards: 1)
                } else {
                    try await store.deleteMapping(Self.key)
                }
                try await store.createMapping(MappingDefinition(key: Self.key, startingPosition: .trimHorizon))
                let epoch = try await store.claimMapping(Self.key).epoch
                _ = try await store.commit([Self.park("new", [1], epoch: epoch)])
            }
            machine.flush()
            #expect(try Self.rows(machine) == 1)
            machine = end == .orderly ? try machine.reopened() : try machine.crashed()
            #expect(try await Self.parked(machine) == ["0 new=[1]"])
        }
    }

    @Test func `a change of one key writes one row, however many the shard has (STORE-E3)`() async throws {
        var machine = try await Self.machine()
        let epoch = try await Self.epoch(machine)
        let all = 0..<10_000
        try await Self.commit(machine, all.map { Self.park("\($0)", [1], epoch: epoch) })
        machine.flush()
        #expect(try Self.rows(machine) == all.count)
        try await Self.commit(
            machine,
            (0..<50).map { Self.park("\($0)", [2], epoch: epoch) }
                + (50..<75).map { Self.park("\($0)", nil, epoch: epoch) }
                + (0..<25).map { Self.park("new \($0)", [3], epoch: epoch) })
        let visible = machine.store.core.visible
        let (dirty, catalogue) = visible.takeDirty()
        let changes = catalogue.changes(dirty)
        let ofParked = changes.filter { change in
            switch change {
            case .put(let row): row.table == .parked
            case .remove(let table, let key): table == .parked && key.count == 3
            }
        }
        #expect(ofParked.count == 100 && changes.count == 100)
        visible.putBack(dirty)
        machine.flush()
        #expect(try Self.rows(machine) == all.count)
        let before = visible.catalogue.mappings
        machine = try machine.crashed()
        #expect(machine.store.core.visible.catalogue.mappings == before)
    }

    /// One call of thousands of changes must not copy the keys of the shard for each, and what changes nothing is not
    /// written.
    @Test func `a key that is not parked is freed without an entry (STORE-E3)`() async throws {
        let machine = try await Self.machine()
        let epoch = try await Self.epoch(machine)
        try await Self.commit(machine, [Self.park("a", [1], epoch: epoch)])
        var planner = Planner(
            machine.store.core.visible.catalogue, seed: 1, now: Timestamp(milliseconds: 1_000_000), commit: 50)
        let changes = [
            Self.park("none", nil, epoch: epoch), Self.park("a", nil, epoch: epoch), Self.park("a", nil, epoch: epoch),
            Self.park("b", [1], epoch: epoch), Self.park("b", nil, epoch: epoch),
        ]
        _ = try planner.plan(.commit(changes.map { .other($0) }))
        #expect(planner.entries.count == 3)
        #expect(planner.catalogue.mappings.values.allSatisfy { $0.parked.isEmpty })
    }

    @Test(arguments: End.allCases, [false, true])
    func `the move to the children is there as a whole or not at all (STORE-E4)`(
        end: End, isFlushed: Bool
    ) async throws {
        var machine = try await Self.machine()
        let epoch = try await Self.epoch(machine)
        _ = try await machine.run { try await $0.stream("s").put("x", partitionKey: "k") }
        try await Self.commit(machine, ["a", "b"].map { Self.park($0, [1], epoch: epoch) })
        try await Self.commit(
            machine, [.seal(Seal(stream: "s", parents: [ShardID(0)], children: HashKeyRange.even(2)))])
        if isFlushed { machine.flush() }
        try await Self.commit(
            machine,
            [
                Self.end(0, at: 1, epoch: epoch), Self.park("a", nil, epoch: epoch), Self.park("b", nil, epoch: epoch),
                Self.park("a", [1], shard: 1, epoch: epoch), Self.park("b", [1], shard: 2, epoch: epoch),
            ])
        for _ in 0..<2 {
            machine = end == .orderly ? try machine.reopened() : try machine.crashed()
            #expect(try await Self.parked(machine) == ["1 a=[1]", "2 b=[1]"])
            let mapping = try await machine.run { try await $0.describeMapping(Self.key) }
            #expect(mapping.checkpoints.map(\.shard.number) == [0] && mapping.checkpoints[0].isShardEnd)
            machine.flush()
            #expect(try Self.rows(machine) == 2)
        }
    }

    @Test(arguments: End.allCases)
    func `a shard is kept for its parked keys until the mapping has reached its end, and then goes with their rows`(
        end: End
    ) async throws {
        var machine = try await Self.machine()
        let epoch = try await Self.epoch(machine)
        _ = try await machine.run { try await $0.stream("s").put("x", partitionKey: "k") }
        try await Self.commit(
            machine,
            ["a", "b"].map { Self.park($0, [1], epoch: epoch) } + [Self.end(0, at: 1, isEnd: false, epoch: epoch)])
        try await Self.commit(
            machine, [.seal(Seal(stream: "s", parents: [ShardID(0)], children: HashKeyRange.even(2)))])
        // All of its records are done, and nobody runs the mapping (STORE-E4).
        try await machine.run { try await $0.releaseMapping(Self.key, epoch: epoch) }
        machine.time.advance(by: .seconds(110))
        for _ in 0..<2 {
            machine.maintain()
            #expect(try await Self.parked(machine) == ["0 a=[1]", "0 b=[1]"])
            machine.flush()
            #expect(try Self.rows(machine) == 2)
            machine = end == .orderly ? try machine.reopened() : try machine.crashed()
        }
        let newer = try await machine.run { try await $0.claimMapping(Self.key).epoch }
        try await Self.commit(
            machine, [Self.end(0, at: 1, epoch: newer), Self.park("c", [1], shard: 1, epoch: newer)])
        machine.maintain()
        machine.maintain()
        #expect(machine.store.core.visible.catalogue.shards.values.map(\.id.number).sorted() == [1, 2])
        for _ in 0..<2 {
            #expect(try await Self.parked(machine) == ["1 c=[1]"])
            machine.flush()
            #expect(try Self.rows(machine) == 1)
            machine = end == .orderly ? try machine.reopened() : try machine.crashed()
        }
    }

    /// A key's row may be newer than the commit that the replay begins at (STORE-F5).
    @Test func `replay over newer rows leaves the newest value`() async throws {
        let machine = try await Self.machine()
        let epoch = try await Self.epoch(machine)
        try await Self.commit(machine, [Self.park("a", [1], epoch: epoch)])
        var catalogue = machine.store.core.visible.catalogue
        let number = try catalogue.mapping(Self.key).number
        let shard = try #require(catalogue.shards.keys.first)
        func apply(_ value: [UInt8]?, _ commit: UInt64, shard: ShardNumber? = nil) -> Catalogue.Applied {
            catalogue.apply(
                .parked(
                    ParkedEntry(
                        mapping: number, shard: shard ?? ShardNumber(1), partitionKey: "a", value: value)),
                commit: commit)
        }
        #expect(shard == ShardNumber(1))
        #expect(apply([2], 90) == .done && apply([1], 50) == .done && apply(nil, 70) == .done)
        #expect(catalogue.mappings[number]?.parked[shard]?["a"]?.value == [2])
        #expect(apply(nil, 91) == .done)
        #expect(catalogue.mappings[number]?.parked.isEmpty == true)
        #expect(apply([1], 92, shard: ShardNumber(77)) == .unknown)
        #expect(catalogue.mappings[number]?.parked.isEmpty == true)
    }
}
