import Metrics

/// A store's metrics, by swift-metrics: nothing is recorded unless the process has set up a backend. The page "Metrics"
/// of the documentation lists them all.
struct StoreMetrics: Sendable {
    private let commits: Counter
    private let bytes: Counter
    private let entries: Recorder

    init(factory: any MetricsFactory = MetricsSystem.factory) {
        commits = Counter(label: "shardline.JournalCommits", factory: factory)
        bytes = Counter(label: "shardline.JournalBytes", factory: factory)
        entries = Recorder(label: "shardline.JournalCommitEntries", factory: factory)
    }

    func committed(bytes count: Int, entries entryCount: Int) {
        commits.increment()
        bytes.increment(by: count)
        entries.record(entryCount)
    }
}
