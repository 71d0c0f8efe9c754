import StreamModel
import Synchronization

/// Whether a mapping runs, and whether it was asked to stop.
final class ExecutionControl: Sendable {
    private struct State {
        var isRunning = false
        var stopGrace: Duration?
        var waiting: CheckedContinuation<Void, Never>?
    }
    private let state = Mutex(State())

    /// Takes the one run that there may be; false where the mapping runs already.
    func begin() -> Bool {
        state.withLock { state in
            guard !state.isRunning else { return false }
            state.isRunning = true
            return true
        }
    }

    /// Ends the run; what was asked of it is forgotten.
    func end() {
        state.withLock { state in
            state.isRunning = false
            state.stopGrace = nil
        }
    }

    /// Asks the run to stop; before it has begun, the next one.
    func stop(grace: Duration) {
        let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
            if state.stopGrace == nil { state.stopGrace = grace }
            return state.waiting.take()
        }
        waiting?.resume()
    }

    /// The grace of the stop that was asked for; nil while none was.
    var stopGrace: Duration? { state.withLock { $0.stopGrace } }

    /// Returns when a stop was asked for, or the task is cancelled. One task waits.
    func stopped() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDue = state.withLock { state in
                    if state.stopGrace != nil || Task.isCancelled { return true }
                    state.waiting = continuation
                    return false
                }
                if isDue { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.take() }?.resume()
        }
    }
}
