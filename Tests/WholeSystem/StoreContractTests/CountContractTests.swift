import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// What every store says of how many records there are.
@Suite(.timeLimit(.minutes(1)))
struct CountContractTests {
    @Test(arguments: StoreKind.all) func `records are counted between two positions, whatever these are`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 2) { store, _ in
            try await store.put(["a", "b", "c", "d", "e"])
            try await store.put(["f"], shard: shard1)
            let spans = [
                RecordSpan(shard: shard0, after: .zero), RecordSpan(shard: shard0, after: 2),
                RecordSpan(shard: shard0, after: 1, through: 3), RecordSpan(shard: shard0, after: 5),
                RecordSpan(shard: shard0, after: 4, through: 2), RecordSpan(shard: shard0, after: .max),
                RecordSpan(shard: shard1, after: .zero), RecordSpan(shard: ShardID(2), after: .zero),
            ]
            #expect(try await store.countRecords(in: spans, of: "s") == [5, 3, 2, 0, 0, 0, 1, 0])
            #expect(try await store.lastRecords(in: spans, of: "s") == [5, 5, 3, nil, nil, nil, 1, nil])
            #expect(try await store.countRecords(in: [], of: "s") == [])
            #expect(try await store.lastRecords(in: [], of: "s") == [])
            await expect(.streamNotFound) { try await store.lastRecords(in: [], of: "t") }
            await expect(.streamNotFound) { try await store.countRecords(in: [], of: "t") }
            #expect(try await store.describeStream("s").shards.map(\.recordCount) == [5, 1])
            #expect(try await store.listStreams().first?.shards.map(\.recordCount) == [5, 1])
        }
    }

    @Test(arguments: StoreKind.all) func `a child of a split or merge begins at 0, though its numbers don't`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.put(["a", "b", "c"])
            try await store.committed(.seal(Seal(stream: "s", parents: [shard0], children: HashKeyRange.even(2))))
            try await store.put(["d"], shard: ShardID(1))
            let spans = (0...2).map { RecordSpan(shard: ShardID($0), after: .zero) }
            #expect(try await store.countRecords(in: spans, of: "s") == [3, 1, 0])
            let last = try await store.lastRecords(in: spans, of: "s")
            #expect(try await last == [3, store.describeStream("s").shards[1].tip, nil])
            #expect(try await store.describeStream("s").shards.map(\.recordCount) == [3, 1, 0])
            try await store.committed(
                .seal(Seal(stream: "s", parents: [ShardID(1), ShardID(2)], children: HashKeyRange.even(1))))
            try await store.put(["e", "f"], shard: ShardID(3))
            #expect(
                try await store.countRecords(in: [RecordSpan(shard: ShardID(3), after: .zero)], of: "s") == [2])
        }
    }

    @Test(arguments: StoreKind.all) func `expired records were put, and are not retained`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1, retention: .seconds(10)) { store, time in
            try await store.put(["a", "b", "c"])
            time.advance(by: .seconds(8))
            try await store.put(["d"])
            time.advance(by: .seconds(5))
            #expect(try await store.describeStream("s").shards.map(\.recordCount) == [1])
            #expect(try await store.countRecords(in: [RecordSpan(shard: shard0, after: .zero)], of: "s") == [4])
        }
    }

    @Test func `what damage took is not counted`() async throws {
        let store = InMemoryStore(timeSource: VirtualTime())
        try await store.createStream("s", shards: 1)
        try await store.put(["a", "b", "c", "d", "e", "f"])
        try store.loseRecords(2...3, in: "s", shard: shard0)
        try store.loseRecords(3...4, in: "s", shard: shard0)
        let spans = [
            RecordSpan(shard: shard0, after: .zero), RecordSpan(shard: shard0, after: 2),
            RecordSpan(shard: shard0, after: 3, through: 4),
        ]
        #expect(try await store.countRecords(in: spans, of: "s") == [3, 2, 0])
        #expect(try await store.lastRecords(in: spans, of: "s") == [6, 6, nil])
        #expect(try await store.lastRecords(in: [RecordSpan(shard: shard0, after: 0, through: 4)], of: "s") == [1])
    }
}
