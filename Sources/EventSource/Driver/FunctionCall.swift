import StreamModel
import Synchronization

/// One invocation as the task that runs it and the shard's driver both see it: when it began, and a way to cancel it
/// alone.
///
/// The tasks of a mapping are structured, and a task group can cancel only all of its tasks. A group for each
/// invocation costs two more tasks, which for small batches was measured to be half of an invocation's price. So the
/// task leaves a reference to itself here, which is taken back, under the same lock, before it ends: it is never used
/// on a task that has ended. To cancel is what a task that is not its own may do with such a reference.
final class FunctionCall: Sendable {
    private struct Running: @unchecked Sendable { let task: UnsafeCurrentTask }

    /// What is known of a call once the function has begun.
    struct Times {
        var begun: MonotonicTime
        /// The age of the batch's last record then (ESM-M1).
        var age: Duration
    }

    private struct State {
        var times: Times?
        var running: Running?
        var isCancelled = false
    }

    private let state = Mutex(State())

    /// When the function began; nil: it waits for a permit, and its time does not run.
    var times: Times? { state.withLock { $0.times } }

    func begin(at time: MonotonicTime, age: Duration) {
        state.withLock { $0.times = Times(begun: time, age: age) }
    }

    /// Cancels the task that is in ``run(_:)``, or that comes there.
    func cancel() {
        state.withLock { state in
            state.isCancelled = true
            state.running?.task.cancel()
        }
    }

    /// Runs `body`, which ``cancel()`` cancels.
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
