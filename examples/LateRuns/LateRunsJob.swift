import Foundation
import Logging
import Shardline
import Synchronization

/// The whole job: puts the departures of a file into a stream and consumes the stream until all are done.
///
/// It may be killed at any moment and run again. It then puts the lines after the last one that the stream holds, and
/// consumes from its checkpoints.
public struct LateRunsJob: Sendable {
    /// The job's settings.
    public struct Settings: Sendable {
        /// Shards of the stream. Default 4.
        public var shards = 4
        /// The most records in one batch. Default 100.
        public var batchSize = 100
        /// How long a batch may wait to fill. Default 1 second.
        public var batchWindow = Duration.seconds(1)
        /// Lines in one put. Default 200.
        public var linesAtOnce = 200
        /// How many pauses putting makes, spread evenly over the file, so that some batches close by their window.
        /// Default 4.
        public var pauses = 4
        /// How long each pause is. Default 1.3 seconds: longer than the window.
        public var pause = Duration.milliseconds(1300)
        /// Whether all lines are put before the function receives the first one. Default false: both run at the same
        /// time.
        public var consumesWhenAllIsPut = false

        /// The defaults.
        public init() {}
    }

    /// The stream's name.
    public static let stream = "departures"
    /// The mapping's name.
    public static let mapping = "late-runs"
    /// The stream that receives isolated records: the mapping's own dead-letter stream.
    public static let failureStream = "\(stream).\(mapping).failed"

    /// The directory of the store and of the results.
    public let directory: String
    /// The file whose lines are put.
    public let file: FlightsFile
    /// The job's settings.
    public let settings: Settings
    private let logger: Logger

    /// A job that keeps its store in `directory`/store and its results in `directory`/late-runs.sqlite.
    public init(
        directory: String, file: FlightsFile, settings: Settings = Settings(),
        logger: Logger = Logger(label: "shardline.late-runs")
    ) {
        self.directory = directory
        self.file = file
        self.settings = settings
        self.logger = logger
    }

    /// Where the store is.
    public var storePath: String { "\(directory)/store" }
    /// Where the results are.
    public var resultsPath: String { Self.resultsPath(in: directory) }
    private static func resultsPath(in directory: String) -> String { "\(directory)/late-runs.sqlite" }

    /// Whether a job has finished in this directory.
    public static func isFinished(in directory: String) async throws -> Bool {
        guard FileManager.default.fileExists(atPath: resultsPath(in: directory)) else { return false }
        let results = try LateRunsResults(path: resultsPath(in: directory))
        defer { try? results.close() }
        return try await results.note("finished") != nil
    }

    /// Runs until everything is put and done, and returns a report.
    ///
    /// Throws `invalidArgument` where the directory holds a job on another file.
    public func run(observe: @escaping @Sendable (JobEvent) -> Void = { _ in }) async throws -> JobReport {
        do {
            try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        } catch {
            throw ShardlineError(
                .notAccessible,
                "the directory '\(directory)' can't be made (\(error.localizedDescription)); name a new one, or one of an unfinished job",
                cause: error)
        }
        let results = try LateRunsResults(path: resultsPath)
        defer { try? results.close() }
        let store = try await SegmentStore.open(at: storePath, logger: logger)
        do {
            let report = try await run(on: store, results: results, observe: observe)
            try await results.setNote("finished", to: "yes")
            try await store.close()
            return report
        } catch {
            try? await store.close()
            throw error
        }
    }

    func run(
        on store: some StoreEngine, results: LateRunsResults, observe: @escaping @Sendable (JobEvent) -> Void
    ) async throws -> JobReport {
        let stored = try await linesStored(in: store)
        observe(.started(stored: stored))
        if settings.consumesWhenAllIsPut { try await putLines(from: stored, into: store) }

        var configuration = EventSourceMapping.Configuration()
        configuration.batchSize = settings.batchSize
        configuration.batchWindow = settings.batchWindow
        configuration.maximumRetryAttempts = 0
        let columns = file.columns
        let figures = FiguresBox()
        let mapping = try await EventSourceMapping(
            Self.mapping, from: store.stream(Self.stream), startingAt: .trimHorizon, configuration: configuration,
            logger: logger
        ) { _ in
            LateRunsFunction(columns: columns, results: results) { invocation in
                observe(.invocation(invocation, figures.now))
            }
        }
        figures.show { JobFigures(mapping.statistics) }
        try await putAndFollow(from: stored, mapping: mapping, store: store)

        var report = try await JobReport(of: self, store: store, results: results)
        report.figures = JobFigures(mapping.statistics)
        return report
    }

    /// Creates the stream if it isn't there, and returns how many lines it holds.
    ///
    /// Lines are put in file order, call after call, and each call writes all of its records or none. So the number of
    /// records in the stream is the number of lines that were put. The number of acknowledged lines would be wrong: a
    /// put can be durable although its acknowledgement was lost, and putting it again would count its departures twice.
    private func linesStored(in store: some StoreEngine) async throws -> Int {
        guard try await store.listStreams().contains(where: { $0.name == Self.stream }) else {
            try await store.createStream(Self.stream, shards: settings.shards)
            return 0
        }
        let stream = try await store.describeStream(Self.stream)
        let perShard = try await store.countRecords(
            in: stream.shards.map { RecordSpan(shard: $0.id, after: .zero) }, of: Self.stream)
        let stored = perShard.reduce(0, +)
        guard
            stored <= file.lines.count, perShard.count == settings.shards,
            PlainPass(over: file, shards: settings.shards, count: stored).recordsPerShard == perShard
        else {
            throw ShardlineError(
                .invalidArgument,
                "'\(directory)' holds the work on another file than '\(file.path)'; take another directory")
        }
        return stored
    }

    private func putLines(from stored: Int, into store: some StoreEngine) async throws {
        let stream = store.stream(Self.stream)
        let piece = file.lines.count / (settings.pauses + 1) + 1
        var next = stored
        while next < file.lines.count {
            try Task.checkCancellation()
            let end = min(next + settings.linesAtOnce, file.lines.count)
            _ = try await stream.put(contentsOf: file.records(next..<end))
            if !settings.consumesWhenAllIsPut, next / piece != end / piece {
                try await store.timeSource.sleep(until: store.timeSource.monotonicTime + settings.pause)
            }
            next = end
        }
    }

    private func putAndFollow(
        from stored: Int, mapping: EventSourceMapping, store: some StoreEngine
    ) async throws {
        if !settings.consumesWhenAllIsPut {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await mapping.run(until: .stopped) }
                group.addTask {
                    try await putLines(from: stored, into: store)
                    mapping.triggerGracefulShutdown()
                }
                for try await _ in group {}
            }
        }
        try await mapping.run(until: .caughtUp)
    }
}

/// Passes the mapping's figures to an observer of the function, which is created before the mapping.
private final class FiguresBox: Sendable {
    private let read = Mutex<(@Sendable () -> JobFigures)?>(nil)
    var now: JobFigures { read.withLock { $0 }?() ?? JobFigures() }
    func show(_ read: @escaping @Sendable () -> JobFigures) { self.read.withLock { $0 = read } }
}
