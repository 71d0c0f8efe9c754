import LateRuns
import Logging
import Shardline

/// Which aircraft left New York late most often in a row? The whole job, from the file to the answer.
@main
struct LateRunsProgram {
    static func main() async throws {
        let file = try FlightsFile(path: CommandLine.arguments.dropFirst().first ?? "examples/flights-2013-01.csv.gz")
        let directory = try JobDirectory.makeTemporary()

        // A store is a directory that this process owns as long as it is open.
        let store = try await SegmentStore.open(at: "\(directory)/store")
        try await store.createStream("departures", shards: 4)
        let departures = store.stream("departures")

        // Each put returns when its records are on disk. The aircraft is the partition key. It decides the shard, and
        // records stay in order within a shard, so the departures of each aircraft stay in order.
        for start in stride(from: 0, to: file.lines.count, by: 500) {
            try await departures.put(contentsOf: file.records(start..<min(start + 500, file.lines.count)))
        }

        // The function receives the records of each shard in order, in batches, with one instance for each shard. Where
        // it throws, the batch is halved until the bad record is isolated, and that one goes to the stream
        // departures.late-runs.failed. A cancelled flight never succeeds, so there are no retries.
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 100
        settings.maximumRetryAttempts = 0
        var logger = Logger(label: "late-runs")
        logger.logLevel = .error  // every record that is given up is a warning
        let results = try LateRunsResults(path: "\(directory)/late-runs.sqlite")
        let lateRuns = try await EventSourceMapping(
            "late-runs", from: departures, startingAt: .trimHorizon, configuration: settings, logger: logger
        ) { _ in LateRunsFunction(columns: file.columns, results: results) }

        // As a job: until everything that was put is done. A service would call run() and never return.
        try await lateRuns.run(until: .caughtUp)

        for run in try await results.longestRuns(atMost: 5) {
            print("\(run.tailnum) left late \(run.longest) times in a row")
        }
        let isolated = try await store.describeStream("departures.late-runs.failed").shards
            .reduce(0) { $0 + $1.recordCount }
        print("\(isolated) of \(file.lines.count) records are no departures")
        try results.close()
        try await store.close()
        try JobDirectory.remove(directory)
    }
}
