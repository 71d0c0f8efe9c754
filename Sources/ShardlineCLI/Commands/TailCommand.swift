import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline tail`
struct TailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail", abstract: "Print the records of a stream.",
        discussion: """
            Without --follow it prints what is there, the shards merged by the time at which records arrived, and ends. \
            On a terminal control characters are shown as \\x1B and the like, and of a record that was given up its time, \
            key, error, attempts and data; elsewhere the data is printed as it is.

            From a sequence number that has expired or a time before it, it begins at the oldest record that is kept.

            --raw writes the data of the records and nothing else, neither a separator nor the end of a line: with --limit \
            1 the exact bytes of one record. What --json prints is what put --records takes: keys, explicit hash keys and \
            data of the copy are the same to the byte, and the records of a key stay in order. What retention or damage has \
            removed is said on standard error.

            --deaggregate prints what producers gave to the Kinesis Producer Library, which packs many records into one: \
            each user record with its own key and data, and the sequence number of the record that it came in. --limit \
            counts user records. What is no such aggregate is printed as it is.

            Examples:
              shardline tail clicks --from 15m
              shardline tail clicks --from latest --follow --json
              shardline tail clicks.count.failed
              shardline tail pictures --shard 0 --from 17 --limit 1 --raw > 17.png
              shardline tail clicks --json | shardline put clicks-copy --records
            """)

    @Argument(help: "The stream's name.")
    var name: String

    // Here and below: -5m and -1 must not be taken for an option.
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Where to begin: \(Position.help). Default: trim-horizon.", valueName: "position"),
        transform: Position.init)
    var from = Position.trimHorizon

    @Option(
        parsing: .unconditional, help: "Only this shard, such as 3 or shardId-000000000003. Default: all.",
        transform: ShardID.argument)
    var shard: ShardID?

    @Flag(name: .shortAndLong, help: "Go on with records that are put later, until Ctrl-C.")
    var follow = false

    @Flag(help: "Print one line for each record, a JSON object with Kinesis' names and the data in base64.")
    var json = false

    @Flag(help: "Print the data of the records, byte for byte, and nothing else. Not on a terminal.")
    var raw = false

    @Flag(
        help:
            "Take the aggregates of the Kinesis Producer Library apart and print their user records one by one; with --json each has subSequenceNumber."
    )
    var deaggregate = false

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: "End after this many records: at least 1. Default: no limit.",
        transform: Amounts.wholeNumber)
    var limit: Int?

    @OptionGroup var store: StoreOptions

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit \(limit) (allowed: at least 1)") }
        if json, raw { throw ValidationError("give only one of --json and --raw") }
    }

    func run() async throws {
        if raw, Output.standard.isTerminal {
            throw CommandFailure(
                .usage, "--raw writes bytes that a terminal may take for commands; send them to a file or a program")
        }
        let shard = try from.onlyShard(given: shard)
        if from == .latest, !follow {
            Output.error.say("nothing is printed from latest without --follow")
        }
        try await withStore(store) { store in
            let isOfFailures = try await store.describeStream(name).isFailureStream
            let run = try await TailRun(
                stream: store.stream(name), from: try from.starting(now: store.timeSource.wallTime), shard: shard,
                limit: limit ?? .max,
                printer: RecordPrinter(
                    form: json ? .json : raw ? .raw : .text, output: .standard, deaggregates: deaggregate,
                    shortensFailures: isOfFailures && Output.standard.isTerminal))
            if follow {
                try await run.follow(until: Interruption.ofProcess)
            } else {
                try await run.printWhatIsThere(until: Interruption.ofProcess)
            }
        }
    }
}
