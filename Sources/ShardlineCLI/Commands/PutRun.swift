import DataFormats
import EventSource
import StreamModel
import StreamStorage

/// Puts what an input holds, one batch after the other, so that at any moment only one is in doubt.
struct PutRun {
    /// A place in the input, for messages.
    private struct Place: CustomStringConvertible {
        var file: String
        var line: Int
        var description: String { "\(file):\(line)" }
    }

    private let stream: RecordStream
    private let pump: InputPump
    private let rate: Double?
    private let isStrict: Bool
    private let printsJSON: Bool
    private let interruption: Interruption
    private let output: Output
    private let errors: Output
    private var progress: ProgressBar
    /// When the next record may go, where a rate is set.
    private var mayGoAt: MonotonicTime

    private(set) var acknowledged = 0
    private(set) var malformed = 0
    /// Inputs that could not be read to their end, and the worst code that this means.
    private var unreadable: (names: [String], status: ExitStatus) = ([], .badData)
    private var lastAcknowledged: Place?
    private let begun: MonotonicTime

    init(
        stream: RecordStream, pump: InputPump, rate: Double? = nil, isStrict: Bool = false, printsJSON: Bool = false,
        interruption: Interruption, output: Output = .standard, errors: Output = .error
    ) {
        self.stream = stream
        self.pump = pump
        self.rate = rate
        self.isStrict = isStrict
        self.printsJSON = printsJSON
        self.interruption = interruption
        self.output = output
        self.errors = errors
        let timeSource = stream.engine.timeSource
        progress = ProgressBar(total: pump.totalSize, on: errors, timeSource: timeSource)
        begun = timeSource.monotonicTime
        mayGoAt = begun
    }

    /// Puts everything, and says how much that was. Throws ``CommandFailure`` for every end that is not success.
    mutating func run() async throws {
        defer { progress.end() }
        do {
            try await putAll()
        } catch {
            pump.stop()
            progress.end()
            throw error
        }
        progress.end()
        let seconds = (stream.engine.timeSource.monotonicTime - begun).inSeconds
        let rate = seconds > 0.5 ? ", \(Readable.rate(Double(acknowledged) / seconds))/s" : ""
        errors.say("put \(Readable.count(acknowledged, "record")) into '\(stream.name)'\(rate)")
        if interruption.isInterrupted {
            throw CommandFailure(.failed, "interrupted; \(soFar)")
        }
        try throwWhatIsMissing()
    }

    private func throwWhatIsMissing() throws {
        var missing: [String] = []
        if malformed > 0 {
            missing.append("\(Readable.count(malformed, "malformed line was", "malformed lines were")) not put")
        }
        for name in unreadable.names { missing.append("\(name) was not read to its end") }
        guard !missing.isEmpty else { return }
        if !unreadable.names.isEmpty { missing.append(soFar) }
        throw CommandFailure(unreadable.status, missing.joined(separator: "; "))
    }

    private var soFar: String {
        guard let lastAcknowledged else { return "no record was acknowledged" }
        return
            "\(Readable.count(acknowledged, "record was", "records were")) acknowledged, the last one is \(lastAcknowledged)"
    }

    private mutating func putAll() async throws {
        while let batch = await next() {
            var records: [NewRecord] = []
            var lines: [Int] = []
            var stopped: CommandFailure?
            for item in batch.items where stopped == nil {
                switch item {
                case .record(let line, let record):
                    records.append(record)
                    lines.append(line)
                case .malformed(let line, let reason):
                    malformed += 1
                    let place = Place(file: pump.names[batch.input], line: line)
                    if isStrict {
                        stopped = CommandFailure(.badData, "\(place): \(reason)")
                    } else {
                        errors.say("\(place): \(reason)")
                    }
                }
            }
            try await send(records, lines, of: batch.input)
            if stopped == nil, let failure = batch.failure, !interruption.isInterrupted {
                stopped = note(failure, of: batch.input)
            }
            if let stopped {
                let others = pump.names.dropFirst(batch.input + 1)
                let unread = others.isEmpty ? "" : "; not read: \(others.joined(separator: ", "))"
                throw CommandFailure(
                    stopped.status, "\(stopped.message ?? ""); stopped there (--strict), \(soFar)\(unread)")
            }
            progress.show(done: batch.bytesRead, records: acknowledged)
        }
    }

