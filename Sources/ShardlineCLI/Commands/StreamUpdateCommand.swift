import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline stream update`
struct StreamUpdateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Change how long a stream's records are kept.",
        discussion: """
            The new retention holds for all records of the stream from this moment on, also for a mapping that runs. A \
            longer one keeps what is there; what has expired already stays removed. A shorter one removes what is \
            older, permanently; with --dry-run it only says what that is.

            On a terminal it asks before records are removed. --yes answers that; where there is no terminal, as in a \
            script, nothing is asked.

            Examples:
              shardline stream update clicks --retention 7d
              shardline stream update clicks --retention 1h --dry-run
              shardline stream update clicks --retention 1h --yes
            """)

    @Argument(help: "The stream's name.")
    var name: String

    @Option(
        parsing: .unconditional, help: "How long records are kept, such as 36h or 7d: 1s to 365d.",
        transform: Amounts.givenDuration)
    var retention: Given<Duration>

    @Flag(help: "Only say what would be removed, and change nothing.")
    var dryRun = false

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        try StreamSettings.validate(retention: retention.value, given: retention.text, label: "--retention")
        let confirmation = Confirmation(confirmation)
        if dryRun || confirmation.isNeeded {
            let plan = try await withStore(store) { try await loss(in: $0) }
            if dryRun { return Output.error.say("\(plan.words(isDone: false)); nothing was changed") }
            if plan.removesAnything {
                try await confirmation.confirm(
                    "\(plan.words(isDone: false)), permanently?", otherwise: "nothing was changed")
            }
        }
        let done = try await withStore(store) { store in
            let removed = try await loss(in: store)
            try await store.updateStream(name, retention: retention.value)
            return removed
        }
        Output.error.say(done.words(isDone: true))
    }

    private func loss(in store: some StreamStore) async throws -> RetentionLoss {
        try await RetentionLoss(of: try await store.describeStream(name), under: retention.value, in: store)
    }
}

/// What another retention removes of a stream at once.
struct RetentionLoss: Sendable {
    let stream: String
    let before: Duration
    let after: Duration
    /// Records that are older than the new retention.
    private(set) var records = 0
    /// When the oldest of them arrived; nil where there is none.
    private(set) var oldest: Timestamp?
    /// All of them arrived by then.
    let through: Timestamp

    init(of stream: StreamDescription, under retention: Duration, in store: some StreamStore) async throws {
        self.stream = stream.name
        before = stream.retention
        after = retention
        through = store.timeSource.wallTime - retention
        guard retention < stream.retention, through.milliseconds >= 0 else { return }
        let kept = through + .milliseconds(1)
        for shard in stream.shards where shard.recordCount > 0 {
            let end = try await store.position(of: .atTimestamp(kept), in: stream.name, shard: shard.id)
            guard end > shard.trimHorizon else { continue }
            records += try await store.countRecords(
                in: [RecordSpan(shard: shard.id, after: shard.trimHorizon, through: end)], of: stream.name)[0]
            let first = try await store.read(
                ReadRequest(stream: stream.name, shard: shard.id, after: shard.trimHorizon, maximumRecords: 1))
            guard let arrival = first.batch.first?.approximateArrivalTimestamp else { continue }
            oldest = min(oldest ?? arrival, arrival)
        }
    }

    var removesAnything: Bool { records > 0 }

    /// What is going to happen, or has.
    func words(isDone: Bool) -> String {
        guard after != before else {
            return "the stream '\(stream)' keeps records for \(Readable.duration(before)) already: nothing changes"
        }
        let change = "from \(Readable.duration(before)) to \(Readable.duration(after))"
        var text = "the retention of the stream '\(stream)' \(isDone ? "was changed" : "would change") \(change)"
        if after > before {
            text += "; what has expired before stays removed"
        } else if removesAnything {
            let since = oldest.map { "\($0) to " } ?? "up to "
            text += isDone ? "; removed were " : ": this removes "
            text += "\(Readable.count(records, "record")), which arrived \(since)\(through)"
        } else {
            text += "; no record is older than that"
        }
        return text
    }
}
