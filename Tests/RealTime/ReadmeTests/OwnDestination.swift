import Foundation
import Shardline
import ShardlineTesting
import Testing

/// The destination of the page "Failure records", as it stands there.
@Suite struct OwnDestinationExampleTests {
    private struct Down: Error {}

    private func handle(_ batch: RecordBatch) async throws { throw Down() }

    private func mapping(_ store: any StoreEngine, _ archive: any StoreEngine) async throws -> EventSourceMapping {
        struct Archive: FailureDestination {
            let stream: RecordStream

            func deliver(_ document: FailureDocument) async throws {
                try await stream.put(document.json(), partitionKey: document.id)
            }
        }
        var settings = EventSourceMapping.Configuration()
        settings.failureDestination = .own("the archive")
        let delays = try await EventSourceMapping(
            "delays", from: store.stream("flights"), configuration: settings,
            destination: Archive(stream: archive.stream("failed"))
        ) { batch, context in
            try await handle(batch)
        }
        return delays
    }

    @Test func `the page's example is what is compiled here`() throws {
        let text = try String(
            contentsOf: Readme.root.appending(path: "Sources/Shardline/Shardline.docc/FailureRecords.md"),
            encoding: .utf8)
        let block = try #require(Readme(text: text).blocks("swift").first { $0.text.contains("struct Archive") })
        func lines(_ text: String) -> String {
            text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: "\n")
        }
        #expect(lines(try String(contentsOf: URL(filePath: #filePath), encoding: .utf8)).contains(lines(block.text)))
    }

    @Test(.timeLimit(.minutes(1))) func `what is given up goes to the archive, whole`() async throws {
        let time = VirtualTime()
        let (store, archive) = (InMemoryStore(timeSource: time), InMemoryStore(timeSource: time))
        try await store.createStream("flights", shards: 1)
        try await archive.createStream("failed", shards: 1)
        try await store.stream("flights").put("late", partitionKey: "N1")
        let mapping = try await mapping(store, archive)
        try await mapping.mapping.update { $0.maximumRetryAttempts = 0 }
        try await mapping.run(until: .caughtUp)
        let shard = try #require(try await archive.describeStream("failed").shards.first).id
        let documents = try await archive.read(ReadRequest(stream: "failed", shard: shard, after: .zero)).batch
        #expect(documents.count == 1)
        let failed = try FailureRecord(documents[0])
        #expect(failed.records.map { String(decoding: $0.data, as: UTF8.self) } == ["late"])
        #expect(documents[0].partitionKey.hasPrefix("flights/delays/"))
    }
}
