import StreamModel
import Synchronization

/// The state of one invocation that its task and the shard's driver share: when it began, and a way to cancel it alone.
///
/// A mapping's tasks are structured, and a task group can only cancel all of its tasks. A group for each invocation
/// needs two more tasks, which were measured as half of the cost of a small batch. So the task stores an
/// `UnsafeCurrentTask` here and removes it before it ends. Storing, removing and using the reference happen under one
/// lock, so it is never used after its task has ended. Other tasks may only call `cancel()` on it.
///
/// ``cancel()`` runs the task's cancellation handlers under the lock. The order is therefore: this lock before the one
/// of ``Permits``, never the reverse.
final class FunctionCall: Sendable {
    private struct Running: @unchecked Sendable { let task: UnsafeCurrentTask }

    /// Set when the function begins.
    struct Times {
        var begun: MonotonicTime
        /// The age of the batch's last record at that moment (ESM-M1).
        var age: Duration
    }

    private struct State {
        var times: Times?
        var running: Running?
        var isCancelled = false
    }

    private let state = Mutex(State())

    /// When the function began; nil while the call waits for a permit and its time limit does not count.
    var times: Times? { state.withLock { $0.times } }

    func begin(at time: MonotonicTime, age: Duration) {
        state.withLock { $0.times = Times(begun: time, age: age) }
    }

    /// Cancels the task in ``run(_:)``, also if it gets there later.
    func cancel() {
        state.withLock { state in
            state.isCancelled = true
            state.running?.task.cancel()
        }
    }

    /// Runs `body` so that ``cancel()`` can cancel it.
    func run<Result>(_ body: () async -> Result) async -> Result {
        withUnsafeCurrentTask { task in
            let running = task.map { Running(task: $0) }
            state.withLock { state in
                state.running = running
                if state.isCancelled { running?.task.cancel() }
            }
        }
        defer { state.withLock { $0.running = nil } }
        return await body()
    }
}
