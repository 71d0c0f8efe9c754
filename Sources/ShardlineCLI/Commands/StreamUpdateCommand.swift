import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline stream update`
struct StreamUpdateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Change how long a stream's records are kept, and how large they may be.",
        discussion: """
            The new retention holds for all records of the stream from this moment on, also for a mapping that runs. A \
            longer one keeps what is there; what has expired already stays removed. A shorter one removes what is \
            older at once and permanently, also what mappings have not done yet; they give it up with the condition \
            RecordsExpired. With --dry-run the command only says how many records that removes and before which time they \
            arrived; with --verbose it also says so for each shard.

            Another record size holds for what is put from now on; larger records that are there stay readable.

            On a terminal it asks before records are removed. --yes answers that; where there is no terminal, as in a \
            script, nothing is asked.

            Examples:
              shardline stream update clicks --retention 7d
              shardline stream update clicks --retention 1h --dry-run
              shardline stream update clicks --retention 1h --yes
              shardline stream update clicks --max-record-size 10MiB
            """)

    @Argument(help: "The stream's name.")
    var name: String

    @Option(
        parsing: .unconditional, help: "How long records are kept: 1s to 365d, such as 36h or 7d.",
        transform: Amounts.givenDuration)
    var retention: Given<Duration>?

    @Option(
        parsing: .unconditional, help: "The most bytes of data in one record: 1 to 10MiB, such as 256KiB.",
        transform: Amounts.givenBytes)
    var maxRecordSize: Given<Int>?

    @Flag(help: "Say what would be removed, and change nothing.")
    var dryRun = false

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var store: StoreOptions

    func validate() throws {
        guard retention != nil || maxRecordSize != nil else {
            throw ValidationError("say what to change: --retention, --max-record-size, or both")
        }
    }

    func run() async throws {
        if let retention {
            try StreamSettings.validate(retention: retention.value, given: retention.text, label: "--retention")
        }
        let confirmation = Confirmation(confirmation)
        if dryRun || confirmation.isNeeded {
            let plan = try await withStore(store) { try await change(in: $0) }
            if dryRun {
                Output.error.say("\(plan.words(isDone: false)); nothing was changed")
                return sayShards(of: plan.loss)
            }
            if plan.loss?.removesAnything ?? false {
                try await confirmation.confirm(
                    "\(plan.words(isDone: false)), permanently?", otherwise: "nothing was changed")
            }
        }
        let done = try await withStore(store) { store in
            let change = try await change(in: store)
            try await store.updateStream(
                name, retention: retention?.value, maximumRecordSize: maxRecordSize?.value)
            return change
        }
        Output.error.say(done.words(isDone: true))
        sayShards(of: done.loss)
    }

    /// What is to be changed.
    private struct Change: Sendable {
        var stream: StreamDescription
        var loss: RetentionLoss?
        var maximumRecordSize: Int?

        /// What is going to happen, or has.
        func words(isDone: Bool) -> String {
            [sizeWords(isDone: isDone), loss?.words(isDone: isDone)].compactMap { $0 }.joined(separator: "; ")
        }

        private func sizeWords(isDone: Bool) -> String? {
            guard let maximumRecordSize else { return nil }
            let (before, after) = (stream.maximumRecordSize, maximumRecordSize)
            guard before != after else {
                return "the stream '\(stream.name)' takes records of \(Readable.number(after)) bytes already"
            }
            return
                "the record size of the stream '\(stream.name)' \(isDone ? "was changed" : "would change") from \(Readable.number(before)) to \(Readable.number(after)) bytes"
        }
    }

    private func change(in store: some StoreEngine) async throws -> Change {
        let stream = try await store.describeStream(name)
        if let maxRecordSize {
            try StreamSettings.validate(
                maximumRecordSize: maxRecordSize.value, isFailureStream: stream.isFailureStream,
                given: maxRecordSize.text, label: "--max-record-size")
        }
        var loss: RetentionLoss?
        if let retention { loss = try await RetentionLoss(of: stream, under: retention.value, in: store) }
        return Change(stream: stream, loss: loss, maximumRecordSize: maxRecordSize?.value)
    }

    private func sayShards(of loss: RetentionLoss?) {
        guard store.verbose, let loss else { return }
        for line in loss.linesByShard { Output.error.say(line) }
    }
}

/// What another retention removes of a stream at once.
struct RetentionLoss: Sendable {
    let stream: String
    let before: Duration
    let after: Duration
    /// What is removed of one shard.
    struct Part: Equatable, Sendable {
        var shard: ShardID
        var records: Int
        /// When the oldest of them arrived; nil where that can't be read.
        var oldest: Timestamp?
    }

    /// The shards that lose records.
    private(set) var parts: [Part] = []
    /// All records that arrived before then are removed, and no others.
    let cutoff: Timestamp

    init(of stream: StreamDescription, under retention: Duration, in store: some StoreEngine) async throws {
        self.stream = stream.name
        before = stream.retention
        after = retention
        // A record as old as the retention has expired.
        cutoff = store.timeSource.wallTime - retention + .milliseconds(1)
        guard retention < stream.retention, cutoff.milliseconds > 0 else { return }
        for shard in stream.shards where shard.recordCount > 0 {
            let end = try await store.position(of: .atTimestamp(cutoff), in: stream.name, shard: shard.id)
            guard end > shard.trimHorizon else { continue }
            let count = try await store.countRecords(
                in: [RecordSpan(shard: shard.id, after: shard.trimHorizon, through: end)], of: stream.name)[0]
            guard count > 0 else { continue }
            let first = try await store.read(
                ReadRequest(stream: stream.name, shard: shard.id, after: shard.trimHorizon, maximumRecords: 1))
            parts.append(
                Part(shard: shard.id, records: count, oldest: first.batch.first?.approximateArrivalTimestamp))
        }
    }

    /// Records that are older than the new retention.
    var records: Int { parts.reduce(0) { $0 + $1.records } }

    /// When the oldest of them arrived; nil where there is none.
    var oldest: Timestamp? { parts.compactMap(\.oldest).min() }

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
            let which = "that arrived before \(cutoff)"
            let since = oldest.map { ", the oldest at \($0)" } ?? ""
            text +=
                isDone
                ? "; \(Readable.count(records, "record was", "records were")) removed: all \(which)\(since)"
                : ": this removes \(Readable.count(records, "record")): all \(which)\(since)"
        } else {
            text += "; no record is older than that"
        }
        return text
    }

    /// How many records that are in each shard that loses any.
    var linesByShard: [String] {
        parts.map { part in
            "\(part.shard): \(Readable.count(part.records, "record"))"
                + (part.oldest.map { ", the oldest arrived at \($0)" } ?? "")
        }
    }
}
