import DiskAccess
import StreamModel

/// How long to wait for an owner that doesn't greet, and the error after that.
struct OwnerPatience: Sendable {
    /// The time between two looks at the owner's process.
    var look = Duration.milliseconds(250)
    /// How long to wait for a stopped owner: a person may be about to continue it.
    var stopped = Duration.seconds(3)
    /// How long to wait for any other owner.
    var silent = Duration.seconds(10)

    /// Throws `storeBusy` once the owner has been waited for long enough: `looks` times ``look``. Blocks briefly.
    func check(_ process: Int32?, in directory: String, after looks: Int) throws {
        let waited = look * looks
        let isStopped = process.map { ProcessState.of($0) == .stopped } ?? false
        if waited >= silent || isStopped && waited >= stopped { throw Self.silence(of: process, in: directory) }
    }

    /// The error for an owner that doesn't answer.
    static func silence(of process: Int32?, in directory: String, cause: (any Error)? = nil) -> ShardlineError {
        ShardlineError(
            .storeBusy, "the store in '\(directory)' is in use by \(words(for: process))", cause: cause)
    }

    private static func words(for process: Int32?) -> String {
        guard let process else {
            return "a process that does not answer and can't be seen from here, as one in another container"
        }
        guard let remedy = ProcessState.of(process).remedy(for: process) else {
            return "process \(process), which does not answer: look what it does, or end it"
        }
        return "process \(process), which \(remedy)"
    }
}

extension OwnerPatience {
    /// The default times, each at most `limit`.
    init(atMost limit: Duration) {
        let limit = max(.milliseconds(1), limit)
        self.init()
        look = min(look, limit)
        stopped = min(stopped, limit)
        silent = min(silent, limit)
    }
}

extension OwnerClient {
    /// What keeps the owner from answering, as a sentence; nil where nothing is known. Blocks briefly.
    ///
    /// - Parameter isLate: whether a reply is long overdue, so that a sentence is returned in any case.
    package func whatIsWrong(isLate: Bool) -> String? {
        guard let process = visibleOwner else {
            return isLate ? "process \(ownerProcess), which has the store open, does not answer" : nil
        }
        let state = ProcessState.of(process)
        guard isLate || state == .stopped || state == .traced else { return nil }
        return "process \(process), which has the store open, \(state.remedy(for: process) ?? "does not answer")"
    }
}
