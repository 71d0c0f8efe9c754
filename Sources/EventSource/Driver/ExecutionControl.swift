import DiskAccess
import StreamModel
import Synchronization

/// Whether a mapping runs, and whether it was asked to stop. Any thread calls it. Its only lock is not held when a task
/// is resumed.
final class ExecutionControl: Sendable {
    private struct State {
        var isRunning = false
        var stopGrace: Duration?
        var waiters = WaitList<Void, Void>()
    }
    private let state = Mutex(State())

    /// Starts the only run that is allowed at a time; false if the mapping is running already.
    func begin() -> Bool {
        state.withLock { state in
            guard !state.isRunning else { return false }
            state.isRunning = true
            return true
        }
    }

    /// Ends the run and clears its stop request.
    func end() {
        state.withLock { state in
            state.isRunning = false
            state.stopGrace = nil
        }
    }

    /// Asks the run to stop, or the next run if none is active.
    func stop(grace: Duration) {
        state.withLock { state in
            if state.stopGrace == nil { state.stopGrace = grace }
            return state.waiters.answerAll(with: ())
        }.resume()
    }

    /// The grace of the stop request; nil without a request.
    var stopGrace: Duration? { state.withLock { $0.stopGrace } }

    /// Returns when a stop was requested or the task is cancelled.
    func stopped() async {
        await withListedWaiter(cancelled: ()) { waiter in
            state.withLock { $0.stopGrace == nil ? $0.waiters.add(waiter) : .answered(()) }
        } remove: { id in
            state.withLock { $0.waiters.remove(id) }
        }
    }
}
