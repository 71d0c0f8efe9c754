import Logging
import StreamModel
import Synchronization

/// Keeps a mapping's log readable where much goes wrong at once: the first few lines of a second are written, the others
/// are counted, and the count is told at the second's end.
///
/// Time is handed in; whoever runs the mapping calls ``endSecond(at:_:)`` about once a second, and ``end(_:)`` at last.
final class LogThrottle: Sendable {
    /// What a line is about.
    enum Kind: Sendable {
        /// A call of the function that failed.
        case failure
        /// A unit that was given up.
        case givenUp(records: Int)
    }

    /// Lines of one kind that are written in a second.
    static let limit = 5

    private struct State {
        var begun: MonotonicTime?
        var failures = 0
        var units = 0
        /// Calls and records that no line told of.
        var silentFailures = 0
        var silentRecords = 0
    }
    private let state = Mutex(State())

    /// Whether a line may be written; if not, it is counted.
    func admits(_ kind: Kind, at now: MonotonicTime, _ logger: Logger) -> Bool {
        endSecond(at: now, logger)
        return state.withLock { state in
            if state.begun == nil { state.begun = now }
            switch kind {
            case .failure:
                state.failures += 1
                guard state.failures > Self.limit else { return true }
                state.silentFailures += 1
            case .givenUp(let records):
                state.units += 1
                guard state.units > Self.limit else { return true }
                state.silentRecords += records
            }
            return false
        }
    }

    /// Tells what was not written in the second that began with the first line, if it is over.
    func endSecond(at now: MonotonicTime, _ logger: Logger) {
        let over = state.withLock { state -> State? in
            guard let begun = state.begun, now - begun >= .seconds(1) else { return nil }
            defer { state = State() }
            return state
        }
        if let over { tell(over, logger) }
    }

    /// Tells the rest.
    func end(_ logger: Logger) {
        let rest = state.withLock { state in
            defer { state = State() }
            return state
        }
        tell(rest, logger)
    }

    private func tell(_ state: State, _ logger: Logger) {
        if state.silentFailures > 0 {
            let calls = state.silentFailures == 1 ? "1 more failed call" : "\(state.silentFailures) more failed calls"
            logger.warning("… and \(calls) of the function in the last second")
        }
        if state.silentRecords > 0 {
            let records = state.silentRecords == 1 ? "1 more record" : "\(state.silentRecords) more records"
            logger.warning("… and \(records) given up in the last second")
        }
    }
}
