import DiskAccess
import EventSource
import Logging
import SegmentStorage
import Shardline
import StreamModel

/// A bench of the embedded store in its own directory, with the store's demands on the disk.
package struct StoreBench: Sendable {
    private let settings: BenchSettings
    private let directory: String
    private let function: (any OutsideFunction)?
    private let logger: Logger

    /// `directory` must exist and be empty.
    package init(
        _ settings: BenchSettings, in directory: String, function: (any OutsideFunction)? = nil, logger: Logger
    ) throws {
        try settings.validate()
        self.settings = settings
        self.directory = directory
        self.function = function
        self.logger = logger
    }

    /// Opens a store, runs, and closes it.
    package func run(_ progress: BenchProgress) async throws -> BenchReport {
        let before = settings.measuresFloor ? try await floor() : nil
        var configuration = SegmentStore.Configuration()
        configuration.durability = settings.durability
        let store = try await SegmentStore.open(
            at: directory + "/store", configuration: configuration, logger: logger)
        var report: BenchReport
        do {
            let opened = try await store.statistics()
            report = try await BenchRun(settings, on: store, function: function, logger: logger).run(progress)
            let statistics = try await store.statistics()
            report.add(statistics, since: opened)
        } catch {
            try? await store.close()
            throw error
        }
        try await store.close()
        // From opening to closing, so that the figure equals the syncs that a trace of the process shows.
        report.syncs = try await store.statistics().syncs
        report.durability = settings.durability.text
        if let before { report.add(before, try await floor()) }
        return report
    }

    private func floor() async throws -> FloorProbe.Reading {
        try await BlockingThreads.shared.run { [directory] in
            do {
                return try FloorProbe(POSIXFileSystem(), directory: directory, timeSource: SystemTimeSource())
                    .measure(.seconds(1))
            } catch let error as FileError {
                throw ShardlineError(.notAccessible, "measuring the disk: \(error)", cause: error)
            }
        }
    }
}

extension BenchReport {
    /// Adds what the store did during the run, and what it holds now.
    fileprivate mutating func add(_ statistics: StoreStatistics, since opened: StoreStatistics) {
        let commits = statistics.commits - opened.commits
        recsPerCommit = commits > 0 ? Double(records) / Double(commits) : 0
        checkpoints = statistics.checkpoints - opened.checkpoints
        diskBytes = statistics.diskBytes
        segmentBytes = statistics.segmentBytes
        metadataBytes = statistics.metadataBytes
        journalLiveBytes = statistics.liveJournalBytes
        journalReservedBytes = statistics.reservedJournalBytes
    }

    /// Adds the disk's limits before the run and after it.
    fileprivate mutating func add(_ before: FloorProbe.Reading, _ after: FloorProbe.Reading) {
        let times = Latencies()
        times.record(before.syncs)
        times.record(after.syncs)
        guard let syncs = times.summary else { return }
        func ratio(_ one: Double, _ other: Double) -> Double { max(one, other) / max(min(one, other), 1e-9) }
        let variation = max(
            ratio(before.megabytesPerSecond, after.megabytesPerSecond),
            ratio(Double(before.median), Double(after.median)))
        floor = Floor(
            syncMs: syncs, mbPerS: (before.megabytesPerSecond + after.megabytesPerSecond) / 2, variation: variation)
        isVoid = variation > Self.allowedVariation
    }
}

extension SegmentStore.Durability {
    /// The form that `--durability` takes.
    package var text: String {
        switch self {
        case .synced: "synced"
        case .interval(let interval): "interval:\(interval.wholeMilliseconds)ms"
        }
    }
}
