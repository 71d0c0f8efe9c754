/// Why an invocation of a child process failed.
enum ProcessFailure: Error, Equatable, CustomStringConvertible {
    /// There is no child that could be given the event; the function was not reached (ESM-A6).
    case notStarted(String)
    /// The child ended before it had answered; `lastWords` is the last line of its standard error.
    case ended(ChildProcess.End, lastWords: String)
    /// The child closed its standard output and lived on.
    case closedOutput
    /// The child wrote more than one line, or wrote before it had read its event: its lines answer nothing any more.
    case outOfStep
    /// The answer is longer than is taken.
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
