import Logging
import StreamModel
import StreamStorage

/// Logs one lane's steps. What an operator has to know is logged from notice level up, at most a few lines a second.
/// Every step is logged at debug or trace level, with the rule that it follows.
package struct LaneLog {
    private let logger: Logger
    private let shard: ShardDescription
    /// The destination of given-up records, as text; nil if they are dropped.
    var destination: String?
    private let throttle: LogThrottle
    /// Parts of units whose failure was logged: their first failure is not logged again.
    private var parts: Set<Int> = []
    /// The consecutive calls of one unit that did not reach the function.
    private var unreached: (unit: Int, count: Int) = (0, 0)

    init(logger: Logger, shard: ShardDescription, destination: String?, throttle: LogThrottle) {
        self.logger = logger
        self.shard = shard
        self.destination = destination
        self.throttle = throttle
    }

    /// Logs the steps that followed from one event.
    mutating func write(_ steps: [LaneCore.TraceEvent], at now: Moment) {
        for (index, step) in steps.enumerated() {
            logger.log(level: Self.level(of: step), "\(Self.text(of: step))", metadata: ["rule": "\(step.rule)"])
            tell(step, before: steps[(index + 1)...], at: now)
        }
    }

    /// Logs a step for operators.
    private mutating func tell(
        _ step: LaneCore.TraceEvent, before following: ArraySlice<LaneCore.TraceEvent>, at now: Moment
    ) {
        switch step {
        case .failed(let span, let attempt, let failure):
            // If this failure ends the unit, the line about the giving up says everything.
            let isOver = following.contains {
                switch $0 {
                case .gaveUp, .parkedKeys: true
                default: false
                }
            }
            guard !isOver, attempt > 1 || !parts.contains(span.unit), Self.isTold(attempt) else { return }
            warn(
                "the function failed with \(RecordText.of(span, at: now.wall)), attempt \(attempt)\(Self.next(following)): \(failure.text)",
                .failure, at: now)
        case .notReached(let span, let failure, let wait):
            unreached = unreached.unit == span.unit ? (span.unit, unreached.count + 1) : (span.unit, 1)
            guard Self.isTold(unreached.count) else { return }
            warn(
                "the function could not be reached with \(RecordText.of(span, at: now.wall)), try \(unreached.count), next in \(Self.seconds(wait)): \(failure.text)",
                .failure, at: now)
        case .split(let span, let reason, let head, let tail):
            let wasPart = parts.remove(span.unit) != nil
            switch reason {
            case .bisect, .isolate, .progress: parts.formUnion([head.unit, tail.unit])
            case .permanent, .age, .parked: if wasPart { parts.formUnion([head.unit, tail.unit]) }
            }
        case .succeeded(let span): parts.remove(span.unit)
        case .gaveUp(let span): warn(text(of: span, at: now.wall), .givenUp(records: span.count ?? 1), at: now)
        case .destinationFailed(let reason, let failures, let wait):
            guard Self.isTold(failures), throttle.admits(.delivery, at: now.monotonic, logger) else { return }
            logger.error(
                "the failure destination failed, try \(failures), next in \(Self.seconds(wait)), the shard waits: \(reason)"
            )
        case .parkedKeys(let span, let keys):
            warn(parking(span, keys, at: now.wall), .givenUp(records: span.count ?? 1), at: now)
        case .parkingFailed(let reason, let failures, let wait):
            guard Self.isTold(failures), throttle.admits(.delivery, at: now.monotonic, logger) else { return }
            logger.error(
                "the parking stream failed, try \(failures), next in \(Self.seconds(wait)), the records wait: \(reason)"
            )
        case .parkingFull(let waiting):
            logger.error(
                "\(waiting) records of parked keys wait, which is as many as may: the shard reads no further until keys are released or discarded"
            )
        case .shardPaused(let paused): logger.error("\(Self.pausing(paused, at: now.wall))")
        case .shardResumed(let paused, let givingUp):
            let what = Self.records(paused.recordCount)
            logger.notice("the shard goes on; \(what) \(givingUp ? "are given up" : "are tried again")")
        case .unparked(let key): logger.notice("nothing of key \(RecordText.key(key)) waits any more: it flows again")
        case .protecting(_, let failed, let wait):
            guard throttle.admits(.pause, at: now.monotonic, logger) else { return }
            logger.notice(
                "\(failed) records have failed in a row, waiting \(Self.seconds(wait))")
        case .filteredOut, .closed, .windowEnded, .invoked, .progressed, .retrying, .handedOver, .checkpointed,
            .lanesChanged, .stopped, .parked:
            break
        }
        // Parts that were given up are never removed one by one, so the set is cleared when it grows.
        if parts.count > 1000 { parts = [] }
    }

    private func warn(_ text: String, _ kind: LogThrottle.Kind, at now: Moment) {
        guard throttle.admits(kind, at: now.monotonic, logger) else { return }
        logger.warning("\(text)")
    }

    /// True for 1, 2, 4, 8 and so on.
    private static func isTold(_ count: Int) -> Bool { count & (count - 1) == 0 }

    private static func seconds(_ duration: Duration) -> String {
        RecordText.pause(duration)
    }

    /// What happens to the unit next, if that is decided.
    private static func next(_ steps: ArraySlice<LaneCore.TraceEvent>) -> String {
        for step in steps {
            switch step {
            case .retrying(_, _, let wait): return ", next in \(seconds(wait))"
            case .split(_, .bisect, _, _): return ", the batch is cut in two"
            default: break
            }
        }
        return ""
    }

    private func parking(_ span: LaneCore.GivenUpSpan, _ keys: Int, at now: Timestamp) -> String {
        let key = keys == 1 ? "the key" : "\(keys) keys"
        let why = span.failure.map { ": \($0.text)" } ?? ""
        let head = span.head.map { " \($0.number) (\(RecordText.keyAndAge(of: $0, at: now)))" } ?? ""
        return
            "parked \(key) of \(Self.records(span.count))\(head) after \(span.invocations) \(span.invocations == 1 ? "attempt" : "attempts") (\(span.condition)); later records of \(keys == 1 ? "it" : "them") wait\(why)"
    }

    private static func pausing(_ paused: PausedShard, at now: Timestamp) -> String {
        let (cause, head) = (
            paused.cause, "\(paused.sequenceNumber) (\(RecordText.keyAndAge(of: paused.head, at: now)))"
        )
        let what = paused.recordCount == 1 ? "record \(head)" : "\(records(paused.recordCount)) from \(head)"
        let calls = "\(cause.attempts) \(cause.attempts == 1 ? "attempt" : "attempts")"
        let why = cause.errorText.map { ": \($0)" } ?? ""
        return
            "the shard is paused with \(what) after \(calls) (\(cause.condition)), until somebody resumes it\(why)"
    }

    private func text(of span: LaneCore.GivenUpSpan, at now: Timestamp) -> String {
        let isOne = span.first == span.last
        var ends = span.ends
        if ends.isEmpty {
            ends = [span.first, span.last].map {
                KinesisSequenceNumber(
                    shard: shard.id, shardCreationSecond: shard.creationSecond, sequenceNumber: $0, arrivalSecond: 0)
            }
        }
        var which = isOne ? "\(ends[0])" : "\(ends[0]) to \(ends[ends.count - 1])"
        if let head = span.head { which += " (\(isOne ? "" : "first ")\(RecordText.keyAndAge(of: head, at: now)))" }
        let place = destination.map { " to \($0)" } ?? ", kept nowhere"
        let calls =
            span.invocations == 0
            ? "unseen" : "after \(span.invocations) \(span.invocations == 1 ? "attempt" : "attempts")"
        let why = span.failure.map { ": \($0.text)" } ?? ""
        let what = span.count == 0 ? "the state of a window after its last record" : Self.records(span.count)
        return "gave up \(what)\(place), \(which), \(calls) (\(span.condition))\(why)"
    }

    // MARK: Every step

    private static func level(of trace: LaneCore.TraceEvent) -> Logger.Level {
        switch trace {
        case .filteredOut, .closed, .windowEnded, .invoked, .succeeded, .handedOver, .checkpointed, .parked: .trace
        case .progressed, .failed, .split, .retrying, .lanesChanged, .stopped, .protecting, .notReached, .gaveUp,
            .destinationFailed, .parkedKeys, .parkingFailed, .parkingFull, .unparked,
            .shardPaused, .shardResumed:
            .debug
        }
    }

    private static func records(_ count: Int?) -> String {
        guard let count else { return "an unknown number of records" }
        return count == 1 ? "1 record" : "\(count) records"
    }
}

