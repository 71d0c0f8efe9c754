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

            Examples:
              shardline tail clicks --from 15m
              shardline tail clicks --from latest --follow --json
              shardline tail clicks.count.failed
            """)

    @Argument(help: "The stream's name.")
    var name: String

    @Option(
        help: ArgumentHelp("Where to begin: \(Position.help). Default: trim-horizon.", valueName: "position"),
        transform: Position.init)
    var from = Position.trimHorizon

    @Option(
        parsing: .unconditional, help: "Only this shard, such as 3 or shardId-000000000003.",
        transform: ShardID.argument)
    var shard: ShardID?

    @Flag(name: .shortAndLong, help: "Go on with what comes, until Ctrl-C.")
    var follow = false

    @Flag(help: "One JSON object a record and line, with Kinesis' names; the data in base64.")
    var json = false

    @Option(
        name: .shortAndLong, parsing: .unconditional, help: "End after this many records.",
        transform: Amounts.wholeNumber)
    var limit: Int?

    @OptionGroup var store: StoreOptions

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit \(limit) (allowed: at least 1)") }
    }

    func run() async throws {
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
                    isJSON: json, output: .standard,
                    shortensFailures: isOfFailures && Output.standard.isTerminal))
            if follow {
                try await run.follow(until: Interruption.ofProcess)
            } else {
                try await run.printWhatIsThere(until: Interruption.ofProcess)
            }
        }
    }
}
