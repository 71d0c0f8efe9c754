import DiskAccess
import Glibc
import Logging
import SegmentStorage
import Shardline
import ShardlineTesting
import StreamModel
import StreamStorage

/// The streams and the mapping of all crash tests.
enum CrashStore {
    /// The stream that the mapping reads.
    static let mapped = "a"
    /// A stream beside it, for puts to several streams.
    static let beside = "b"
    /// The dead-letter stream.
    static let failed = "a.m.failed"
    /// In rounds that churn: a stream whose records expire soon, and whose segments no other stream shares.
    static let brief = "c"
    static let briefRetention = Duration.seconds(1)

    /// What the rounds' environment asks for.
    enum Mode {
        /// Records expire and shards are split and merged.
        static let churns = getenv("SHARDLINE_CRASH_CHURN") != nil
        /// What is acknowledged is synced later.
        static let isInterval = getenv("SHARDLINE_CRASH_INTERVAL") != nil
    }
    static let mapping = MappingID(stream: mapped, name: "m")
    static let shards: [String: Int] = [mapped: 4, beside: 2]

    /// Opens the store in a directory, so small that a flush and the reuse of journal files are never far away.
    ///
    /// `memory:` opens one that remembers nothing: the crash tests must notice.
    ///
    /// - Parameters:
    ///   - logs: whether the store says on standard error what an operator should know.
    ///   - isSmall: no: it has its default settings.
    static func open(
        _ directory: String, logs: Bool = false, isSmall: Bool = true
    ) async throws -> any StoreEngine {
        if directory == "memory:" { return InMemoryStore(timeSource: SystemTimeSource()) }
        var configuration = SegmentStore.Configuration()
        if Mode.isInterval { configuration.durability = .interval(.milliseconds(20)) }
        if isSmall {
            configuration.journalLimit = 16 << 20
            configuration.memtableSize = 1 << 20
            configuration.queueSize = 64 << 10
        }
        return try await SegmentStore.open(
            at: directory, configuration: configuration,
            logger: logger(logs))
    }

    static func logger(_ logs: Bool) -> Logger {
        guard logs else { return Logger(label: "crash") { _ in SwiftLogNoOpLogHandler() } }
        var logger = Logger(label: "crash") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .notice
        return logger
    }

    /// Makes the streams that a killed process before may have made, or some of them.
    static func makeStreams(in store: any StoreEngine) async throws {
        for (name, count) in shards.sorted(by: { $0.key < $1.key }) {
            do {
                // Beside the stream of short retention all others keep their records in segments of another class.
                try await store.createStream(
                    name, shards: count, retention: Mode.churns ? .seconds(7 * 86_400) : .seconds(86_400))
            } catch let error as ShardlineError where error.code == .streamExists {}
        }
        if Mode.churns { try await store.createStreamIfNeeded(brief, shards: 2, retention: briefRetention) }
    }
}
