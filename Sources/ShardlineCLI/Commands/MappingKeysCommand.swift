import ArgumentParser
import EventSource
import StreamModel
import StreamStorage

/// `shardline mapping keys`
struct MappingKeysCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "List the partition keys that a mapping has parked, and why.",
        discussion: """
            A mapping with --when-exhausted park-key parks the partition key of a record whose attempts are used up: that \
            record and all later ones of the key wait, in order, while records of other keys go on. `shardline mapping park` \
            parks keys by hand. `shardline redrive` hands the records back, `shardline mapping discard` drops them.

            WAITING are the key's records that wait. A key is parked, or releasing: its records are handed back, and later \
            ones wait behind them. FAILED RELEASES says how often a record failed again after that. GROUP is the same for \
            failures of one kind, whatever numbers and identifiers their texts name, and --group selects by it. WHY is the \
            last error, or who parked the key and for what reason.

            Examples:
              shardline mapping keys orders totals
              shardline mapping keys orders totals --error-type ValueError --json
              shardline mapping keys orders totals --parked-since 1h
            """)

    @OptionGroup var arguments: MappingArguments
    @OptionGroup var parked: ParkedKeyOptions

    @Flag(help: "Print one line for each key, a JSON object with all that is known of it.")
    var json = false

    @OptionGroup var store: StoreOptions

    func run() async throws {
        let key = arguments.key
        let (report, now) = try await withStore(store) { store in
            let now = store.timeSource.wallTime
            _ = try await store.describeMapping(key)
            let keys = try await store.stream(key.stream).mapping(key.name).parkedKeys(parked.selection(now: now))
            return (ParkedKeysReport(mapping: key, keys: keys, isSelection: parked.isGiven), now)
        }
        if json { return try Output.standard.write(json: report.json(now: now)) }
        for line in report.lines(now: now) { try Output.standard.line(line) }
    }
}
