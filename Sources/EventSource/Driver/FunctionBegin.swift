import StreamModel
import Synchronization

/// When a shard's function began, told by the task that calls it to the driver, which keeps the time limit: what
/// waits for a permit must not have its time run out.
final class FunctionBegin: Sendable {
    private let state = Mutex<MonotonicTime?>(nil)

    /// Nil: it waits for a permit.
    var time: MonotonicTime? { state.withLock { $0 } }

    func note(_ time: MonotonicTime) { state.withLock { $0 = time } }
    func forget() { state.withLock { $0 = nil } }
}
