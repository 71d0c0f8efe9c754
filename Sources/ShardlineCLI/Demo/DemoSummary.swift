import LateRuns
import StreamModel

/// What the demo ends with.
struct DemoSummary: Codable, Equatable, Sendable {
    /// Records in the stream.
    var records: Int
    /// The same for each shard.
    var recordsPerShard: [Int]
    /// Records that were isolated.
    var isolated: Int
    /// The same for each shard.
    var isolatedPerShard: [Int]
    /// The stream that holds what was isolated.
    var isolatedStream: String
    /// Aircraft that flew.
    var aircraft: Int
    /// The aircraft with the longest late runs, the longest first.
    var longestLateRuns: [LateRun]
    /// Batches, by what closed them.
    var batches: [String: Int]
    /// Calls of the function, over both workers.
    var invocations: Int
    /// Calls with what had been tried before.
    var retries: Int
    /// Units that were halved.
    var splits: Int
    /// The kill, if there was one.
    var kill: DemoSupervisor.Kill?
    /// From the first worker's start to the end, the pauses included.
    var seconds: Double
    /// Records in one of these seconds.
    var recordsPerSecond: Double
    /// Whether a plain pass over the file comes to the same: records, isolated ones, and every aircraft's run.
    var isRight: Bool

    init(_ outcome: DemoSupervisor.Outcome, seconds: Double, isRight: Bool) {
        let report = outcome.report
        recordsPerShard = report.recordsPerShard
        records = recordsPerShard.reduce(0, +)
        isolatedPerShard = report.isolatedPerShard
        isolated = isolatedPerShard.reduce(0, +)
        isolatedStream = LateRunsJob.failureStream
        aircraft = report.aircraft
        longestLateRuns = report.longest
        batches = report.figures.batches
        invocations = report.figures.invocations
        retries = report.figures.retries
        splits = report.figures.splits
        kill = outcome.kill
        self.seconds = seconds
        recordsPerSecond = seconds > 0 ? Double(records) / seconds : 0
        self.isRight = isRight
    }

    /// The summary for people. `storePath`: where the store can be looked at; nil where it is gone.
    func text(storePath: String?) -> String {
        var lines = ["", "The longest runs of late departures:"]
        for (place, run) in longestLateRuns.enumerated() {
            let name = run.tailnum + String(repeating: " ", count: max(1, 8 - run.tailnum.count))
            lines.append("  \(place + 1). \(name)\(run.longest) in a row")
        }
        let shards = recordsPerShard.count == 4 ? "four" : "\(recordsPerShard.count)"
        lines += [
            "",
            "\(Readable.number(records)) records (\(listed(recordsPerShard)) in the \(shards) shards)",
            "\(Readable.number(isolated)) isolated (\(isolatedPerShard.map { Readable.number($0) }.joined(separator: ", "))), "
                + "kept in the stream \(isolatedStream)",
        ]
        let first = longestLateRuns.first.map { ", \($0.tailnum) first with \($0.longest) in a row" } ?? ""
        lines.append("\(Readable.number(aircraft)) aircraft\(first)")
        lines.append("")
        let closed = batches.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
            .map { "\(Readable.number($0.value)) by \($0.key)" }.joined(separator: ", ")
        lines += [
            "\(Readable.count(batches.values.reduce(0, +), "batch", "batches")) closed: \(closed.isEmpty ? "none" : closed)",
            "\(Readable.count(invocations, "invocation")), \(Readable.count(retries, "retry", "retries")), \(Readable.count(splits, "split"))",
        ]
        if let kill {
            lines.append(
                "killed once, with \(Readable.number(kill.linesInStream)) lines in the stream; "
                    + "\(Readable.count(kill.redelivered, "record")) redelivered, "
                    + "\(Readable.number(kill.alreadyInResults)) of them in the results already: they changed nothing")
        } else {
            lines.append("not killed, so nothing was redelivered")
        }
        let tenths = Int((seconds * 10).rounded())
        lines.append(
            "\(tenths / 10).\(tenths % 10) s, \(Readable.number(Int(recordsPerSecond))) records/s, the producer's pauses included"
        )
        lines.append("")
        lines.append(
            isRight
                ? "The answer is right: a plain pass over the file comes to the same."
                : "THE ANSWER IS WRONG: a plain pass over the file comes to another one.")
        if let storePath {
            lines.append(
                "Look at what was isolated: shardline tail \(isolatedStream) --from trim-horizon --data \(ShellWord.quoted(storePath))"
            )
        } else {
            lines.append("The store is removed again; --directory DIR keeps one.")
        }
        return lines.joined(separator: "\n")
    }

    private func listed(_ numbers: [Int]) -> String {
        guard let last = numbers.last, numbers.count > 1 else { return numbers.map { Readable.number($0) }.joined() }
        return numbers.dropLast().map { Readable.number($0) }.joined(separator: ", ") + " and " + Readable.number(last)
    }
}