    // What keeps an input from being read further: the end of all under --strict, else the others go on.
    private mutating func note(_ failure: InputPump.Failure, of input: Int) -> CommandFailure? {
        let place = failure.lastLine == 0 ? "before the end of its first line" : "after line \(failure.lastLine)"
        let reason = "\(failure.reason.message ?? ""), \(place)"
        if isStrict { return CommandFailure(failure.reason.status, reason) }
        errors.say("\(reason); what follows in it is not put")
        unreadable.names.append(pump.names[input])
        if failure.reason.status == .inputOutput { unreadable.status = .inputOutput }
        return nil
    }

    // Waits for input or the interruption, whichever comes first.
    private func next() async -> InputPump.Batch? {
        if interruption.isInterrupted { return nil }
        return await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await interruption.wait()
                if interruption.isInterrupted { pump.stop() }
            }
            defer { group.cancelAll() }
            return await pump.next()
        }
    }

    private mutating func send(_ records: [NewRecord], _ lines: [Int], of input: Int) async throws {
        var start = 0
        while start < records.count, !interruption.isInterrupted {
            let end = rate.map { min(records.count, start + max(1, Int($0 / 20))) } ?? records.count
            try await waitForTurn(of: end - start)
            if interruption.isInterrupted { return }
            let (some, places) = (Array(records[start..<end]), Array(lines[start..<end]))
            let receipts: [PutReceipt]
            do {
                receipts = try await stream.put(contentsOf: some)
            } catch let error as ShardlineError {
                throw failure(error, lines: places, of: input)
            }
            acknowledged += receipts.count
            lastAcknowledged = places.last.map { Place(file: pump.names[input], line: $0) }
            if printsJSON { try await print(receipts, some, places, of: input) }
            start = end
        }
    }

    private mutating func waitForTurn(of count: Int) async throws {
        guard let rate else { return }
        let timeSource = stream.engine.timeSource
        mayGoAt = max(mayGoAt, timeSource.monotonicTime)
        // In short steps, so that Ctrl-C is heard at a low rate too.
        while !interruption.isInterrupted, timeSource.monotonicTime < mayGoAt {
            try await timeSource.sleep(until: min(mayGoAt, timeSource.monotonicTime + .milliseconds(100)))
        }
        mayGoAt = mayGoAt + .seconds(Double(count) / rate)
    }

    private func failure(_ error: ShardlineError, lines: [Int], of input: Int) -> CommandFailure {
        let first = Place(file: pump.names[input], line: lines[0])
        switch error.code {
        case .ownerGone:
            // What was surely not sent is in no doubt.
            return CommandFailure(
                .busy, "\(error.message); \(soFar); nothing is in doubt: \(first) and what follows was not put")
        case .outcomeUnknown:
            let doubt = lines.count == 1 ? "\(first) is in doubt" : "\(first) to \(lines[lines.count - 1]) are in doubt"
            let reason = (error.cause as? ShardlineError)?.message ?? error.message
            return CommandFailure(
                .busy,
                "\(reason); \(soFar); \(doubt): look with `shardline tail` whether they are there before you put them again"
            )
        default:
            return CommandFailure(ExitStatus(error.code), "\(error.message); \(soFar)")
        }
    }

    private func print(_ receipts: [PutReceipt], _ records: [NewRecord], _ lines: [Int], of input: Int) async throws {
        var writer = JSONLines()
        for (index, receipt) in receipts.enumerated() {
            writer.line { line in
                if pump.names.count > 1 { line.member("file", pump.names[input]) }
                line.member("line", lines[index])
                line.member("shardId", receipt.shard.description)
                line.member("sequenceNumber", receipt.kinesisSequenceNumber.description)
                line.member("partitionKey", records[index].partitionKey)
                line.name("approximateArrivalTimestamp")
                line.seconds(ofMilliseconds: receipt.approximateArrivalTimestamp.milliseconds)
            }
        }
        do {
            try await output.asyncWrite(json: writer.bytes)
        } catch is Output.Closed {
            throw CommandFailure(.inputOutput, "standard output was closed; \(soFar)")
        } catch is Output.Blocked {
            throw CommandFailure(.failed, "interrupted while nobody read standard output; \(soFar)")
        }
    }
}
