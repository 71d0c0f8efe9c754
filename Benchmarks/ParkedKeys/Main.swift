import DiskAccess
import Foundation
import Logging
import Shardline

/// Measures what parked keys cost: a million records of 10,000 keys wait parked, other keys go on, and the records are
/// handed back. Rounds with and without parked keys alternate in one process, so the ratios hold where absolute figures
/// do not. Ends with 1 where a bar is missed.
///
/// `--records N --keys N --rounds N --shards N --folder PATH` say otherwise.
@main
struct Main {
    static func main() async throws {
        let settings = try ParkedKeysBench.Settings(CommandLine.arguments.dropFirst())
        let directory = URL(filePath: settings.folder).appending(path: "shardline-parked-\(UUID().uuidString)")
        var logger = Logger(label: "parked-keys")
        logger.logLevel = .error
        let store = try await SegmentStore.open(at: directory.path, logger: logger)
        var rounds: [ParkedKeysBench.Round] = []
        do {
            let bench = try await ParkedKeysBench(settings, on: store, logger: logger)
            for number in 0..<settings.rounds {
                rounds.append(try await bench.round(number))
                print("round \(number + 1): \(rounds[number].line)")
            }
        } catch {
            try? await store.close()
            try? FileManager.default.removeItem(at: directory)
            throw error
        }
        try await store.close()
        try FileManager.default.removeItem(at: directory)
        let report = Report(settings, rounds)
        print(report.table)
        exit(report.isWithinBars ? 0 : 1)
    }
}
