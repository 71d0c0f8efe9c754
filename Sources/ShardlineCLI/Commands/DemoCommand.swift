import ArgumentParser
import Foundation
import Glibc
import LateRuns
import Logging
import StreamModel

/// `shardline demo`
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo",
        abstract: "Run the main job on real data, with a kill in the middle, and check its answer.",
        discussion: """
            27,004 departures from New York's airports are put into a stream of 4 shards, keyed by aircraft. A function \
            follows each aircraft in order and keeps its longest run of late departures. 521 records are no departures: \
            the function throws on them, and they have to be isolated. In the middle the process that does all this is \
            killed, and started again.

            Examples:
              shardline demo
              shardline demo --directory /tmp/flights --results runs.csv
              shardline demo --input flights-2013-02.csv.gz --no-kill --json
            """)

    @Option(
        help: ArgumentHelp(
            "Another file of the same form, csv or csv.gz. Default: the file that comes with Shardline.",
            valueName: "file"))
    var input: String?

    @Option(
        help: ArgumentHelp(
            "Keep store and results in this directory; it must not hold a finished demo. Default: a temporary one, which is removed.",
            valueName: "dir"))
    var directory: String?

    @Option(
        help: ArgumentHelp("Write a line tailnum,longest for every aircraft that flew.", valueName: "file"))
    var results: String?

    @Flag(help: "Don't kill the process in the middle.")
    var noKill = false

    @Flag(help: "Put everything before the function gets the first record.")
    var putFirst = false

    @Flag(help: "Print one JSON object, the summary, instead of text.")
    var json = false

    func run() async throws {
        let path = try Self.dataFile(input)
        let file = try FlightsFile(path: path)
        let directory = try directory ?? JobDirectory.makeTemporary()
        let isTemporary = self.directory == nil
        defer { if isTemporary { try? JobDirectory.remove(directory) } }
        guard try await !LateRunsJob.isFinished(in: directory) else {
            throw CommandFailure(
                .usage, "'\(directory)' holds a finished demo; name another directory, or remove this one")
        }
        let isQuiet = json
        let tell: @Sendable (String) -> Void = { if !isQuiet { try? Output.standard.line($0) } }
        tell(
            "\(Readable.count(file.lines.count, "departure")) of \(path) go into a stream of 4 shards, keyed by aircraft …"
        )

        let begun = ContinuousClock.now
        var arguments = ["demo-worker", "--input", path, "--directory", directory]
        if putFirst { arguments.append("--put-first") }
        let outcome = try await DemoSupervisor(
            workerArguments: arguments, lines: file.lines.count, kills: !noKill, tell: tell
        ).run()
        let seconds = (ContinuousClock.now - begun) / .seconds(1)

        let expected = PlainPass(over: file, shards: outcome.report.recordsPerShard.count)
        let job = LateRunsJob(directory: directory, file: file)
        let database = try LateRunsResults(path: job.resultsPath)
        let runs = try await database.allRuns()
        try database.close()
        let summary = DemoSummary(
            outcome, seconds: seconds,
            isRight: runs == expected.runs && outcome.report.recordsPerShard == expected.recordsPerShard
                && outcome.report.isolatedPerShard == expected.isolatedPerShard)
        if let results { try JobDirectory.write(runs, to: results) }
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            try Output.standard.write(json: Array(try encoder.encode(summary)) + [UInt8(ascii: "\n")])
        } else {
            try Output.standard.line(summary.text(storePath: isTemporary ? nil : job.storePath))
        }
        guard summary.isRight else { throw CommandFailure(.failed, nil) }
    }

    /// The file that was named, or the one that is installed with the program, or the one of the source tree.
    private static func dataFile(_ input: String?) throws -> String {
        if let input { return input }
        let name = "flights-2013-01.csv.gz"
        var candidates: [String] = []
        if let program = executablePath() {
            var folder = program.split(separator: "/").dropLast()
            candidates.append("/" + (folder.dropLast() + ["share", "shardline", name[...]]).joined(separator: "/"))
            // The build folder lies a few levels below the source tree.
            while !folder.isEmpty {
                folder = folder.dropLast()
                candidates.append("/" + (folder + ["examples", name[...]]).joined(separator: "/"))
            }
        }
        candidates.insert("examples/\(name)", at: min(1, candidates.count))
        guard let path = JobDirectory.firstFile(of: candidates) else {
            throw CommandFailure(
                .usage,
                "the demo's data, \(name), is neither at \(candidates[0]) nor in examples/; name a file with --input FILE"
            )
        }
        return path
    }

    private static func executablePath() -> String? {
        var room = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &room, room.count)
        guard count > 0 else { return nil }
        return String(decoding: room.prefix(count).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// What the demo starts, kills and starts again. It tells what it does on standard output, for ``DemoSupervisor``.
struct DemoWorkerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "demo-worker", abstract: "The demo's own worker.", shouldDisplay: false)

    @Option var input: String
    @Option var directory: String
    @Flag var putFirst = false

    func run() async throws {
        let file = try FlightsFile(path: input)
        var settings = LateRunsJob.Settings()
        settings.consumesWhenAllIsPut = putFirst
        // What is given up is meant to be: 521 warnings would say nothing new.
        let logger = Logger(label: "shardline.demo") { _ in CommandLog(level: .error) }
        let job = LateRunsJob(directory: directory, file: file, settings: settings, logger: logger)
        let report = try await job.run { Self.tell($0) }
        Self.tell(.finished(report))
    }

    /// Writes one line at once, so that what was told stays told when the process is killed.
    private static func tell(_ event: JobEvent) {
        guard var line = try? JSONEncoder().encode(event) else { return }
        line.append(UInt8(ascii: "\n"))
        line.withUnsafeBytes { bytes in
            var left = bytes[...]
            while !left.isEmpty {
                let count = write(1, UnsafeRawBufferPointer(rebasing: left).baseAddress, left.count)
                if count < 0, errno != EINTR { return }
                left = left.dropFirst(max(0, count))
            }
        }
    }
}
