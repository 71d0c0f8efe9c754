import StreamModel

/// The exit codes of `shardline`, after sysexits.h where it has one.
enum ExitStatus: Int32, Sendable {
    case done = 0
    /// The command could not do what it was asked.
    case failed = 1
    /// Records were given up; only with `--fail-on-given-up`.
    case givenUp = 3
    /// The command line itself is wrong.
    case usage = 64
    /// Some input was malformed; the rest was done.
    case badData = 65
    /// The store or the mapping is in use, or its owner is gone; the function can't be started.
    case busy = 69
    /// Damage, or the disk or a file can't be used.
    case inputOutput = 74

    /// The exit code for an error of the library.
    init(_ code: ShardlineError.Code) {
        switch code {
        case .invalidArgument: self = .usage
        case .recordTooLarge, .commitTooLarge: self = .badData
        case .storeBusy, .mappingBusy, .ownerGone, .shardsChanged, .mappingChanged, .attributeChanged:
            self = .busy
        case .corrupt, .readFailed, .newerFormat, .metadataOlderThanJournal, .notAccessible, .diskFull, .storeFailed:
            self = .inputOutput
        default: self = .failed
        }
    }
}

/// An end of the command that is not success: its exit code and the one line for the operator.
struct CommandFailure: Error {
    var status: ExitStatus
    /// One line that says what was wrong and what to do; nil where everything was said already.
    var message: String?

    init(_ status: ExitStatus, _ message: String?) {
        self.status = status
        self.message = message
    }
}