extension LaneLog {
    /// One step as text.
    package static func text(of trace: LaneCore.TraceEvent) -> String {
        func text(_ span: LaneCore.UnitSpan) -> String {
            if span.count == 0 { return "the end of the window of record \(span.last)" }
            return span.count == 1 ? "record \(span.first)" : "\(span.count) records \(span.first) to \(span.last)"
        }
        func are(_ span: LaneCore.UnitSpan) -> String { span.count <= 1 ? "is" : "are" }
        switch trace {
        case .filteredOut(let count, let through): return "\(records(count)) up to \(through) match no filter"
        case .closed(let span, let cause, let after):
            return "batch of \(text(span)) closed by \(cause) after \(seconds(after))"
        case .windowEnded(let span, let early):
            let why =
                switch early {
                case .stateTooLarge: " early: its state has more than \(LaneCore.mostStateBytes) bytes"
                case .severalLanes: " early: the mapping has a parallelization factor above 1 now"
                case nil: ""
                }
            return "the window of record \(span.last) has ended\(why)"
        case .invoked(let span, _, let attempt): return "function called with \(text(span)), attempt \(attempt)"
        case .succeeded(let span): return "\(text(span)) \(are(span)) done"
        case .progressed(let span, let before): return "of \(text(span)) what is before \(before) is done"
        case .failed(let span, let attempt, let failure):
            return "\(text(span)) failed at attempt \(attempt): \(failure.text)"
        case .notReached(let span, let failure, let wait):
            return "the function could not be reached with \(text(span)), next try in \(seconds(wait)): \(failure.text)"
        case .retrying(let span, let retry, let wait):
            return "\(text(span)) \(span.count <= 1 ? "goes" : "go") again in \(seconds(wait)), retry \(retry)"
        case .protecting(_, let failed, let wait):
            return "\(failed) records have failed in a row, waiting \(seconds(wait))"
        case .split(let span, let reason, let first, let second):
            return "\(text(span)) cut (\(reason.rawValue)) into \(first.count) and \(second.count)"
        case .gaveUp(let span):
            if span.count == 0 {
                return
                    "the end of the window of record \(span.last) given up after \(span.invocations) invocations: \(span.condition)\(span.kept ? "" : "; no destination keeps its state")"
            }
            let ends = span.first == span.last ? "record \(span.first)" : "records \(span.first) to \(span.last)"
            let calls = "\(span.invocations) \(span.invocations == 1 ? "invocation" : "invocations")"
            return
                "\(ends) (\(records(span.count))) given up after \(calls): \(span.condition)\(span.kept ? "" : "; no destination keeps them")"
        case .handedOver(let through): return "given-up records up to \(through) are in the destination"
        case .destinationFailed(let reason, let failures, let wait):
            return "the failure destination failed, try \(failures), next in \(seconds(wait)): \(reason)"
        case .parkedKeys(let span, let keys):
            return
                "\(records(span.count)) from \(span.first) parked with \(keys == 1 ? "their key" : "their \(keys) keys"): \(span.condition)"
        case .parked(let count, let keys): return "\(records(count)) of \(keys) keys are in the parking stream"
        case .parkingFailed(let reason, let failures, let wait):
            return "the parking stream failed, try \(failures), next in \(seconds(wait)): \(reason)"
        case .parkingFull(let waiting): return "\(waiting) records wait in the parking stream, which is as many as may"
        case .shardPaused(let paused):
            return
                "the shard is paused with \(records(paused.recordCount)) from \(paused.first): \(paused.cause.condition)"
        case .shardResumed(let paused, let givingUp):
            return
                "the shard goes on; \(records(paused.recordCount)) from \(paused.first) \(givingUp ? "are given up" : "are tried again")"
        case .unparked(let key): return "nothing of key \(RecordText.key(key)) waits any more"
        case .checkpointed(let position): return "checkpoint at \(position)"
        case .lanesChanged(let before, let after): return "the shard has \(after) lanes now, and had \(before)"
        case .stopped(let reason): return "stopped: \(reason == .asked ? "asked to" : "end of shard")"
        }
    }
}
