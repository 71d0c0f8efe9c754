import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// A stream has an id of its own, which a stream that is created again under its name does not have.
@Suite(.timeLimit(.minutes(1)))
struct StreamIDContractTests {
    @Test(arguments: StoreKind.all) func `no two streams have the same id, also of the same name`(kind: StoreKind)
        async throws
    {
        try await kind.test { store, _ in
            var ids: Set<StreamID> = []
            // The clock stands still: nothing but the store tells them apart.
            for _ in 0..<4 {
                ids.insert(try await store.createStream("s", shards: 1).id)
                try await store.deleteStream("s")
            }
            for name in ["s", "t"] { ids.insert(try await store.createStream(name, shards: 1).id) }
            #expect(ids.count == 6)
        }
    }

    @Test(arguments: StoreKind.all) func `a stream keeps its id, however it is looked at and whatever is done to it`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, time in
            let id = try await store.describeStream("s").id
            try await store.put(["a"])
            time.advance(by: .seconds(10))
            try await store.committed(.seal(Seal(stream: "s", parents: [shard0], children: HashKeyRange.even(2))))
            time.advance(by: .seconds(10))
            try await store.committed(
                .seal(Seal(stream: "s", parents: [ShardID(1), ShardID(2)], children: HashKeyRange.even(1))))
            #expect(try await store.describeStream("s").id == id)
            #expect(try await store.listStreams().map(\.id) == [id])
            #expect(try await store.createStreamIfNeeded("s", shards: 1).id == id)
        }
    }

    @Test(arguments: StoreKind.all) func `two stores that are made apart share no id`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, time in
            let first = try await store.describeStream("s").id
            try await kind.withStore(time) { other in
                try await other.createStream("s", shards: 1)
                #expect(try await other.describeStream("s").id != first)
            }
        }
    }
}
