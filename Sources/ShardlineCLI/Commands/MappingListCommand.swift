import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline mapping list`
struct MappingListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the mappings of a stream, or of all streams.",
        discussion: """
            A mapping is running, failing (it runs, and some shard is on a unit that has failed; `mapping describe` says \
            which and why) or stopped.

            Examples:
              shardline mapping list
              shardline mapping list clicks --json
            """)

    @Argument(help: "Only mappings of this stream.")
    var stream: String?

    @Flag(help: "One JSON object a mapping and line.")
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
        var table = Table([
            ("STREAM", .left), ("MAPPING", .left), ("STATE", .left), ("BEHIND", .right), ("MADE", .left),
        ])
        for report in reports {
            table.add([
                report.mapping.key.stream, report.mapping.key.name, report.state, Readable.number(report.behind),
                report.mapping.createdAt.description,
            ])
        }
        for line in table.lines { try Output.standard.line(line) }
    }
}
