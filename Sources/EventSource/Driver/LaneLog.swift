import Logging

/// What the log says of a lane's steps: given-up records are warnings, what ends well is for who looks closely.
package enum LaneLog {
    static func write(_ trace: LaneCore.TraceEvent, to logger: Logger) {
        guard logger.logLevel <= level(of: trace) else { return }
        logger.log(level: level(of: trace), "\(text(of: trace))", metadata: ["rule": "\(trace.rule)"])
    }

    private static func level(of trace: LaneCore.TraceEvent) -> Logger.Level {
        switch trace {
        case .closed, .invoked, .succeeded, .handedOver, .checkpointed: .trace
        case .progressed, .failed, .split, .retrying, .stopped: .debug
        case .protecting, .notReached: .notice
        case .gaveUp: .warning
        case .destinationFailed: .error
        }
    }

    /// One step in words.
    package static func text(of trace: LaneCore.TraceEvent) -> String {
        func text(_ span: LaneCore.UnitSpan) -> String { "\(span.count) records \(span.first) to \(span.last)" }
        switch trace {
        case .closed(let span, let cause, let after):
            return "batch of \(text(span)) closed by \(cause.rawValue) after \(after)"
        case .invoked(let span, _, let attempt): return "function called with \(text(span)), attempt \(attempt)"
        case .succeeded(let span): return "\(text(span)) done"
        case .progressed(let span, let before): return "of \(text(span)) those before \(before) are done"
        case .failed(let span, let attempt, let failure):
            return "\(text(span)) failed at attempt \(attempt): \(failure.text)"
        case .notReached(let span, let failure, let wait):
            return "the function could not be reached with \(text(span)), next try in \(wait): \(failure.text)"
        case .retrying(let span, let retry, let wait): return "\(text(span)) go again in \(wait), retry \(retry)"
        case .protecting(_, let failed, let wait): return "\(failed) records have failed in a row, waiting \(wait)"
        case .split(let span, let reason, let first, let second):
            return "\(text(span)) cut (\(reason.rawValue)) into \(first.count) and \(second.count)"
        case .gaveUp(let condition, let first, let last, let count, let invocations, let kept):
            return
                "\(count.map(String.init) ?? "an unknown number of") records \(first) to \(last) given up after \(invocations) invocations: \(condition)\(kept ? "" : "; no destination keeps them")"
        case .handedOver(let through): return "given-up records to \(through) are in the destination"
        case .destinationFailed(let reason, let failures, let wait):
            return "the failure destination failed, for the \(failures). time, next try in \(wait): \(reason)"
        case .checkpointed(let position): return "checkpoint at \(position)"
        case .stopped(let reason): return "stopped: \(reason == .asked ? "asked to" : "end of shard")"
        }
    }
}
