import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// A mapping's progress: its checkpoints.
@Suite(.timeLimit(.minutes(1)))
struct CheckpointContractTests {
    private let key = MappingID(stream: "s", name: "m")

    /// Runs `body` with a claimed mapping of a stream with 9 records in each of two shards.
    private func test(
        _ kind: StoreKind, _ body: @Sendable (any StoreEngine, _ epoch: UInt64) async throws -> Void
    ) async throws {
        try await kind.test(shards: 2) { store, _ in
            for shard in [shard0, shard1] { try await store.put((1...9).map { "\($0)" }, shard: shard) }
            try await store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
            try await body(store, store.claimMapping(key).epoch)
        }
    }

    private func checkpoint(_ store: any StoreEngine, _ shard: ShardID = shard0) async throws -> ShardCheckpoint? {
        try await store.describeMapping(key).checkpoints.first { $0.shard == shard }
    }

    /// ESM-H4, ESM-K4, ESM-T8
    @Test(arguments: StoreKind.all) func `a checkpoint keeps all that it is given`(kind: StoreKind) async throws {
        try await test(kind) { store, epoch in
            let moved = ShardCheckpoint(
                shard: shard1, position: 4, isShardEnd: true, state: [0, 255, 7])
            try await store.committed(
                .checkpoint(CheckpointMove(mapping: key, epoch: epoch, checkpoint: moved)))
            #expect(try await checkpoint(store, shard1) == moved)
            #expect(try await checkpoint(store, shard0) == ShardCheckpoint(shard: shard0, position: .zero))
        }
    }

    @Test(arguments: StoreKind.all) func `a checkpoint never goes back`(kind: StoreKind) async throws {
        try await test(kind) { store, epoch in
            try await store.committed(.checkpoint(key, epoch: epoch, at: 5, state: [5]))
            try await store.committed(.checkpoint(key, epoch: epoch, at: 3, state: [3]))
            #expect(try await checkpoint(store) == ShardCheckpoint(shard: shard0, position: 5, state: [5]))
            try await store.committed(.checkpoint(key, epoch: epoch, at: 5, state: [6]))
            #expect(try await checkpoint(store)?.state == [6])
        }
    }

    @Test(arguments: StoreKind.all) func `the last of several moves in one commit counts`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, epoch in
            try await store.committed(
                .checkpoint(key, epoch: epoch, at: 2), .checkpoint(key, epoch: epoch, at: 4),
                .checkpoint(key, epoch: epoch, at: 3))
            #expect(try await checkpoint(store)?.position == 4)
        }
    }

    @Test(arguments: StoreKind.all) func `an overtaken claim moves nothing`(kind: StoreKind) async throws {
        try await test(kind) { store, epoch in
            try await store.releaseMapping(key, epoch: epoch)
            let newer = try await store.claimMapping(key).epoch
            await expect(.fenced) { try await store.commit([.checkpoint(key, epoch: epoch, at: 5)]) }
            let park = ParkedKeyChange(mapping: key, shard: shard0, partitionKey: "k", value: [1], epoch: epoch)
            await expect(.fenced) { try await store.commit([.park(park)]) }
            #expect(try await checkpoint(store) == ShardCheckpoint(shard: shard0, position: .zero))
            try await store.committed(.checkpoint(key, epoch: newer, at: 5))
            #expect(try await checkpoint(store)?.position == 5)
        }
    }

    @Test(arguments: StoreKind.all) func `shards and mappings that are not there are refused`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, epoch in
            await expect(.shardNotFound) {
                try await store.commit([.checkpoint(key, epoch: epoch, shard: ShardID(2), at: 1)])
            }
            let other = MappingID(stream: "s", name: "other")
            await expect(.mappingNotFound) { try await store.commit([.checkpoint(other, epoch: epoch, at: 1)]) }
            let homeless = MappingID(stream: "none", name: "m")
            await expect(.streamNotFound) { try await store.commit([.checkpoint(homeless, epoch: epoch, at: 1)]) }
        }
    }

    @Test(arguments: StoreKind.all) func `names that look equal are not equal`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, epoch in
            // String takes the Kelvin sign for K.
            try await store.createStream("K", settings: StreamSettings(shards: 1))
            await expect(.streamNotFound) { try await store.describeStream("\u{212A}") }
            #expect(MappingID(stream: "K", name: "K") != MappingID(stream: "\u{212A}", name: "K"))
            #expect(MappingID(stream: "K", name: "K") != MappingID(stream: "K", name: "\u{212A}"))
        }
    }

    @Test(arguments: StoreKind.all) func `a child's checkpoint appears with its first move`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.put(["a"])
            try await store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
            let epoch = try await store.claimMapping(key).epoch
            try await store.committed(
                .seal(Seal(stream: "s", parents: [shard0], children: HashKeyRange.even(2))))
            #expect(try await store.describeMapping(key).checkpoints.map(\.shard.number) == [0])
            try await store.committed(.checkpoint(key, epoch: epoch, shard: shard1, at: 1))
            #expect(try await store.describeMapping(key).checkpoints.map(\.shard.number) == [0, 1])
        }
    }
}
