import ArgumentParser
import DiskAccess
import EventSource
import HTTPEndpoint
import StreamModel
import StreamStorage

/// `shardline consume`
struct ConsumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consume",
        abstract: "Feed a command or an endpoint with a stream's records, in batches and in order.",
        discussion: """
            The command is started by the shell and stays: for every batch it gets one line of JSON on standard input, \
            Lambda's event for Kinesis with the data in base64, and answers with one line on standard output, flushed; it may read lines, or JSON values one after the other. \
            An empty object, null or an empty line means that all is done. {"batchItemFailures": [{"itemIdentifier": SEQUENCE}]} names \
            the first record that isn't, {"errorMessage": TEXT} says that all failed, and "permanent": true beside it \
            that trying again would have no effect; an error needs no text ({"errorType": NAME}). Anything else is no answer and fails \
            the batch, since it is mostly a log line (--accept-any-json takes any JSON for success, as Lambda does). \
            What the command writes on standard error is shown, lines up to 1 MiB whole: write logs there. One event, \
            one line: a second one is warned of and the command started again. An answer without an end of line counts \
            where the command then ends with exit code 0.

            All processes that the command starts end with it, and with consume, however that ends. A command that can't be \
            started is tried again and again; with --until-caught-up three times (eight where it was \
            started before), then the exit code is 69.

            With --url an endpoint gets each event in a POST, as JSON, and answers with 2xx and the same JSON as a command, \
            or an empty body. Any other status fails the batch, but for 429 and 503: they count as not reached, as does an \
            endpoint that can't be connected to, and no attempt is counted. Redirects are not followed. The fields \
            Lambda-Runtime-Aws-Request-Id and Lambda-Runtime-Deadline-Ms tell of the invocation; when --timeout is over, the \
            connection is closed. An answer has at most 6 MiB.

            What fails is tried again, cut in two until the bad record is alone, and in the end given up to a stream of \
            its own, NAME.MAPPING.failed (--on-failure). How far the mapping is stays in the store: the same command \
            goes on there. A line has at most 6 MiB, as with Lambda: a record of more than about 4.7 MB of data is given up \
            without being sent (PayloadSizeExceeded). Ctrl-C waits for running batches (--grace) and ends; a second one ends at once.

            One process at a time owns a store and runs all of its mappings, so a second consume on it is refused. \
            Meanwhile put, tail, stream and mapping work on it from other terminals.

            Example:
              shardline consume clicks --mapping count --exec 'python3 count.py'

            with count.py:
              import base64, json, sys
              for line in sys.stdin:
                  for record in json.loads(line)["Records"]:
                      print(base64.b64decode(record["kinesis"]["data"]), file=sys.stderr)
                  print("{}", flush=True)

            and with an endpoint:
              shardline consume clicks --mapping count --url http://127.0.0.1:8080/clicks
            """)

    @Argument(help: "The stream's name.")
    var name: String

    @Option(help: ArgumentHelp("The command that gets the events, as `sh -c` takes it.", valueName: "cmd"))
    var exec: String?

    @Option(
        help: ArgumentHelp(
            "In place of --exec: the endpoint that gets the events, each in a POST, such as http://127.0.0.1:8080/orders.",
            valueName: "url"))
    var url: String?

    @Option(
        help: ArgumentHelp(
            "The mapping's name, 1 to 128 characters of a-z A-Z 0-9 _ . -: what is done is remembered under it.",
            valueName: "id"))
    var mapping: String

    // Here and below: -5m and -1 must not be taken for an option.
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Where a new mapping begins (one that is there resumes where it was): trim-horizon, latest, or a time such as 2026-01-31T08:30:00Z, 15m or -15m (ago), or seconds since 1970 with a decimal point. Default: trim-horizon.",
            valueName: "position"),
        transform: Position.init)
    var from: Position?

    @OptionGroup var options: SettingsOptions

    @Flag(help: "Take any JSON as an answer for success, also one that says nothing, such as a log line.")
    var acceptAnyJson = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How many processes of --exec are started before the first batch is read, and kept ready: 0 to --concurrency. One that ends is started again, at first after 500ms. Default: 0, each starts with its first batch.",
            valueName: "count"),
        transform: Amounts.wholeNumber)
    var warm: Int?

    @Flag(
        help: "Give each event of --exec a member 'invocation' with 'requestId' and 'deadlineMs', in ms since 1970."
    )
    var tellInvocation = false

    @Flag(
        help: """
            End when everything is done that was in the stream at the start. The last batch does not wait for \
            --batch-window.
            """)
    var untilCaughtUp = false

    @Flag(help: "Exit with code 3 when records were given up.")
    var failOnGivenUp = false

    @Flag(help: "Print the summary at the end as one JSON object.")
    var json = false

    @OptionGroup var store: StoreOptions

    func validate() throws {
        guard (exec == nil) != (url == nil) else {
            throw ValidationError(
                "a mapping has one function; give \(exec == nil ? "" : "only one of ")--exec COMMAND or --url URL")
        }
        try refuseOfCommands()
    }

    private func refuseOfCommands() throws {
        guard exec == nil, warm != nil || tellInvocation else { return }
        throw ValidationError(
            "--warm and --tell-invocation are for a command; an endpoint is told of the invocation by fields of the request"
        )
    }

    private var settings: EventSourceMapping.Configuration {
        var settings = EventSourceMapping.Configuration()
        settings.concurrency = ProcessUsage.processorCount
        options.apply(to: &settings)
        return settings
    }

    private func function() throws -> ConsumeFunction {
        if let url { return .url(try HTTPAddress(url, option: "--url")) }
        return .command(exec ?? "")
    }

    func run() async throws {
        let settings = settings
        // All that can be wrong is said before a store is opened, a child started or a mapping made.
        try settings.validate(mapping: mapping, stream: name, naming: options.naming)
        try await options.refuseFailures(in: store)
        if let warm, let most = settings.concurrency, !(0...most).contains(warm) {
            throw CommandFailure(.usage, "--warm \(warm) (allowed: 0 to \(most), which is --concurrency)")
        }
        let function = try function()
        try await function.check()
        try await options.onFailure?.check()
        let interruption = Interruption.ofProcess
        try await withStore(store, as: .owner) { store in
            let stream = try await store.describeStream(name)
            if let from, from.isOfOneShard, stream.shards.count > 1 {
                throw CommandFailure(
                    .usage,
                    "a sequence number is a place in one shard, but '\(name)' has \(stream.shards.count); begin at a time, then use `shardline mapping seek`"
                )
            }
            // What the owner before has started may still be at work.
            let functions = try await FunctionOwner.claim(
                of: try self.store.directory, isInterrupted: { Interruption.ofProcess.isInterrupted },
                say: Output.error.say)
            defer { functions.release() }
            let run = ConsumeRun(
                stream: store.stream(name), mapping: mapping, function: function, settings: settings,
                onFailure: options.onFailure,
                functions: functions,
                acceptsAnyJSON: acceptAnyJson,
                tellsInvocation: tellInvocation, warm: warm ?? 0, from: from,
                goal: untilCaughtUp ? .caughtUp : .stopped,
                logger: self.store.logger, interruption: interruption)
            let statistics = try await run.run(printsJSON: json)
            if failOnGivenUp, statistics.givenUp > 0 {
                throw CommandFailure(
                    .givenUp, "\(Readable.count(statistics.givenUp, "record was", "records were")) given up")
            }
        }
    }
}
