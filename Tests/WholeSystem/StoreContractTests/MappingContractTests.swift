import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// Mappings are made, claimed, moved and deleted.
@Suite(.timeLimit(.minutes(1)))
struct MappingContractTests {
    private let key = MappingID(stream: "s", name: "m")

    private func make(
        _ store: any StoreEngine, at position: StartingPosition = .trimHorizon
    ) async throws -> MappingDescription {
        try await store.createMapping(
            MappingDefinition(key: key, startingPosition: position, configuration: [1, 2, 3]))
    }

    @Test(arguments: StoreKind.all) func `a new mapping is as it was asked for`(kind: StoreKind) async throws {
        try await kind.test(shards: 2) { store, time in
            let made = try await make(store)
            #expect(made.key == key)
            #expect(made.createdAt == time.wallTime)
            #expect(made.configuration == [1, 2, 3])
            #expect(made.startingPosition == .trimHorizon)
            #expect(!made.isClaimed)
            #expect(made.checkpoints == [shard0, shard1].map { ShardCheckpoint(shard: $0, position: .zero) })
            #expect(try await store.describeMapping(key) == made)
            await expect(.mappingExists) { try await make(store) }
        }
    }

    @Test(arguments: StoreKind.all) func `mappings are listed by stream and name`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.createStream("a", shards: 1)
            #expect(try await store.listMappings(of: nil).isEmpty)
            let keys = [("s", "y"), ("s", "x"), ("a", "z")].map { MappingID(stream: $0.0, name: $0.1) }
            for key in keys {
                try await store.createMapping(MappingDefinition(key: key, startingPosition: .latest))
            }
            #expect(try await store.listMappings(of: nil).map(\.key.description) == ["a/z", "s/x", "s/y"])
            #expect(try await store.listMappings(of: "s").map(\.key.name) == ["x", "y"])
            try await store.deleteStream("s")
            #expect(try await store.listMappings(of: nil).map(\.key.name) == ["z"])
        }
    }

    @Test(arguments: StoreKind.all) func `bad names and unknown ones are refused`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, _ in
            for name in ["", ".", "a b", "a/b", String(repeating: "n", count: 129)] {
                await expect(.invalidArgument) {
                    try await store.createMapping(
                        MappingDefinition(key: MappingID(stream: "s", name: name), startingPosition: .latest))
                }
            }
            let homeless = MappingID(stream: "none", name: "m")
            await expect(.streamNotFound) {
                try await store.createMapping(MappingDefinition(key: homeless, startingPosition: .latest))
            }
            await expect(.streamNotFound) { try await store.describeMapping(homeless) }
            await expect(.mappingNotFound) { try await store.describeMapping(key) }
            await expect(.mappingNotFound) { try await store.claimMapping(key) }
            await expect(.mappingNotFound) { try await store.seekMapping(key, to: .latest, shard: nil) }
            await expect(.mappingNotFound) { try await store.deleteMapping(key) }
        }
    }

    @Test(arguments: StoreKind.all) func `the starting position is resolved when the mapping is made (ESM-P4)`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, time in
            try await store.put(["a", "b"])
            time.advance(by: .seconds(1))
            let positions: [(StartingPosition, UInt64)] = [
                (.latest, 2), (.trimHorizon, 0), (.atTimestamp(time.wallTime), 2), (.afterSequenceNumber(1), 1),
                (.atSequenceNumber(1), 0),
            ]
            for (start, expected) in positions {
                let made = try await make(store, at: start)
                #expect(made.checkpoints.map(\.position.rawValue) == [expected], "\(start)")
                #expect(made.startingPosition == start)
                try await store.deleteMapping(key)
            }
            _ = try await make(store, at: .latest)
            try await store.put(["c"])
            #expect(try await store.describeMapping(key).checkpoints[0].position == 2)
        }
    }

    @Test(arguments: StoreKind.all) func `one claim at a time, each with a higher epoch`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, _ in
            let made = try await make(store)
            let first = try await store.claimMapping(key)
            #expect(first.isClaimed)
            #expect(first.epoch > made.epoch)
            await expect(.mappingBusy) { try await store.claimMapping(key) }
            await expect(.mappingBusy) { try await store.deleteMapping(key) }
            try await store.releaseMapping(key, epoch: first.epoch)
            #expect(try await !store.describeMapping(key).isClaimed)
            let second = try await store.claimMapping(key)
            #expect(second.epoch > first.epoch)
            // A late release of the first does not end the second's claim.
            try await store.releaseMapping(key, epoch: first.epoch)
            await expect(.mappingBusy) { try await store.claimMapping(key) }
            try await store.releaseMapping(key, epoch: second.epoch)
            try await store.deleteMapping(key)
            await expect(.mappingNotFound) { try await store.describeMapping(key) }
        }
    }

    @Test(arguments: StoreKind.all) func `a claim's settings take the place of the stored ones, durably`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            _ = try await make(store)
            let first = try await store.claimMapping(key, with: MappingClaim(configuration: [7]))
            #expect(first.configuration == [7])
            try await store.releaseMapping(key, epoch: first.epoch)
            #expect(try await store.describeMapping(key).configuration == [7])
            // Who brings none changes none, and neither does a refused claim or a seek.
            let second = try await store.claimMapping(key)
            await expect(.mappingBusy) {
                try await store.claimMapping(key, with: MappingClaim(configuration: [8]))
            }
            #expect(second.configuration == [7])
            #expect(try await store.seekMapping(key, to: .latest, shard: nil).configuration == [7])
            #expect(try await store.listMappings(of: nil).map(\.configuration) == [[7]])
        }
    }

    @Test(arguments: StoreKind.all) func `who runs a mapping tells what it does as long as the claim is held`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            await expect(.mappingNotFound) { try await store.mappingStates(key) }
            _ = try await make(store)
            #expect(try await store.mappingStates(key) == nil)
            let state = MappingShardState(
                shard: shard0, phase: .retrying, checkpoint: 3, tip: 9, attempts: 7, lastError: "x",
                busySince: Timestamp(milliseconds: 5),
                unit: .init(
                    partitionKey: "k",
                    sequenceNumber: KinesisSequenceNumber(
                        shard: shard0, shardCreationSecond: 1, sequenceNumber: 4, arrivalSecond: 2),
                    recordCount: 1),
                expired: 5, counts: ["PolledEventCount": 7])
            let claim = try await store.claimMapping(key, with: MappingClaim(states: { [state] }))
            // It does not travel to another process: there the owner is asked only for what it runs itself.
            let told: [MappingShardState]? = kind.isElsewhere ? nil : [state]
            #expect(try await store.mappingStates(key) == told)
            let epoch = try await store.seekMapping(key, to: .latest, shard: nil).epoch
            #expect(try await store.mappingStates(key) == told)
            #expect(epoch > claim.epoch)
            try await store.releaseMapping(key, epoch: epoch)
            #expect(try await store.mappingStates(key) == nil)
        }
    }

    @Test(arguments: StoreKind.all) func `of many claims at once one succeeds`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, _ in
            _ = try await make(store)
            let claims = await withTaskGroup(of: Int.self) { group in
                for _ in 0..<8 {
                    group.addTask { (try? await store.claimMapping(key)) == nil ? 0 : 1 }
                }
                return await group.reduce(0, +)
            }
            #expect(claims == 1)
        }
    }

    @Test(arguments: StoreKind.all) func `a mapping that is recreated starts again and fences the old one (ESM-L6)`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.put(["a", "b", "c"])
            let old = try await make(store)
            var epoch = try await store.claimMapping(key).epoch
            try await store.committed(.checkpoint(key, epoch: epoch, at: 2))
            // A seek leaves the old mapping with a still higher epoch.
            epoch = try await store.seekMapping(key, to: .latest, shard: nil).epoch
            try await store.releaseMapping(key, epoch: epoch)
            try await store.deleteMapping(key)
            let new = try await make(store)
            #expect(new.id != old.id)
            #expect(new.checkpoints.map(\.position) == [.zero])
            await expect(.fenced) { try await store.commit([.checkpoint(key, epoch: epoch, at: 3)]) }
            let claimed = try await store.claimMapping(key).epoch
            #expect(claimed != epoch)
            await expect(.fenced) { try await store.commit([.checkpoint(key, epoch: epoch, at: 3)]) }
        }
    }

    @Test(arguments: StoreKind.all) func `a mapping goes with its stream`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, _ in
            _ = try await make(store)
            _ = try await store.claimMapping(key)
            try await store.deleteStream("s", force: true)
            try await store.createStream("s", shards: 1)
            await expect(.mappingNotFound) { try await store.describeMapping(key) }
            #expect(try await !make(store).isClaimed)
        }
    }

    @Test(arguments: StoreKind.all) func `a seek moves checkpoints and fences who runs`(kind: StoreKind) async throws {
        try await kind.test(shards: 2) { store, _ in
            try await store.put(["a", "b", "c"])
            try await store.put(["d", "e"], shard: shard1)
            _ = try await make(store)
            let epoch = try await store.claimMapping(key).epoch
            try await store.committed(
                .checkpoint(key, epoch: epoch, at: 3, state: [9]),
                .checkpoint(key, epoch: epoch, shard: shard1, at: 0, state: [7]))
            let moved = try await store.seekMapping(key, to: .afterSequenceNumber(1), shard: shard0)
            #expect(moved.epoch > epoch)
            #expect(moved.isClaimed)
            #expect(moved.checkpoints[0] == ShardCheckpoint(shard: shard0, position: 1))
            #expect(moved.checkpoints[1].state == [7])
            await expect(.fenced) { try await store.commit([.checkpoint(key, epoch: epoch, at: 3)]) }
            #expect(try await store.describeMapping(key).checkpoints[0].position == 1)
            // Who runs it reads the new epoch and goes on, or lets its claim go with the old one.
            try await store.committed(.checkpoint(key, epoch: moved.epoch, at: 2))
            let all = try await store.seekMapping(key, to: .latest, shard: nil)
            #expect(all.checkpoints.map(\.position) == [3, 2])
            #expect(all.checkpoints[1].state == [])
            try await store.releaseMapping(key, epoch: all.epoch)
            #expect(try await !store.describeMapping(key).isClaimed)
            await expect(.shardNotFound) { try await store.seekMapping(key, to: .latest, shard: ShardID(2)) }
            await expect(.invalidArgument) {
                try await store.seekMapping(key, to: .afterSequenceNumber(1), shard: nil)
            }
        }
    }
}
