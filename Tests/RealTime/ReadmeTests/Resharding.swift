import Shardline
import ShardlineTesting
import Testing

/// The code of the page "Change the number of shards".
@Suite(.timeLimit(.minutes(1)))
struct Resharding {
    @Test func `the page's code runs`() async throws {
        let store = InMemoryStore()
        try await store.createStream("orders", shards: 1)
        let orders = store.stream("orders")

        let result = try await orders.updateShardCount(to: 16)
        print(result.closed.count, "shards were closed,", result.opened.count, "opened")
        #expect(result.stream.openShards.count == 16)

        let hot = result.opened[3]
        let halves = try await orders.splitShard(hot)
        try await orders.mergeShards(halves.opened[0], halves.opened[1])
        #expect(try await orders.describe().shards.map(\.id.number).max() == 19)
    }
}
