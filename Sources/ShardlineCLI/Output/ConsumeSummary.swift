import EventSource
import StreamModel

/// What `consume` says at its end.
struct ConsumeSummary {
    let statistics: MappingStatistics
    let duration: Duration
    /// Where given-up records went; nil: nowhere.
    let failures: String?
    /// Whether batches waited for a window.
    var hasWindow = true

    private var rate: Double {
        let seconds = duration.inSeconds
        return seconds > 0 ? Double(statistics.delivered) / seconds : 0
    }

    /// For people.
    var lines: [String] {
        let batches = statistics.batches.sorted { $0.key < $1.key }.map { cause, count in
            Readable.number(count) + (cause == "window" && !hasWindow ? " as they came" : " by \(cause)")
        }
        var lines = [
            "delivered      \(Readable.count(statistics.delivered, "record")) in \(Readable.measured(duration)), \(Readable.rate(rate))/s",
            "invocations    \(Readable.number(statistics.invocations)), \(Readable.number(statistics.errors)) failed",
            "batches        \(batches.isEmpty ? "none" : batches.joined(separator: ", "))",
            "retries        \(Readable.number(statistics.retries))",
            "splits         \(Readable.number(statistics.splits))",
            "given up       \(Readable.count(statistics.givenUp, "record"))\(fate)",
            "redelivered    \(Readable.count(statistics.redelivered, "record")) after a restart or a seek, \(Readable.number(statistics.sentAgain)) by retries and splits",
            "iterator age   "
                + (statistics.iteratorAge.map {
                    "\(Readable.measured($0)), at most \(Readable.measured(statistics.greatestIteratorAge ?? $0))"
                } ?? "no record was delivered"),
        ]
        if statistics.expired > 0 {
            lines.append("expired        \(Readable.count(statistics.expired, "record")) before the function saw them")
        }
        return lines
    }

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
            line.member("delivered", statistics.delivered)
            line.member("invocations", statistics.invocations)
            line.member("errors", statistics.errors)
            line.member("retries", statistics.retries)
            line.member("splits", statistics.splits)
            line.member("givenUp", statistics.givenUp)
            line.name("givenUpByCondition")
            line.raw(Self.counts(statistics.givenUpByCondition.map { ("\($0.key)", $0.value) }))
            line.member("deliveredToDestination", statistics.deliveredToDestination)
            line.member("dropped", statistics.dropped)
            line.member("expired", statistics.expired)
            line.member("redelivered", statistics.redelivered)
            line.member("sentAgain", statistics.sentAgain)
            line.name("batches")
            line.raw(Self.counts(statistics.batches.map { ($0.key, $0.value) }))
            line.name("seconds")
            line.seconds(ofMilliseconds: duration.wholeMilliseconds)
            line.name("recordsPerSecond")
            line.raw(String((rate * 10).rounded() / 10))
            line.member("iteratorAgeMilliseconds", statistics.iteratorAge.map { Int($0.wholeMilliseconds) })
            line.member(
                "greatestIteratorAgeMilliseconds", statistics.greatestIteratorAge.map { Int($0.wholeMilliseconds) })
        }
        return lines.bytes
    }

    // The names are those of conditions and causes: nothing in them needs an escape.
    private static func counts(_ counts: [(String, Int)]) -> String {
        "{" + counts.sorted { $0.0 < $1.0 }.map { "\"\($0.0)\":\($0.1)" }.joined(separator: ",") + "}"
    }

    /// One line for the bottom of the terminal while it runs.
    static func status(_ statistics: MappingStatistics) -> String {
        var text =
            "\(Readable.count(statistics.delivered, "record")) delivered, \(Readable.count(statistics.invocations, "invocation"))"
        if statistics.errors > 0 { text += ", \(Readable.number(statistics.errors)) failed" }
        if statistics.givenUp > 0 { text += ", \(Readable.number(statistics.givenUp)) given up" }
        if let age = statistics.iteratorAge { text += ", age \(Readable.measured(age))" }
        return text
    }
}
