import MetricsTestKit
import ShardlineTesting
import StreamModel
import StreamStorage
import TestTraits
import Testing

@testable import EventSource

/// Mappings with filters, from the put to the checkpoint.
@Suite("Running a mapping with filters", .restingExecutor)
struct FilteredRunTests {
    private static func settings(_ patterns: FilterPattern...) -> EventSourceMapping.Configuration {
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 3
        settings.filters = patterns
        return settings
    }

    @Test(arguments: [1, 4])
    func
        `records that no filter matches never reach the function, and the mapping goes past them (ESM-F1, ESM-F5, ESM-B6)`(
            shards: Int
        ) async throws
    {
        let bench = try await Bench(shards: shards)
        let texts = (1...60).map { #"{"n":\#($0),"even":\#($0 % 2 == 0)}"# }
        try await bench.stream.put(
            contentsOf: texts.enumerated().map { NewRecord($1, partitionKey: "k\($0 % 7)") })
        let mapping = try await bench.mapping("m", Self.settings(#"{"data":{"even":[true]}}"#, #"{"data":{"n":[1]}}"#))
        try await mapping.run(until: .caughtUp)
        // As they were put.
        let expected = texts.enumerated().filter { $0.offset == 0 || $0.offset % 2 == 1 }.map(\.element)
        #expect(bench.calls.texts.flatMap { $0 }.sorted() == expected.sorted())
        #expect(mapping.statistics.filteredOut == 29 && mapping.statistics.delivered == 31)
        #expect(mapping.statistics.polled == 60 && mapping.statistics.settled == 60)
        for shard in try await bench.store.describeStream("s").shards {
            let checkpoints = try await bench.store.describeMapping(mapping.key).checkpoints
            #expect(checkpoints.first { $0.shard == shard.id }?.position ?? .zero == shard.tip)
        }
        // A batch is filled by records that match.
        if shards == 1 { #expect(bench.calls.texts.dropLast().allSatisfy { $0.count == 3 }) }
        #expect(mapping.statistics.description.contains("filtered out 29"))
    }

    @Test func `a mapping whose filters drop everything calls nothing and is done (ESM-F1, ESM-F20, ESM-F21)`()
        async throws
    {
        let bench = try await Bench()
        try await bench.put(1...500)
        let mapping = try await bench.mapping("m", Self.settings(#"{"data":{"n":[{"exists":false}]}}"#))
        try await mapping.run(until: .caughtUp)
        #expect(bench.calls.all.isEmpty && mapping.statistics.filteredOut == 500)
        #expect(try await bench.checkpoint() == 500)
        // None of them comes again.
        let again = try await bench.mapping("m", Self.settings())
        try await again.run(until: .caughtUp)
        #expect(bench.calls.all.isEmpty && again.statistics.polled == 0)
    }

    @Test func `filters see region and stream of the mapping (ESM-F3)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...2)
        var settings = Self.settings(
            #"{"awsRegion":["eu-west-1"],"eventSourceARN":["arn:aws:kinesis:eu-west-1:000000000000:stream/s"]}"#)
        settings.region = "eu-west-1"
        try await bench.mapping("m", settings).run(until: .caughtUp)
        #expect(bench.calls.texts.flatMap { $0 } == ["1", "2"])
    }

    @Test func `given-up records are those of the unit, and filtered ones reach no destination (ESM-D5, ESM-F1)`()
        async throws
    {
        let bench = try await Bench()
        try await bench.stream.put(
            contentsOf: ["a", "x", "b", "x", "c"].map { NewRecord($0, partitionKey: "key-\($0)") })
        var settings = Self.settings(#"{"partitionKey":[{"anything-but":"key-x"}]}"#)
        settings.maximumRetryAttempts = 0
        settings.bisectOnError = false
        let mapping = try await bench.mapping("m", settings) { _, _ in throw ShardlineError(.closed, "no") }
        try await mapping.run(until: .caughtUp)
        let documents = try await bench.texts(in: "s.m.failed")
        #expect(documents.count == 3 && documents.allSatisfy { $0.contains("\"batchSize\":3") })
        #expect(!documents.contains { $0.contains("key-x") })
        #expect(mapping.statistics.filteredOut == 2 && mapping.statistics.givenUp == 3)
        #expect(try await bench.checkpoint() == 5)
    }

    @Test func `filtered records are counted under Lambda's name (ESM-M3)`() async throws {
        let bench = try await Bench()
        let metrics = TestMetrics()
        try await bench.put(1...9, keys: 3)
        let mapping = try await bench.mapping("m", Self.settings(#"{"partitionKey":["k0"]}"#), metrics: metrics)
        try await mapping.run(until: .caughtUp)
        let counter = try metrics.expectCounter(
            "shardline.FilteredOutEventCount", [("stream", "s"), ("mapping", "m")])
        #expect(counter.totalValue == 6)
        #expect(mapping.statistics.delivered == 3)
    }
}
