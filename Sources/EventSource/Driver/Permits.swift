import DiskAccess
import Synchronization

/// A FIFO semaphore for the invocations that may run at once. Any task calls it; tasks are resumed outside its
/// lock. A cancelled waiter may take the lock while ``FunctionCall`` holds its own, so that lock comes first.
final class Permits: Sendable {
    private struct State {
        var free: Int
        var isClosed = false
        /// The answer is whether a permit was granted.
        var waiters = WaitList<Void, Bool>()

        /// Grants or refuses a permit; nil where there is none now.
        mutating func answer() -> Bool? {
            if isClosed { return false }
            guard free > 0 else { return nil }
            free -= 1
            return true
        }
    }
    private let state: Mutex<State>

    /// `limit` permits; nil: no limit.
    init(_ limit: Int?) { state = Mutex(State(free: limit ?? .max)) }

    /// The result of asking for a permit.
    enum Answer { case granted(waited: Bool), refused }

    /// Waits for a permit; refused once the permits are closed or the task is cancelled.
    func acquire() async -> Answer {
        if let granted = state.withLock({ $0.answer() }) { return granted ? .granted(waited: false) : .refused }
        let granted = await withListedWaiter(cancelled: false) { waiter in
            state.withLock { state in state.answer().map { .answered($0) } ?? state.waiters.add(waiter) }
        } remove: { id in
            state.withLock { $0.waiters.remove(id) }
        }
        return granted ? .granted(waited: true) : .refused
    }

    /// Returns a permit.
    func release() {
        state.withLock { state in
            if state.waiters.isEmpty { state.free += 1 }
            return state.waiters.answerFirst(with: true)
        }.resume()
    }

    /// Refuses all waiting and all later requests.
    func close() {
        state.withLock { state in
            state.isClosed = true
            return state.waiters.answerAll(with: false)
        }.resume()
    }
}
