/// Why an invocation of a child process failed.
enum ProcessFailure: Error, Equatable, CustomStringConvertible {
    /// No child could be given the event; the function was not reached (ESM-A6).
    case notStarted(String)
    /// The child ended before it answered; `lastWords` is the last line of its standard error.
    case ended(ChildProcess.End, lastWords: String)
    /// The child closed its standard output and did not end.
    case closedOutput
    /// The child wrote more than one line, or wrote before it had read its event: its lines can't be matched with
    /// events any more.
    case outOfStep
    /// The answer is longer than the limit.
    case answerTooLong(limit: Int)

    var description: String {
        switch self {
        case .notStarted(let reason): return "the function's process can't be started: \(reason)"
        case .ended(let end, let lastWords):
            return "the function's process \(end) before it had answered"
                + (lastWords.isEmpty ? "" : "; its last words: \(lastWords)")
        case .closedOutput: return "the function's process closed its standard output before it had answered"
        case .outOfStep:
            return
                "the function's process must answer each event with exactly one line, after it has read it (one that comes late counts against the next event); logs belong on standard error"
        case .answerTooLong(let limit): return "the function's answer is longer than \(limit) bytes"
        }
    }
}
