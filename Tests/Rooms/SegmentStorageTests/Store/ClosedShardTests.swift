import ShardlineTesting
import StreamModel
import StreamStorage
import TestTraits
import Testing

@testable import SegmentStorage

/// API-R-4, ESM-H4: closed shards are forgotten when nobody has anything to do in them, and not before, whatever ends
/// the process.
@Suite(.timeLimit(.minutes(1)), .restingExecutor)
struct ClosedShardTests {
    private static let key = MappingID(stream: "s", name: "m")

    /// A stream with three records whose shard was split, and a mapping that has done the first of them.
    private static func machine(hasMapping: Bool = true) async throws -> SteppedMachine {
        let machine = try SteppedMachine()
        try await machine.run { store in
            _ = try await store.createStream("s", settings: StreamSettings(retention: .seconds(100)))
            if hasMapping {
                try await store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
            }
            _ = try await store.stream("s").put(
                contentsOf: ["a", "b", "c"].map { NewRecord($0, partitionKey: "k") })
            _ = try await store.commit([
                .seal(Seal(stream: "s", parents: [ShardID(0)], children: HashKeyRange.even(2)))
            ])
        }
        if hasMapping { try await move(machine, to: 1) }
        return machine
    }

    private static func move(_ machine: SteppedMachine, to position: UInt64, isEnd: Bool = false) async throws {
        try await machine.run { store in
            let epoch = try await store.claimMapping(key).epoch
            let move = CheckpointMove(
                mapping: key, epoch: epoch,
                checkpoint: ShardCheckpoint(
                    shard: ShardID(0), position: SequenceNumber(position), isShardEnd: isEnd))
            _ = try await store.commit([.checkpoint(move)])
            try await store.releaseMapping(key, epoch: epoch)
        }
    }

    /// What the store knows of its shards, and of the mapping's checkpoints, and what the rows do.
    private static func known(_ machine: SteppedMachine) throws -> (shards: [UInt32], checkpoints: Int, rows: Int) {
        let catalogue = machine.store.core.visible.catalogue
        let contents = try machine.metadata.read()
        for stream in catalogue.streams.values {
            let closed = stream.shards.values.compactMap { key in
                catalogue.shards[key]?.closedAt.map { StreamState.ClosedShard(closedAt: $0, shard: key) }
            }
            #expect(stream.closedShards == closed.sorted())
        }
        return (
            catalogue.shards.values.map(\.id.number).sorted(),
            catalogue.mappings.values.reduce(0) { $0 + $1.checkpoints.count },
            contents[.shard].count + contents[.checkpoint].count
        )
    }

    @Test(arguments: RetentionChangeTests.End.allCases, [false, true])
    func `one in which nobody has anything to do is forgotten with its checkpoints`(
        end: RetentionChangeTests.End, isFlushed: Bool
    ) async throws {
        var machine = try await Self.machine()
        try await Self.move(machine, to: 3, isEnd: true)
        if isFlushed { machine.flush() }
        machine.maintain()
        #expect(try Self.known(machine).shards == [0, 1, 2])
        machine.time.advance(by: .seconds(110))
        machine.maintain()
        for round in 0..<3 {
            let known = try Self.known(machine)
            #expect(known.shards == [1, 2] && known.checkpoints == 0 && known.rows == 2)
            let stream = try await machine.run { try await $0.describeStream("s") }
            #expect(stream.shards.map { $0.parents.map(\.number) } == [[0], [0]])
            if round == 1 { machine.flush() }
            machine = end == .orderly ? try machine.reopened() : try machine.crashed()
            machine.maintain()
        }
        // Its number is not given out again.
        _ = try await machine.run {
            try await $0.commit([
                .seal(Seal(stream: "s", parents: [ShardID(1), ShardID(2)], children: HashKeyRange.even(1)))
            ])
        }
        #expect(try Self.known(machine).shards == [1, 2, 3])
    }

