import ArgumentParser
import DataFormats
import EventSource
import StreamModel
import StreamStorage

/// `shardline mapping describe`
struct MappingDescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe",
        abstract: "Show how far a mapping is in each shard, what it does there, and its settings.",
        discussion: """
            BEHIND are records that are kept and not done. DONE UP TO is the sequence number of the last record that is done \
            in the shard, or where there is no such record: "before the oldest record" where nothing that is kept is done, so \
            that a run begins with the oldest one; "the newest record" where nothing is left to do; "the shard's end" where \
            the shard is closed and all of it is done. Of records that expired undone it says how many, and which one is the \
            oldest that is left.

            NOW is known only of a mapping that runs: the partition key and number of the record that it is on, how often a \
            failing unit was tried, since when, with what error, and how old the oldest record is that waits. The settings are \
            those that it runs with, or ran with last, under the names of the options of `shardline consume`. CHANGED is who \
            last updated, disabled or enabled it, when and why; --json has the last 100 of these. --json has in \
            addition what the process that runs it has counted since it made the mapping, for each shard and together, by the \
            names of its metrics, such as PolledEventCount; null where none runs it.

            PARKED are the partition keys that wait aside with their records (--when-exhausted park-key): `shardline mapping \
            keys` lists them, `shardline redrive` hands their records back. PAUSED are shards that deliver nothing until `shardline \
            mapping resume` (--when-exhausted pause-shard).

            Example:
              shardline mapping describe clicks count
            """)

    @OptionGroup var arguments: MappingArguments

    @Flag(help: "Print one JSON object instead of the tables.")
    var json = false

    @OptionGroup var store: StoreOptions

    func run() async throws {
        let (report, now) = try await withStore(store) { store in
            let mapping = try await store.describeMapping(arguments.key)
            let history = try await store.mappingHistory(arguments.key)
            let named = store.stream(arguments.key.stream).mapping(arguments.key.name)
            let (keys, paused) = (try await named.parkedKeys(), try await named.pausedShards())
            let report = try await MappingReport(mapping, in: store, history, parkedKeys: keys, pausedShards: paused)
            return (report, store.timeSource.wallTime)
        }
        if json { return try Output.standard.write(json: report.json(now: now) + [UInt8(ascii: "\n")]) }
        for line in report.lines(now: now) { try Output.standard.line(line) }
    }
}
