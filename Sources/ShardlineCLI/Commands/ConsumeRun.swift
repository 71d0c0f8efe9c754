import EventSource
import Logging
import StreamModel
import StreamStorage

/// Runs a mapping whose function is a command or an endpoint, until it is done or interrupted, and sums up.
struct ConsumeRun: Sendable {
    let stream: RecordStream
    let mapping: String
    let function: ConsumeFunction
    let settings: EventSourceMapping.Configuration
    /// Where records go that are given up; nil: where the settings say.
    var onFailure: OnFailure?
    let functions: FunctionOwner
    /// Whether JSON that says nothing as an answer is taken for success.
    var acceptsAnyJSON = false
    /// Whether events tell of their invocation.
    var tellsInvocation = false
    /// How many processes are started before the first batch is read, and kept ready.
    var warm = 0
    let from: Position?
    let goal: EventSourceMapping.Goal
    let logger: Logger
    let interruption: Interruption
    var output = Output.standard
    var errors = Output.error

    /// Runs, prints the summary, and answers what was done. Throws what ended the run.
    func run(printsJSON: Bool) async throws -> MappingStatistics {
        let destination = try makeDestination()
        let identity = StreamIdentity()
        let result: Result<MappingStatistics, any Error>
        do {
            let function = try makeFunction(of: identity)
            do {
                result = .success(try await run(function, destination, identity, printsJSON: printsJSON))
            } catch {
                result = .failure(error)
            }
            await function.end()
        } catch {
            result = .failure(error)
        }
        await destination?.end()
        return try result.get()
    }

    private func run(
        _ function: any RunningFunction, _ destination: RunningDestination?, _ identity: StreamIdentity,
        printsJSON: Bool
    ) async throws -> MappingStatistics {
        let streams = try await stream.engine.listStreams().map(\.name)
        let eventSource = try await EventSourceMapping(
            mapping, from: stream,
            startingAt: try (from ?? .trimHorizon).starting(now: stream.engine.timeSource.wallTime),
            configuration: settings, destination: destination?.destination, logger: logger,
            outsideFunction: function)
        // The mapping goes with its stream: a run of this one is a run on the stream that is described here.
        identity.set(try await stream.engine.describeStream(stream.name).id)
        (function as? ProcessFunction)?.pool.keepReady(warm)
        try await greet(eventSource)
        if let name = eventSource.failureStream, !streams.contains(name) {
            errors.say("created the stream '\(name)', which takes the records that are given up")
        }
        let begun = stream.engine.timeSource.monotonicTime
        let result: Result<Void, any Error>
        do {
            try await run(eventSource, function)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        await function.end()
        errors.showStatus("")
        let summary = ConsumeSummary(
            statistics: eventSource.statistics, duration: stream.engine.timeSource.monotonicTime - begun,
            failures: place(of: eventSource), hasWindow: settings.batchWindow > .zero, shards: eventSource.shardStates,
            now: stream.engine.timeSource.wallTime)
        if printsJSON {
            try output.write(json: summary.json)
        } else {
            for line in summary.lines { try output.line(line) }
        }
        try result.get()
        if goal == .caughtUp, let reason = function.absence {
            throw CommandFailure(
                .busy,
                "the function \(reason). No record was given up; correct \(self.function.option) and run the same command again"
            )
        }
        return eventSource.statistics
    }

    private func greet(_ eventSource: EventSourceMapping) async throws {
        let name = "the mapping '\(mapping)' of '\(stream.name)'"
        guard eventSource.isResumed else {
            return errors.say("\(name) is new and begins at \((from ?? .trimHorizon).words)")
        }
        let description = try await stream.engine.describeMapping(MappingID(stream: stream.name, name: mapping))
        let progress = try await MappingProgress.all(of: description, in: stream.engine)
        let behind = Readable.count(progress.reduce(0) { $0 + $1.behind }, "record")
        let lost = progress.reduce(0) { $0 + $1.expired }
        let expired = lost > 0 ? ", \(Readable.count(lost, "record")) expired before they were done" : ""
        errors.say(
            "\(name) resumes where it was, \(behind) to go\(expired)"
                + (from == nil ? "" : "; --from is for a new mapping, use `shardline mapping seek`"))
    }

    /// Where what is given up goes.
    private func place(of eventSource: EventSourceMapping) -> String? {
        if case .file(let path) = settings.failureDestination { return "the file \(path)" }
        if let words = onFailure?.words { return words }
        return eventSource.failureStream.map { "the stream \($0)" }
    }

    private func run(_ eventSource: EventSourceMapping, _ function: any RunningFunction) async throws {
        let timeSource = stream.engine.timeSource
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await eventSource.run(until: goal)
                return true
            }
            group.addTask {
                await interruption.wait()
                if interruption.isInterrupted {
                    errors.say("ending when running batches are done; Ctrl-C again ends at once")
                    eventSource.triggerGracefulShutdown()
                }
                return false
            }
            if goal == .caughtUp {
                // A job that has an end would have none; a service may be started before what it starts is there.
                group.addTask {
                    await function.waitForAbsence()
                    if function.absence != nil { eventSource.triggerGracefulShutdown() }
                    return false
                }
            }
            if errors.isTerminal {
                group.addTask {
                    while !Task.isCancelled {
                        errors.showStatus(
                            ConsumeSummary.status(
                                eventSource.statistics, eventSource.shardStates, now: timeSource.wallTime))
                        do {
                            try await timeSource.sleep(until: timeSource.monotonicTime + .milliseconds(250))
                        } catch { break }
                    }
                    return false
                }
            }
            defer { group.cancelAll() }
            while let isOver = try await group.next(), !isOver {}
        }
    }
}

extension Position {
    /// As it is told to people.
    var words: String {
        switch self {
        case .trimHorizon: "trim-horizon, the oldest record"
        case .latest: "latest, after the newest record"
        case .at(let moment): "\(moment)"
        case .ago(let duration): "the records of \(Readable.duration(duration)) ago"
        case .sequence(let number): "\(number)"
        case .number(let number): "\(number)"
        }
    }
}
