import ArgumentParser
import DataFormats
import StreamModel
import StreamStorage

/// `shardline mapping list`
struct MappingListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the mappings of a stream, or of all streams.",
        discussion: """
            A mapping is running, failing (it runs, and some shard is on a unit that has failed; `shardline mapping describe` \
            says which and why), stopped or disabled; disabling and updating are on the way there. BEHIND are records that are kept and not done. EXPIRED are records whose retention \
            ended before they were done and that no run has given up yet; the column is there where a mapping has some.

            Examples:
              shardline mapping list
              shardline mapping list clicks --json
            """)

    @Argument(help: "Only mappings of this stream. Default: of all.")
    var stream: String?

    @Flag(help: "Print one line for each mapping, a JSON object.")
    var json = false

    @OptionGroup var store: StoreOptions

    func run() async throws {
        let (reports, now) = try await withStore(store) { store in
            if let stream { _ = try await store.describeStream(stream) }
            var reports: [MappingReport] = []
            for mapping in try await store.listMappings(of: stream) {
                reports.append(try await MappingReport(mapping, in: store))
            }
            return (reports, store.timeSource.wallTime)
        }
        if json {
            for report in reports { try Output.standard.write(json: report.json(now: now) + [UInt8(ascii: "\n")]) }
            return
        }
        for line in Self.lines(of: reports) { try Output.standard.line(line) }
    }

    static func lines(of reports: [MappingReport]) -> [String] {
        // A column for what mostly is not there.
        let hasExpired = reports.contains { $0.expired > 0 }
        var table = Table(
            [("STREAM", .left), ("MAPPING", .left), ("STATE", .left), ("BEHIND", .right)]
                + (hasExpired ? [("EXPIRED", .right)] : []) + [("MADE", .left)])
        for report in reports {
            table.add(
                [report.mapping.key.stream, report.mapping.key.name, report.state, Readable.number(report.behind)]
                    + (hasExpired ? [Readable.number(report.expired)] : [])
                    + [report.mapping.createdAt.description])
        }
        return table.lines
    }
}
