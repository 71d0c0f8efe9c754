import ArgumentParser
import EventSource
import StreamModel
import StreamStorage

/// `shardline mapping park`
struct MappingParkCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "park",
        abstract: "Let the records of partition keys wait aside, in order, until they are released.",
        discussion: """
            The keys' records that are in no batch yet, and all later ones, wait; records of other keys go on. It is durable: \
            where no process runs the mapping, the next one does it. A key of which no record comes is parked all the same. \
            `shardline mapping keys` lists parked keys, `shardline redrive` hands their records back.

            Examples:
              shardline mapping park orders totals --key ada
              shardline mapping park orders totals --key ada --reason 'refund first'
            """)

    @OptionGroup var arguments: MappingArguments

    @Option(
        name: .customLong("key"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp("The partition key; may be given up to 100 times.", valueName: "key"))
    var keys: [String]

    @OptionGroup var control: ControlOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let key = arguments.key
        let mapping = try await withStore(store) { store in
            try await store.stream(key.stream).mapping(key.name).park(
                keys, reason: control.reason, by: ControlOptions.actor)
            return try await store.describeMapping(key)
        }
        let meant = MeantKeys(mapping, [])
        Output.error.say(
            "asked \(meant.name) to park \(Readable.count(Set(keys.map { UTF8Key($0) }).count, "key")); \(meant.effect("parks"))"
        )
    }
}
