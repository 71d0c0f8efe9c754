import DiskAccess
import EventSource
import Shardline
import StreamModel
import StreamStorage
import Synchronization
import TestSupport

/// Puts as much as it is told, as fast as it goes, into several streams, while a function follows one of them that is
/// slower for ever.
///
/// Measured are: `peak`, the most KiB of memory that were resident; `put`, the records that were acknowledged;
/// `handled`, how many of those of the first stream the function has handled; `open`, the most files that were open.
final class Pourer: Sendable {
    private let store: any StoreEngine
    private let reporter: Reporter
    private let handled = Atomic(0)
    private let put = Atomic(0)
    private let files = Atomic(0)

    init(store: any StoreEngine, reporter: Reporter) {
        self.store = store
        self.reporter = reporter
    }

    /// Streams that keep their records so long that none shares a segment with another.
    private static let retentions: [Duration] = [.seconds(86_400), .seconds(172_800), .seconds(604_800)]
    private static let recordSize = 4000

    func run(_ bytes: Int) async throws {
        for (index, retention) in Self.retentions.enumerated() {
            try await store.createStreamIfNeeded("s\(index)", shards: 16, retention: retention)
        }
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 10
        let mapping = try await EventSourceMapping(
            "slow", from: store.stream("s0"), configuration: settings, logger: CrashStore.logger(false)
        ) { [self] batch, _ in
            try await Task.sleep(for: .milliseconds(20))
            handled.add(batch.count, ordering: .relaxed)
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await mapping.run(until: .stopped) }
            try await withThrowingTaskGroup(of: Void.self) { producers in
                for producer in 0..<8 {
                    producers.addTask { try await self.produce(bytes, seed: UInt64(producer)) }
                }
                try await producers.waitForAll()
            }
            mapping.triggerGracefulShutdown()
            try await group.waitForAll()
        }
        reporter.send([
            .measured("peak", ProcessUsage.now.peakResidentBytes >> 10),
            .measured("put", put.load(ordering: .relaxed)),
            .measured("handled", handled.load(ordering: .relaxed)),
            .measured("open", files.load(ordering: .relaxed)),
        ])
    }

    private func produce(_ bytes: Int, seed: UInt64) async throws {
        var random = SeededRandom(seed)
        let noise = (0..<1 << 16).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        while put.add(16, ordering: .relaxed).newValue * Self.recordSize <= bytes {
            let records = (0..<16).map { index in
                let start = Int.random(in: 0...noise.count - Self.recordSize, using: &random)
                return NewRecord(
                    Array(noise[start..<start + Self.recordSize]), partitionKey: "\(seed) \(index)")
            }
            let stream = "s\(Int.random(in: 0..<Self.retentions.count, using: &random))"
            try await store.stream(stream).put(contentsOf: records)
            let open = (try? POSIXFileSystem().list("/proc/self/fd").count) ?? 0
            files.store(max(files.load(ordering: .relaxed), open), ordering: .relaxed)
        }
    }
}
