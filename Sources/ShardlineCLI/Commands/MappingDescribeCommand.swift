import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline mapping describe`
struct MappingDescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe",
        abstract: "Show how far a mapping is in each shard, what it does there, and its settings.",
        discussion: """
            What it does now is known of a mapping that the store's owner runs: the partition key and number of the record \
            that it is on, how often a failing unit was tried, since when, with what error, and how old the oldest record \
            is that waits. The settings are those that it runs with, or ran with last, under the names of \
            the options of `shardline consume`.

            Example:
              shardline mapping describe clicks count
            """)

    @OptionGroup var arguments: MappingArguments

    @Flag(help: "One JSON object.")
    var json = false

    @OptionGroup var store: StoreOptions

    func run() async throws {
        let (report, now) = try await withStore(store) { store in
            let mapping = try await store.describeMapping(arguments.key)
            return (try await MappingReport(mapping, in: store), store.timeSource.wallTime)
        }
        if json { return try Output.standard.write(json: report.json(now: now) + [UInt8(ascii: "\n")]) }
        for line in report.lines(now: now) { try Output.standard.line(line) }
    }
}
