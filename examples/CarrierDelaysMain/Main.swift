import CarrierDelays
import LateRuns
import Logging
import Shardline

/// Which carrier had the worst quarters of an hour at New York's airports? Sums over tumbling windows, checked against a
/// plain pass over the file.
@main
struct CarrierDelaysProgram {
    static func main() async throws {
        let file = try FlightsFile(path: CommandLine.arguments.dropFirst().first ?? "examples/flights-2013-01.csv.gz")
        let directory = try JobDirectory.makeTemporary()
        var logger = Logger(label: "carrier-delays")
        logger.logLevel = .warning
        let job = CarrierDelaysJob(file: file, directory: "\(directory)/store", logger: logger)
        let sums = try await job.run()
        try JobDirectory.remove(directory)

        let carriers = Set(sums.keys.map { UTF8Key($0.carrier) }).count
        let windows = Set(sums.keys.map(\.start)).count
        print(
            "\(file.lines.count) flights of \(carriers) carriers in \(windows) windows of 15 minutes; the most minutes late:"
        )
        let worst = sums.sorted { ($0.value.minutes, $1.key.start) > ($1.value.minutes, $0.key.start) }
        for (key, sum) in worst.prefix(5) {
            print(
                "  \(key.carrier) from \(key.start): \(sum.minutes) minutes, \(sum.late) of \(sum.departures) departures late, \(sum.cancelled) cancelled"
            )
        }
        guard try CarrierDelaysJob.plainSums(of: file) == sums else {
            throw ShardlineError(.corrupt, "the sums are not those of a plain pass over the file")
        }
        print(
            "Over a restart in the middle of a window, all \(sums.count) sums are those of a plain pass over the file.")
    }
}
