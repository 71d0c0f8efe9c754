import Synchronization

/// What an embedded store has done since it was opened, and the space that it takes on the disk now.
public struct StoreStatistics: Hashable, Sendable {
    /// Commits written to the journal, marks included.
    public var commits = 0
    /// Records in the commits.
    public var records = 0
    /// Moves of checkpoints in the commits.
    public var checkpoints = 0
    /// Syncs of the journal's files: each is one `fdatasync`.
    public var syncs = 0
    /// Bytes written to the journal, padding included.
    public var journalBytesWritten = 0
    /// Bytes of the journal that are not flushed to segments yet.
    public var liveJournalBytes = 0
    /// Bytes of the journal's files beyond those. They are overwritten before the journal takes more of the disk.
    public var reservedJournalBytes = 0
    /// Bytes of the segments' files.
    public var segmentBytes = 0
    /// Bytes of `metadata.sqlite` and its log.
    public var metadataBytes = 0

    /// All counts 0.
    public init() {}

    /// Bytes of the store's live data: live journal, segments and metadata, without the journal's reserved bytes.
    public var diskBytes: Int { liveJournalBytes + segmentBytes + metadataBytes }
}

/// Counts what the writer does, for ``StoreStatistics`` and for swift-metrics. The writer's thread counts; any thread
/// may read.
final class StoreCounters: Sendable {
    private let metrics: StoreMetrics
    private let commits = Atomic(0)
    private let records = Atomic(0)
    private let checkpoints = Atomic(0)
    private let bytes = Atomic(0)

    init(_ metrics: StoreMetrics) { self.metrics = metrics }

    /// Counts a written commit with these entries.
    func committed(bytes count: Int, entries: [Entry]) {
        metrics.committed(bytes: count, entries: entries.count)
        var newRecords = 0
        var moves = 0
        for entry in entries {
            switch entry {
            case .records(let table): newRecords += table.runs.reduce(0) { $0 + Int($1.count) }
            case .checkpoint: moves += 1
            default: break
            }
        }
        commits.add(1, ordering: .relaxed)
        bytes.add(count, ordering: .relaxed)
        if newRecords > 0 { records.add(newRecords, ordering: .relaxed) }
        if moves > 0 { checkpoints.add(moves, ordering: .relaxed) }
    }

    /// The counts so far; values that are read from the disk are left at 0.
    var statistics: StoreStatistics {
        var statistics = StoreStatistics()
        statistics.commits = commits.load(ordering: .relaxed)
        statistics.records = records.load(ordering: .relaxed)
        statistics.checkpoints = checkpoints.load(ordering: .relaxed)
        statistics.journalBytesWritten = bytes.load(ordering: .relaxed)
        return statistics
    }
}
