import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// Several changes in one commit, and what refuses one.
@Suite(.timeLimit(.minutes(1)))
struct CommitContractTests {
    private let mapping = MappingID(stream: "s", name: "m")

    @Test(arguments: StoreKind.all) func `all changes of a commit are there together`(kind: StoreKind) async throws {
        try await kind.test(shards: 2) { store, _ in
            try await store.createStream("failed", shards: 1)
            try await store.put(["a", "b"])
            try await store.createMapping(MappingDefinition(key: mapping, startingPosition: .trimHorizon))
            let epoch = try await store.claimMapping(mapping).epoch
            let receipts = try await store.committed(
                .append(["document"], stream: "failed"), .checkpoint(mapping, epoch: epoch, at: 2),
                .append(["c"], shard: shard1), .append(["d"], shard: shard1))
            guard case .appended(let first) = receipts[0], case .done = receipts[1],
                case .appended(let second) = receipts[2], case .appended(let third) = receipts[3]
            else {
                Issue.record("the receipts are of other kinds: \(receipts)")
                return
            }
            #expect(first.map(\.shard) == [shard0])
            #expect(second.map(\.sequenceNumber) == [1])
            #expect(third.map(\.sequenceNumber) == [2])
            #expect(try await store.texts(of: "failed") == ["document"])
            #expect(try await store.texts(shard: shard1) == ["c", "d"])
            #expect(try await store.describeMapping(mapping).checkpoints[0].position == 2)
        }
    }

    @Test(arguments: StoreKind.all) func `one refused change refuses them all`(kind: StoreKind) async throws {
        try await kind.test(shards: 2) { store, _ in
            guard store.capabilities.contains(.atomicCommit) else { return }
            try await store.createMapping(MappingDefinition(key: mapping, startingPosition: .trimHorizon))
            let epoch = try await store.claimMapping(mapping).epoch
            let good: [Change] = [.append(["a"]), .checkpoint(mapping, epoch: epoch, at: 1)]
            await expect(.streamNotFound) { try await store.commit(good + [.append(["x"], stream: "none")]) }
            await expect(.shardNotFound) { try await store.commit(good + [.append(["x"], shard: ShardID(9))]) }
            await expect(.fenced) {
                try await store.commit(good + [.checkpoint(mapping, epoch: epoch - 1, at: 2)])
            }
            await expect(.mappingNotFound) {
                try await store.commit(
                    good + [.checkpoint(MappingID(stream: "s", name: "none"), epoch: epoch, at: 2)])
            }
            let outcome = try await store.commit(good + [.append(["x"], shard: shard1, expectedLast: 5)])
            guard case .conflict(change: 2, last: .zero) = outcome else {
                Issue.record("no conflict: \(outcome)")
                return
            }
            #expect(try await store.texts() == [])
            #expect(try await store.texts(shard: shard1) == [])
            #expect(try await store.describeMapping(mapping).checkpoints[0].position == .zero)
            // The refused calls took no numbers.
            try await store.put(["b"])
            #expect(try await store.describeStream("s").shards[0].tip == 1)
        }
    }

    @Test(arguments: StoreKind.all) func `an expected last number lets one of two writers through`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.committed(.append(["a"], expectedLast: .zero))
            let stale = try await store.commit([.append(["b"], expectedLast: .zero)])
            guard case .conflict(change: 0, last: 1) = stale else {
                Issue.record("no conflict: \(stale)")
                return
            }
            // The second append of one call stands on the first.
            try await store.committed(.append(["b", "c"], expectedLast: 1), .append(["d"], expectedLast: 3))
            #expect(try await store.texts() == ["a", "b", "c", "d"])
        }
    }

    @Test(arguments: StoreKind.all) func `of many who expect the same last number one wins`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            for round in 0..<10 {
                let wins = try await withThrowingTaskGroup(of: Bool.self) { group in
                    for writer in 0..<6 {
                        group.addTask {
                            let outcome = try await store.commit([
                                .append(["\(round) \(writer)"], expectedLast: SequenceNumber(UInt64(round)))
                            ])
                            switch outcome {
                            case .committed: return true
                            case .conflict(change: 0, let last):
                                #expect(last == SequenceNumber(UInt64(round + 1)))
                                return false
                            default:
                                Issue.record("\(outcome)")
                                return false
                            }
                        }
                    }
                    return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
                }
                #expect(wins == 1)
            }
            #expect(try await store.texts().count == 10)
        }
    }

    @Test(arguments: StoreKind.all) func `a lazy commit is done too`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.put(["a"])
            try await store.createMapping(MappingDefinition(key: mapping, startingPosition: .trimHorizon))
            let epoch = try await store.claimMapping(mapping).epoch
            _ = try await store.commit([.checkpoint(mapping, epoch: epoch, at: 1)], urgency: .relaxed)
            #expect(try await store.describeMapping(mapping).checkpoints[0].position == 1)
        }
    }
}
