import Foundation
import Shardline
import ShardlineTesting
import Testing

/// The example of the page "Failure records", as it stands there.
@Suite struct RedriveTests {
    private func redrive(_ store: any StoreEngine) async throws {
        var settings = EventSourceMapping.Configuration()
        // What can't be put now is tried again, and not given up once more.
        settings.maximumRetryAttempts = nil
        settings.failureDestination = .none
        let redrive = try await EventSourceMapping(
            "redrive", from: store.stream("flights.delays.failed"), configuration: settings
        ) { batch, _ in
            let records = try batch.flatMap { try FailureRecord($0).records.map(\.newRecord) }
            try await store.stream("flights").put(contentsOf: records)
        }
        try await redrive.run(until: .caughtUp)
    }

    @Test func `the page's example is what is compiled here`() throws {
        let text = try String(
            contentsOf: Readme.root.appending(path: "Sources/Shardline/Shardline.docc/FailureRecords.md"),
            encoding: .utf8)
        let block = try #require(Readme(text: text).blocks("swift").last)
        func lines(_ text: String) -> String {
            text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "\n")
        }
        #expect(lines(try String(contentsOf: URL(filePath: #filePath), encoding: .utf8)).contains(lines(block.text)))
    }

    @Test func `records of a dead-letter stream are put back as they were, in the order of each key`() async throws {
        let store = InMemoryStore(timeSource: VirtualTime())
        try await store.createStream("flights", shards: 4)
        let flights = store.stream("flights")
        let given = (0..<60).map { number in
            NewRecord(
                [UInt8(number), 0xFF, 0], partitionKey: "k\(number % 7)",
                explicitHashKey: number % 7 == 3 ? HashKey(5) : nil)
        }
        try await flights.put(contentsOf: given)
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        let delays = try await EventSourceMapping("delays", from: flights, configuration: settings) { batch, _ in
            throw PermanentFailure(batch[0], because: .malformed)
        }
        try await delays.run(until: .caughtUp)
        try await redrive(store)
        var back: [String: [[UInt8]]] = [:]
        for shard in try await store.describeStream("flights").shards {
            let request = ReadRequest(stream: "flights", shard: shard.id, after: .zero)
            let records = try await store.read(request).batch
            // Each key has had its records twice, in the same shard.
            #expect(records.count % 2 == 0)
            for record in records.dropFirst(records.count / 2) {
                back[record.partitionKey, default: []].append(Array(record.bytes))
                #expect(record.explicitHashKey == (record.partitionKey == "k3" ? HashKey(5) : nil))
            }
        }
        #expect(back == Dictionary(grouping: given, by: \.partitionKey).mapValues { $0.map(\.data) })
    }
}
