import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// A closed shard goes from every list when its closing is older than the retention, whatever it holds (API-R-4).
@Suite(.timeLimit(.minutes(1)))
struct ClosedShardContractTests {
    private static let key = MappingID(stream: "s", name: "m")

    private static func seal(_ store: any StoreEngine, _ parents: [UInt32], into count: Int) async throws {
        let stream = try await store.describeStream("s")
        let ranges = parents.map { number in stream.shards.first { $0.id.number == number }!.hashKeyRange }
        let first = ranges.map(\.first.value).min()!
        let last = ranges.map(\.last.value).max()!
        let middle = first + (last - first) / 2
        let children =
            count == 1
            ? [HashKeyRange(first: HashKey(first), last: HashKey(last))]
            : [
                HashKeyRange(first: HashKey(first), last: HashKey(middle)),
                HashKeyRange(first: HashKey(middle + 1), last: HashKey(last)),
            ]
        try await store.committed(
            .seal(Seal(stream: "s", parents: parents.map { ShardID($0) }, children: children)))
    }

    private static func listed(_ store: any StoreEngine) async throws -> [UInt32] {
        let listed = try await store.describeStream("s").shards
        #expect(try await store.listStreams().first?.shards == listed)
        return listed.map(\.id.number)
    }

    @Test(arguments: StoreKind.all) func `API-R-4 it is listed and readable until then, and gone at that millisecond`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1, retention: .seconds(100)) { store, time in
            try await store.put(["a"])
            time.advance(by: .seconds(60))
            try await Self.seal(store, [0], into: 2)
            let closed = try #require(try await store.describeStream("s").shards[0].closedAt)
            time.advance(by: closed + .seconds(100) - time.wallTime - .milliseconds(1))
            // Its record expired long ago.
            #expect(try await Self.listed(store) == [0, 1, 2])
            let result = try await store.read(ReadRequest(stream: "s", shard: shard0, after: .zero))
            #expect(result.expired == 1...1 && result.endOfShard == [ShardID(1), ShardID(2)])
            #expect(try await store.position(of: .trimHorizon, in: "s", shard: shard0) == 1)
            time.advance(by: .milliseconds(1))
            #expect(try await Self.listed(store) == [1, 2])
            for start in [StartingPosition.trimHorizon, .latest, .afterSequenceNumber(1)] {
                await expect(.shardNotFound) { try await store.position(of: start, in: "s", shard: shard0) }
            }
            // Children keep naming it.
            #expect(try await store.describeStream("s").shards.allSatisfy { $0.parents == [shard0] })
            // A clock that is set back brings it back nowhere.
            try await store.updateStream("s", retention: .seconds(1_000))
            time.setWallTime(time.wallTime + .seconds(-50))
            #expect(try await Self.listed(store) == [1, 2])
        }
    }

    @Test(arguments: StoreKind.all) func `API-R-4 both parents of a merge go at once`(kind: StoreKind) async throws {
        try await kind.test(shards: 2, retention: .seconds(100)) { store, time in
            try await store.put(["a"], shard: shard0)
            try await Self.seal(store, [0, 1], into: 1)
            let closed = try await store.describeStream("s").shards[0].closedAt!
            time.advance(by: closed + .seconds(100) - time.wallTime - .milliseconds(1))
            #expect(try await Self.listed(store) == [0, 1, 2])
            time.advance(by: .milliseconds(1))
            #expect(try await Self.listed(store) == [2])
        }
    }

    @Test(arguments: StoreKind.all) func `a shorter retention takes closed shards off the list, for ever`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, time in
            try await Self.seal(store, [0], into: 2)
            time.advance(by: .seconds(60))
            #expect(try await store.updateStream("s", retention: .seconds(30)).shards.map(\.id.number) == [1, 2])
            #expect(try await store.updateStream("s", retention: .seconds(86_400)).shards.map(\.id.number) == [1, 2])
        }
    }

    @Test(arguments: StoreKind.all) func `ESM-G4 a mapping that was not through it is told, others are not`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1, retention: .seconds(100)) { store, time in
            try await store.put(["a", "b", "c"])
            for name in ["m", "through"] {
                try await store.createMapping(
                    MappingDefinition(
                        key: MappingID(stream: "s", name: name), startingPosition: .trimHorizon))
            }
            let claim = try await store.claimMapping(Self.key)
            #expect(claim.retention == .seconds(100))
            try await store.committed(.checkpoint(Self.key, epoch: claim.epoch, at: 1))
            let other = MappingID(stream: "s", name: "through")
            let through = try await store.claimMapping(other)
            try await Self.seal(store, [0], into: 2)
            func end(_ key: MappingID, _ epoch: UInt64) -> Change {
                .checkpoint(
                    CheckpointMove(
                        mapping: key, epoch: epoch,
                        checkpoint: ShardCheckpoint(shard: shard0, position: 3, isShardEnd: true)))
            }
            try await store.committed(end(other, through.epoch))
            #expect(try await store.describeMapping(Self.key).expiredShards == [])
            time.advance(by: .seconds(101))
            #expect(try await store.describeMapping(other).expiredShards == [])
            // One that is made later begins with what is there.
            let late = try await store.createMapping(
                MappingDefinition(key: MappingID(stream: "s", name: "late"), startingPosition: .trimHorizon))
            try await store.createMapping(
                MappingDefinition(key: MappingID(stream: "s", name: "latest"), startingPosition: .latest))
            #expect(late.checkpoints.filter { $0.shard != shard0 }.map(\.position) == [3, 3])
            let owed = try await store.describeMapping(Self.key)
            #expect(owed.expiredShards.map(\.id) == [shard0])
            #expect(owed.expiredShards.map(\.tip) == [3] && owed.expiredShards.map(\.trimHorizon) == [3])
            #expect(try await store.listMappings(of: "s").first { $0.key == Self.key } == owed)
            let result = try await store.read(ReadRequest(stream: "s", shard: shard0, after: 1))
            #expect(result.expired == 2...3 && result.endOfShard == [ShardID(1), ShardID(2)])
            try await store.committed(end(Self.key, claim.epoch))
            #expect(try await store.describeMapping(Self.key).expiredShards == [])
            // Said once more, by a run that has not heard that it is over.
            try await store.committed(end(Self.key, claim.epoch))
        }
    }

    @Test(arguments: StoreKind.all) func `a seek passes over what it had not done there`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1, retention: .seconds(100)) { store, time in
            try await store.put(["a", "b", "c"])
            try await store.createMapping(MappingDefinition(key: Self.key, startingPosition: .trimHorizon))
            try await Self.seal(store, [0], into: 2)
            time.advance(by: .seconds(101))
            #expect(try await store.describeMapping(Self.key).expiredShards.map(\.id) == [shard0])
            await expect(.shardNotFound) {
                try await store.seekMapping(Self.key, to: .trimHorizon, shard: shard0)
            }
            // Of another shard alone it does not.
            let one = try await store.seekMapping(Self.key, to: .latest, shard: ShardID(1))
            #expect(one.expiredShards.map(\.id) == [shard0])
            let all = try await store.seekMapping(Self.key, to: .trimHorizon, shard: nil)
            #expect(all.expiredShards == [])
        }
    }

    @Test(arguments: StoreKind.all) func `a shard that a mapping never came to is told from its first record on`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1, retention: .seconds(100)) { store, time in
            try await store.put(["a"])
            try await store.createMapping(MappingDefinition(key: Self.key, startingPosition: .trimHorizon))
            try await Self.seal(store, [0], into: 2)
            time.advance(by: .seconds(2))
            try await store.put(["b", "c"], shard: ShardID(1))
            try await Self.seal(store, [1], into: 2)
            time.advance(by: .seconds(200))
            let owed = try await store.describeMapping(Self.key).expiredShards
            #expect(owed.map(\.id.number) == [0, 1])
            #expect(owed.map(\.origin) == [0, 1] && owed.map(\.tip) == [1, 3])
            #expect(owed.map { $0.parents.map(\.number) } == [[], [0]])
            let result = try await store.read(ReadRequest(stream: "s", shard: ShardID(1), after: .zero))
            #expect(result.expired == 2...3 && result.endOfShard?.map(\.number) == [3, 4])
        }
    }

    @Test(arguments: StoreKind.all) func `shards that are gone do not count against 10,000`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 9_998, retention: .seconds(100)) { store, time in
            try await Self.seal(store, [0, 1], into: 1)
            try await Self.seal(store, [2, 3], into: 1)
            await expect(.invalidArgument) { try await Self.seal(store, [4, 5], into: 1) }
            time.advance(by: .seconds(110))
            try await Self.seal(store, [4, 5], into: 1)
            #expect(try await store.describeStream("s").shards.count == 9_998 + 3 - 4)
        }
    }
}
