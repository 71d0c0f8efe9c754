import DiskAccess
import EventSource
import LateRuns
import Logging
import StreamModel
import ThroughputBench

/// One run of `bench`: a directory for the store, perhaps the user's function, and a bar that shows how far it is.
struct BenchRunner: Sendable {
    let settings: BenchSettings
    /// The user's function; nil: the bench's own.
    let command: String?
    /// Whether JSON that says nothing as an answer is taken for success.
    let acceptsAnyJSON: Bool
    /// Where the store's directory is made; nil: among the system's temporary files.
    let parent: String?
    let verbose: Bool

    /// Runs, and removes what it made.
    func run() async throws -> BenchReport {
        let directory = try JobDirectory.make(in: parent, name: "shardline-bench")
        defer { try? directory.remove() }
        let verbose = verbose
        let logger = Logger(label: "shardline") { _ in CommandLog(level: verbose ? .debug : .warning) }
        let pool = command.map { command in
            ProcessPool { number in
                ProcessWorker.Settings(
                    command: command,
                    environment: [("SHARDLINE_STREAM", BenchRun.stream), ("SHARDLINE_MAPPING", BenchRun.mapping)],
                    passOn: { Output.error.passOn($0, from: "bench[\(number)]") },
                    warn: { Output.error.say($0) })
            }
        }
        let bench = try StoreBench(
            settings, in: directory.path,
            function: pool.map { ProcessFunction(pool: $0, acceptsAnyJSON: acceptsAnyJSON) },
            logger: logger)
        let result: Result<BenchReport, any Error>
        do {
            result = .success(try await Self.running(settings.records) { try await bench.run($0) })
        } catch {
            result = .failure(error)
        }
        await pool?.stop(grace: .seconds(1))
        return try result.get()
    }

    /// Runs `bench` with a bar until it ends or is interrupted.
    static func running(
        _ records: Int, _ bench: @escaping @Sendable (BenchProgress) async throws -> BenchReport
    ) async throws -> BenchReport {
        let progress = BenchProgress()
        let interruption = Interruption.ofProcess
        return try await withThrowingTaskGroup(of: BenchReport?.self) { group in
            group.addTask { try await bench(progress) }
            group.addTask {
                try? await show(progress, of: records)
                return nil
            }
            group.addTask {
                await interruption.wait()
                guard interruption.isInterrupted else { return nil }
                throw CancellationError()
            }
            defer { Output.error.showStatus("") }
            while let ended = try await group.next() {
                guard let ended else { continue }
                group.cancelAll()
                return ended
            }
            throw CancellationError()
        }
    }

    private static func show(_ progress: BenchProgress, of records: Int) async throws {
        let timeSource = SystemTimeSource()
        var bar = ProgressBar(total: records, on: Output.error, timeSource: timeSource)
        while Output.error.isTerminal {
            let delivered = progress.deliveredCount
            bar.show(done: delivered, records: delivered)
            try await timeSource.sleep(until: timeSource.monotonicTime + .milliseconds(100))
        }
    }
}
