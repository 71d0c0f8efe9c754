import ArgumentParser
import EventSource
import StreamModel

/// The options that set a mapping, of `consume` and `mapping update`; what is not given stays as it is.
struct SettingsOptions: ParsableArguments {
    // Here and below: -1 must not be taken for an option.
    @Option(
        parsing: .unconditional, help: "The most records in a batch: 1 to 10,000. Default: 100.",
        transform: Amounts.wholeNumber)
    var batchSize: Int?

    @Option(
        parsing: .unconditional,
        help: "How long a batch may wait to fill: 0 to 300s. Default: 0, so a batch is what is there.",
        transform: Amounts.givenDuration)
    var batchWindow: Given<Duration>?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Divide the records of each shard into windows of this length by their arrival times: 1ms to 900s, or 0 for none. The command gets and answers a 'state', as in Lambda's tumbling windows. Default: 0.",
            valueName: "length"),
        transform: Amounts.givenDuration)
    var tumblingWindow: Given<Duration>?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How many batches of a shard may be in work at the same time, divided by partition key: 1 to 10. Default: 1.",
            valueName: "factor"),
        transform: Amounts.wholeNumber)
    var parallelizationFactor: Int?

    @Option(
        help: ArgumentHelp(
            "A pattern of the records that the command gets, JSON as in Lambda's filters: '{\"data\": {\"type\": [\"order\"]}}'. May be given up to 10 times: records that match none of them are passed over. Default: all records.",
            valueName: "pattern"))
    var filter: [String] = []

    @Flag(
        inversion: .prefixedNo,
        help:
            "Take the aggregates of the Kinesis Producer Library apart: the command gets an entry for each user record, with subSequenceNumber. Answers name sequence numbers of records as before. Default: --no-deaggregate."
    )
    var deaggregate: Bool?

    @Flag(
        inversion: .prefixedNo,
        help: "Cut a failed batch in two instead of trying it again as a whole. Default: --bisect.")
    var bisect: Bool?

    @Flag(inversion: .prefixedNo, help: "Look at batchItemFailures in answers. Default: --reports.")
    var reports: Bool?

    @Option(
        parsing: .unconditional,
        help: "How often what failed is tried again: 0 to 10,000, or -1 for no limit. Default: 5.",
        transform: Amounts.wholeNumber)
    var maxRetries: Int?

    @Option(
        help: ArgumentHelp(
            "What becomes of records whose attempts are used up: give-up (they go to --on-failure), park-key (they and all later records of their partition keys wait aside, in order, while other keys go on, until `shardline redrive`), or pause-shard (their shard waits until `shardline mapping resume`). Default: give-up.",
            valueName: "what"),
        transform: { text in
            guard let choice = EventSourceMapping.Configuration.WhenExhausted(rawValue: text) else {
                throw ArgumentProblem(description: "what becomes of such records is give-up, park-key or pause-shard")
            }
            return choice
        })
    var whenExhausted: EventSourceMapping.Configuration.WhenExhausted?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How many records of one parked key may wait in a shard, which then reads no further: 1 to 100,000,000. Default: 10,000.",
            valueName: "count"),
        transform: Amounts.wholeNumber)
    var maximumParkedRecordsPerKey: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How many records of parked keys may wait in a shard, which then reads no further: 1 to 100,000,000. Default: 1,000,000.",
            valueName: "count"),
        transform: Amounts.wholeNumber)
    var maximumParkedRecords: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "How many records of released keys are handed back in a second: 1 to 1,000,000, or -1 for no limit. Default: no limit.",
            valueName: "records"),
        transform: Amounts.wholeNumber)
    var redriveRate: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Disable the mapping when of the records that ended within a minute, 20 or more, more than this percentage could not be processed: 1 to 99, or -1 for never. Default: never.",
            valueName: "percent"),
        transform: Amounts.wholeNumber)
    var breaker: Int?

    @Option(
        help: ArgumentHelp(
            "The stream that gets the records that the command returns, as \"records\" in its answer, in one commit with the checkpoint; none for no stream. Default: none.",
            valueName: "stream"))
    var onSuccess: String?

    @Option(
        parsing: .unconditional,
        help:
            "Records older than this are given up without being sent: 60s to 7d, or -1 for no limit. Default: no limit.",
        transform: Amounts.givenDurationOrNone)
    var maxAge: Given<Duration?>?

    @Option(
        parsing: .unconditional, help: "How long the command may take for one batch: 1ms to 1d. Default: 60s.",
        transform: Amounts.givenDuration)
    var timeout: Given<Duration>?

    @Option(
        parsing: .unconditional,
        help:
            "How many processes or requests run at the same time: 1 to 10,000, at most as many as the parallelization factor for a shard. Default: one for each processor.",
        transform: Amounts.wholeNumber)
    var concurrency: Int?

    @Option(
        help: ArgumentHelp(
            "Where records go that are given up: stream:NAME, file:PATH, url:URL (a POST for each batch that is given up), exec:COMMAND (a line for each, which it answers with {} on a line), none, or dead-letter-stream, which is stream:STREAM.MAPPING.failed and the default. A stream that is not there is created; one that other mappings give up to as well is shared, with a warning.",
            valueName: "destination"),
        transform: OnFailure.init)
    var onFailure: OnFailure?

    @Option(
        parsing: .unconditional, help: "How long Ctrl-C waits for running batches: 0 to 1h. Default: 5s.",
        transform: Amounts.givenDuration)
    var grace: Given<Duration>?

    /// Changes what was given.
    func apply(to settings: inout EventSourceMapping.Configuration) {
        if let batchSize { settings.batchSize = batchSize }
        if let batchWindow { settings.batchWindow = batchWindow.value }
        if let tumblingWindow { settings.tumblingWindow = tumblingWindow.value == .zero ? nil : tumblingWindow.value }
        if let parallelizationFactor { settings.parallelizationFactor = parallelizationFactor }
        if !filter.isEmpty { settings.filters = filter.map { FilterPattern($0) } }
        if let deaggregate { settings.deaggregates = deaggregate }
        if let bisect { settings.bisectOnError = bisect }
        if let reports { settings.reportsBatchItemFailures = reports }
        if let maxRetries { settings.maximumRetryAttempts = maxRetries == -1 ? nil : maxRetries }
        if let whenExhausted { settings.whenExhausted = whenExhausted }
        if let maximumParkedRecordsPerKey { settings.maximumParkedRecordsPerKey = maximumParkedRecordsPerKey }
        if let maximumParkedRecords { settings.maximumParkedRecords = maximumParkedRecords }
        if let redriveRate { settings.redriveRate = redriveRate == -1 ? nil : redriveRate }
        if let breaker { settings.breaker = breaker == -1 ? nil : breaker }
        if let onSuccess { settings.successStream = onSuccess == "none" ? nil : onSuccess }
        if let maxAge { settings.maximumRecordAge = maxAge.value }
        if let timeout { settings.functionTimeout = timeout.value }
        if let concurrency { settings.concurrency = concurrency }
        if let onFailure { settings.failureDestination = onFailure.destination }
        if let grace { settings.shutdownGrace = grace.value }
    }

    /// The names of the options, for messages.
    var naming: EventSourceMapping.Configuration.Naming {
        .options([
            "batchWindow": batchWindow, "maximumRecordAge": maxAge?.present(), "functionTimeout": timeout,
            "shutdownGrace": grace, "tumblingWindow": tumblingWindow,
        ])
    }
}
