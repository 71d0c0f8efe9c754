import Shardline
import ShardlineTesting
import Synchronization
import Testing

/// The code of the page "Tumbling windows".
@Suite(.timeLimit(.minutes(1))) struct TumblingWindows {
    @Test func `the page's function counts, and its test passes`() async throws {
        let store = InMemoryStore()
        try await store.createStream("departures", shards: 1)
        let departures = store.stream("departures")

        var settings = EventSourceMapping.Configuration()
        settings.tumblingWindow = .seconds(60)
        let counts = try await EventSourceMapping(
            "counts", from: departures, configuration: settings, windowState: [String: Int]()
        ) { batch, counts, context in
            for record in batch { counts[record.partitionKey, default: 0] += 1 }
        } windowEnd: { counts, window, context in
            for (key, count) in counts { print(window.start, context.shard, key, count) }
        }
        try await departures.put("a", partitionKey: "k")
        try await counts.run(until: .caughtUp)
        #expect(counts.statistics.delivered == 1)

        let ends = Mutex<[Int]>([])
        var driver = try MappingTestDriver(configuration: settings, windowState: 0) { batch, count, context in
            count += batch.count
        } windowEnd: { count, window, context in
            ends.withLock { $0.append(count) }
        }
        try await driver.put("a", partitionKey: "k")
        try await driver.put("b", partitionKey: "k")
        try await driver.advance(by: .seconds(60))
        #expect(ends.withLock { $0 } == [2])
    }
}
