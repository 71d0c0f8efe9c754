import DataFormats
import EventSource
import StreamModel
import StreamStorage

/// What `consume` says at its end.
struct ConsumeSummary {
    let statistics: MappingStatistics
    let duration: Duration
    /// Where given-up records went; nil: nowhere.
    let failures: String?
    /// Whether batches waited for a window.
    var hasWindow = true
    /// The shards as the run left them.
    var shards: [MappingShardState] = []
    /// When the run ended.
    var now = Timestamp(milliseconds: 0)

    /// Shards that the run left with records that had failed or that no destination took.
    private var unfinished: [MappingShardState] { shards.filter { $0.lastError != nil && $0.phase != .ended } }

    private var rate: Double {
        let seconds = duration.inSeconds
        return seconds > 0 ? Double(statistics.delivered) / seconds : 0
    }

    /// For people.
    var lines: [String] {
        let batches = statistics.batches.sorted { $0.key.rawValue < $1.key.rawValue }.map { cause, count in
            Readable.number(count) + words(ofCause: cause)
        }
        var lines = [
            "delivered      \(Readable.count(statistics.delivered, "record")) in \(Readable.measured(duration)), \(Readable.rate(rate))/s",
            "invocations    \(Readable.number(statistics.invocations)), \(Readable.number(statistics.errors)) failed",
            "batches        \(batches.isEmpty ? "none" : batches.joined(separator: ", "))",
            "retries        \(Readable.number(statistics.retries))",
            "splits         \(Readable.number(statistics.splits))",
            "given up       \(Readable.count(statistics.givenUp, "record"))\(fate)",
            "redelivered    \(Readable.count(statistics.redelivered, "record")) known to have been sent before, \(Readable.number(statistics.sentAgain)) by retries and splits",
            "iterator age   "
                + (statistics.iteratorAge.map {
                    "\(Readable.measured($0)), at most \(Readable.measured(statistics.greatestIteratorAge ?? $0))"
                } ?? "no record was delivered"),
        ]
        if statistics.parked > 0 {
            lines.append(
                "parked         \(Readable.count(statistics.parked, "record")) with their keys: `shardline mapping keys` lists these"
            )
        }
        if statistics.filteredOut > 0 {
            lines.insert("filtered out   \(Readable.count(statistics.filteredOut, "record"))", at: 1)
        }
        if statistics.expired > 0 {
            lines.append("expired        \(Readable.count(statistics.expired, "record")) before they were done")
        }
        for shard in unfinished.prefix(Self.mostShards) {
            lines.append("unfinished     \(shard.shard): \(MappingReport.unfinished(shard, now: now))")
        }
        if unfinished.count > Self.mostShards {
            lines.append("               and \(Readable.count(unfinished.count - Self.mostShards, "shard")) more")
        }
        return lines
    }

    private func words(ofCause cause: BatchCause) -> String {
        switch cause {
        case .window where !hasWindow: " as they came"
        case .caughtUp: " by catching up"
        default: " by \(cause)"
        }
    }

    /// The most unfinished shards that are named.
    private static let mostShards = 10

    /// What became of the given-up records. A destination that fails takes none of them, or not all.
    private var fate: String {
        guard statistics.givenUp > 0 else { return "" }
        guard let failures else { return ", dropped" }
        let taken = min(statistics.deliveredToDestination, statistics.givenUp)
        if taken == statistics.givenUp { return ", in \(failures)" }
        return ", \(taken == 0 ? "none" : Readable.number(taken)) of them in \(failures); the others come again"
    }

    /// For programs: one object in one line.
    var json: [UInt8] {
        var lines = JSONLines()
        lines.line { line in
            line.member("polled", statistics.polled)
            line.member("filteredOut", statistics.filteredOut)
            line.member("delivered", statistics.delivered)
            line.member("invocations", statistics.invocations)
            line.member("errors", statistics.errors)
            line.member("retries", statistics.retries)
            line.member("splits", statistics.splits)
            line.member("givenUp", statistics.givenUp)
            line.name("givenUpByCondition")
            line.raw(Self.counts(statistics.givenUpByCondition.map { ("\($0.key)", $0.value) }))
            line.member("parked", statistics.parked)
            line.member("deliveredToDestination", statistics.deliveredToDestination)
            line.member("dropped", statistics.dropped)
            line.member("expired", statistics.expired)
            line.member("lost", statistics.lost)
            line.member("released", statistics.released)
            line.member("throttles", statistics.throttles)
            line.member("redelivered", statistics.redelivered)
            line.member("sentAgain", statistics.sentAgain)
            line.name("batches")
            line.raw(Self.counts(statistics.batches.map { ($0.key.rawValue, $0.value) }))
            line.name("seconds")
            line.seconds(ofMilliseconds: duration.wholeMilliseconds)
            line.name("recordsPerSecond")
            line.raw(String((rate * 10).rounded() / 10))
            line.member("iteratorAgeMilliseconds", statistics.iteratorAge.map { Int($0.wholeMilliseconds) })
            line.member(
                "greatestIteratorAgeMilliseconds", statistics.greatestIteratorAge.map { Int($0.wholeMilliseconds) })
            line.name("unfinished")
            line.array { list in for shard in unfinished { write(shard, to: &list) } }
        }
        return lines.bytes
    }

    private func write(_ shard: MappingShardState, to writer: inout JSONWriter) {
        writer.object { entry in
            entry.member("shardId", shard.shard.description)
            entry.name("unit")
            if let unit = shard.unit { unit.write(to: &entry) } else { entry.raw("null") }
            entry.member("failedAttempts", shard.attempts)
            entry.member("lastError", shard.lastError)
            entry.member("oldestAgeMilliseconds", shard.oldestAge(at: now).map { Int($0.wholeMilliseconds) })
        }
    }

    // The names are those of conditions and causes: nothing in them needs an escape.
    private static func counts(_ counts: [(String, Int)]) -> String {
        "{" + counts.sorted { $0.0 < $1.0 }.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    /// One line for the bottom of the terminal while it runs.
    static func status(
        _ statistics: MappingStatistics, _ shards: [MappingShardState] = [], now: Timestamp = Timestamp(milliseconds: 0)
    ) -> String {
        var text =
            "\(Readable.count(statistics.delivered, "record")) delivered, \(Readable.count(statistics.invocations, "invocation"))"
        if statistics.errors > 0 { text += ", \(Readable.number(statistics.errors)) failed" }
        if statistics.givenUp > 0 { text += ", \(Readable.number(statistics.givenUp)) given up" }
        if statistics.parked > 0 { text += ", \(Readable.number(statistics.parked)) parked" }
        if let age = statistics.iteratorAge { text += ", age \(Readable.measured(age))" }
        let failing = shards.filter(\.isFailing).max {
            ($0.oldestAge(at: now) ?? .zero) < ($1.oldestAge(at: now) ?? .zero)
        }
        if let failing, let unit = failing.unit {
            text += ", key \(RecordText.key(unit.partitionKey)) fails"
            if let age = failing.oldestAge(at: now) { text += ", oldest record \(RecordText.age(age)) old" }
        }
        return text
    }
}