    @Test(arguments: RetentionChangeTests.End.allCases, [false, true])
    func `one that a mapping is not through waits for it, through every end`(
        end: RetentionChangeTests.End, isFlushed: Bool
    ) async throws {
        var machine = try await Self.machine()
        machine.time.advance(by: .seconds(110))
        for round in 0..<3 {
            if isFlushed { machine.flush() }
            machine.maintain()
            let mapping = try await machine.run { try await $0.describeMapping(Self.key) }
            #expect(mapping.expiredShards.map(\.id) == [ShardID(0)])
            let found = try await machine.run {
                try await $0.read(ReadRequest(stream: "s", shard: ShardID(0), after: SequenceNumber(1)))
            }
            #expect(found.expired == SequenceNumber(2)...SequenceNumber(3))
            #expect(found.endOfShard == [ShardID(1), ShardID(2)])
            #expect(try await machine.run { try await $0.describeStream("s").shards.map(\.id.number) } == [1, 2])
            let clock: Duration = round == 1 ? .seconds(-90) : .zero
            machine = end == .orderly ? try machine.reopened(clock: clock) : try machine.crashed(clock: clock)
        }
        try await Self.move(machine, to: 3, isEnd: true)
        machine.maintain()
        #expect(try Self.known(machine).shards == [1, 2])
    }

    @Test func `a mapping that runs and is on its way through keeps it`() async throws {
        let machine = try await Self.machine()
        try await Self.move(machine, to: 3)
        let epoch = try await machine.run { try await $0.claimMapping(Self.key).epoch }
        machine.time.advance(by: .seconds(110))
        machine.maintain()
        #expect(try Self.known(machine).shards == [0, 1, 2])
        try await machine.run { try await $0.releaseMapping(Self.key, epoch: epoch) }
        machine.maintain()
        #expect(try Self.known(machine).shards == [1, 2])
    }

    @Test(arguments: [false, true]) func `it goes with the mapping, or with a seek`(deletes: Bool) async throws {
        let machine = try await Self.machine()
        machine.time.advance(by: .seconds(110))
        machine.maintain()
        #expect(try Self.known(machine).shards == [0, 1, 2])
        try await machine.run { store in
            if deletes {
                try await store.deleteMapping(Self.key)
            } else {
                try await store.seekMapping(Self.key, to: .latest, shard: nil)
            }
        }
        machine.maintain()
        #expect(try Self.known(machine).shards == [1, 2])
    }

    @Test func `it goes with its stream`() async throws {
        var machine = try await Self.machine()
        machine.time.advance(by: .seconds(110))
        machine.maintain()
        try await machine.run { try await $0.deleteStream("s") }
        #expect(try Self.known(machine).shards == [])
        machine = try machine.crashed()
        machine.maintain()
        #expect(try Self.known(machine).shards == [])
        #expect(try machine.metadata.read()[.streamExpiry].isEmpty)
    }

    @Test func `many are forgotten in portions, the ones that were closed first before the others`() async throws {
        let machine = try SteppedMachine()
        try await machine.run { store in
            _ = try await store.createStream("s", settings: StreamSettings(shards: 600, retention: .seconds(100)))
        }
        let ranges = HashKeyRange.even(600)
        for number in stride(from: 0, to: 600, by: 2) {
            try await machine.run { store in
                _ = try await store.commit([
                    .seal(
                        Seal(
                            stream: "s", parents: [ShardID(UInt32(number)), ShardID(UInt32(number + 1))],
                            children: [HashKeyRange(first: ranges[number].first, last: ranges[number + 1].last)]))
                ])
            }
        }
        machine.time.advance(by: .seconds(110))
        #expect(try await machine.run { try await $0.describeStream("s").shards.count } == 300)
        var left: [Int] = []
        for _ in 0..<4 {
            machine.maintain()
            left.append(try Self.known(machine).shards.count)
        }
        #expect(left.last == 300 && left.count > 2 && left[0] >= 500, "\(left)")
    }

    @Test func `replay over rows that are newer brings nothing back`() async throws {
        var machine = try await Self.machine()
        try await Self.move(machine, to: 3, isEnd: true)
        machine.time.advance(by: .seconds(110))
        // The rows say that it is gone, and the journal begins before it was closed.
        machine.maintain()
        let before = machine.store.core.visible.catalogue
        machine = try machine.crashed()
        var after = machine.store.core.visible.catalogue
        after.incarnation = before.incarnation
        #expect(after == before)
        #expect(machine.store.core.visible.catalogue.streams.values.map(\.openShards.count) == [2])
    }
}
