import Logging
import ServiceLifecycle
import Shardline
import ShardlineTesting
import TestSupport
import Testing
import UnixSignals

/// The README's Swift blocks, line for line: `ReadmeTests` holds both together.
@Suite struct LibrarySnippets {
    @Test(.timeLimit(.minutes(1))) func `the quick start does its work`() async throws {
        let folder = try TestDirectory()
        let logger = Logger(label: "readme")

        let store = try await SegmentStore.open(at: folder.path("flights"))
        try await store.createStream("departures", shards: 4, retention: .seconds(86_400))
        let departures = store.stream("departures")

        // Returns when the record is on disk, and says where it is.
        let receipt = try await departures.put("N14228,2", partitionKey: "N14228")
        print(receipt.shard, receipt.sequenceNumber)

        // Many at once: one call, one sync.
        let lines = ["N24211,4", "N619AA,2", "N14228,-3"]
        try await departures.put(contentsOf: lines.map { NewRecord($0, partitionKey: String($0.prefix(6))) })

        try await Producer.withProducer(to: departures) { producer in
            for minute in 1...1_000 {
                try await producer.enqueue("N14228,\(minute)", partitionKey: "N14228")
            }
        }

        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 500
        settings.batchWindow = .milliseconds(200)
        let delays = try await EventSourceMapping(
            "delays", from: departures, startingAt: .trimHorizon, configuration: settings
        ) { batch, context in
            for record in batch {
                let fields = String(decoding: record.bytes, as: UTF8.self).split(separator: ",")
                guard fields.count == 2, let delay = Int(fields[1]) else {
                    throw PermanentFailure(record, because: .malformed)
                }
                if delay > 999 { context.logger.info("\(fields[0]) was very late") }
            }
        }
        try await delays.run(until: .caughtUp)

        #expect(receipt.sequenceNumber == SequenceNumber(1))
        let stored = try await store.describeStream("departures").shards.reduce(0) { $0 + $1.tip.rawValue }
        #expect(stored == 1_004)
        let checkpoints = try await store.describeMapping(MappingKey(stream: "departures", name: "delays")).checkpoints
        #expect(checkpoints.reduce(0) { $0 + $1.position.rawValue } == 1_004)

        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                let services = ServiceGroup(
                    configuration: .init(
                        services: [store, delays], gracefulShutdownSignals: [.sigint, .sigterm], logger: logger))
                try await services.run()
            }
            group.cancelAll()
            while await group.nextResult() != nil {}
        }
        try await store.close()
    }

    @Test func `a batch waits for its window, no longer`() async throws {
        var settings = EventSourceMapping.Configuration()
        settings.batchWindow = .seconds(2)
        var driver = try MappingTestDriver(configuration: settings) { _, _ in }
        try await driver.put("a", partitionKey: "k")
        #expect(driver.invocations.isEmpty)
        try await driver.advance(by: .seconds(2))
        #expect(driver.invocations.map(\.batch.count) == [1])
    }
}
