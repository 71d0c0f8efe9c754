import StreamModel
import Synchronization

/// The state of a lane's calls that their task and the shard's driver share: since when the function runs, how long it may
/// (ESM-R18), and a way to cancel the task alone.
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

    /// When the function was called.
    struct Times {
        var begun: MonotonicTime
        /// The age of the batch's last record at that moment (ESM-M1).
        var age: Duration
    }

    private struct State {
        /// When the call began that runs; nil while it waits for a permit and its time limit does not count.
        var begun: MonotonicTime?
        var isOverdue = false
        var running: Running?
        var isCancelled = false
        var isLast = false
        var results: [CallResult] = []
        var isOver = false
    }

    private let state = Mutex(State())
    /// How long each call of the function may take.
    let limit: Duration

    init(limit: Duration) { self.limit = limit }

    /// The function is called now.
    func begin(at time: MonotonicTime) { state.withLock { $0.begun = time } }

    /// The function has ended. Returns whether it ran over its time limit and was cancelled.
    func end() -> Bool {
        state.withLock { state in
            state.begun = nil
            return state.isOverdue
        }
    }

    /// Keeps the result of a call until the driver takes it. After one with `isOver` the task does nothing more.
    func add(_ result: CallResult, isOver: Bool) {
        state.withLock { state in
            state.results.append(result)
            state.isOver = isOver
        }
    }

    /// The results since the last call of this, in order, and whether they are the last ones. Only the driver calls it.
    func take() -> (results: [CallResult], isOver: Bool) {
        state.withLock { state in
            defer { state.results = [] }
            return (state.results, state.isOver)
        }
    }

    /// Whether the task makes no further call.
    var isLast: Bool { state.withLock { $0.isLast } }
    /// The task makes no further call after the one that runs.
    func endAfterThis() { state.withLock { $0.isLast = true } }

    /// When the call that runs exceeds ``limit``; nil if it has been cancelled for that. While it waits for a permit, the
    /// limit counts from now.
    func deadline(_ now: MonotonicTime) -> MonotonicTime? {
        state.withLock { $0.isOverdue ? nil : ($0.begun ?? now) + limit }
    }

    /// Cancels the task if the call that runs has exceeded ``limit``. Returns whether it has.
    func cancelIfOverdue(_ now: MonotonicTime) -> Bool {
        state.withLock { state in
            guard !state.isOverdue, let begun = state.begun, now >= begun + limit else { return false }
            state.isOverdue = true
            state.isCancelled = true
            state.running?.task.cancel()
            return true
        }
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
