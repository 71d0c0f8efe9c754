import ShardlineTesting
import StreamModel
import StreamStorage
import TestTraits
import Testing

@testable import EventSource

/// A stream whose record size is raised has a dead-letter stream that takes its documents (STORE-Q4).
@Suite(.timeLimit(.minutes(1)), .restingExecutor)
struct RecordSizeRunTests {
    private static func putLarge(_ bench: Bench) async throws {
        try await bench.stream.update(maximumRecordSize: 5 << 20)
        try await bench.stream.put([UInt8](repeating: 7, count: 5 << 20), partitionKey: "k")
    }

    private static func settings() -> EventSourceMapping.Configuration {
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = 0
        return settings
    }

    private static func refuse(_ batch: RecordBatch, _ context: InvocationContext) throws {
        throw PermanentFailure(because: ShardlineError(.closed, "no"))
    }

    @Test func `while a mapping is there`() async throws {
        let bench = try await Bench()
        let mapping = try await bench.mapping("m", Self.settings()) { try Self.refuse($0, $1) }
        let before = try await bench.store.summarizeStream("s.m.failed").maximumRecordSize
        try await Self.putLarge(bench)
        async let run: Void = mapping.run(until: .caughtUp)
        await bench.advanceThroughPauses { if case .handedOver = $0 { true } else { false } }
        try await run
        #expect(try await bench.store.summarizeStream("s.m.failed").maximumRecordSize > before)
        #expect(try await bench.store.stream("s.m.failed").recordCount() == 1)
    }

    @Test func `before a mapping is there again`() async throws {
        let bench = try await Bench()
        _ = try await bench.mapping("m", Self.settings())
        try await Self.putLarge(bench)
        let mapping = try await bench.mapping("m", Self.settings()) { try Self.refuse($0, $1) }
        try await mapping.run(until: .caughtUp)
        #expect(try await bench.store.stream("s.m.failed").recordCount() == 1)
    }
}
