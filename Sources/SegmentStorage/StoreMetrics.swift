import Metrics

/// What a store counts, by swift-metrics: nothing is recorded unless the process has set up a backend.
struct StoreMetrics: Sendable {
    private let commits = Counter(label: "shardline_journal_commits_total")
    private let bytes = Counter(label: "shardline_journal_bytes_total")
    private let entries = Recorder(label: "shardline_journal_commit_entries")

    func committed(bytes count: Int, entries entryCount: Int) {
        commits.increment()
        bytes.increment(by: count)
        entries.record(entryCount)
    }
}
