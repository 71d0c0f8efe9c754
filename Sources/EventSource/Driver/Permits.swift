import DiskAccess
import Synchronization

/// A FIFO semaphore for the invocations that may run at once. Any task calls it; tasks are resumed outside its
/// lock. A cancelled waiter may take the lock while ``FunctionCall`` holds its own, so that lock comes first.
final class Permits: Sendable {
    private struct State {
        /// `Int.max`: no limit.
        var limit: Int
        var granted = 0
        var isClosed = false
        /// The answer is whether a permit was granted.
        var waiters = WaitList<Void, Bool>()

        /// Grants or refuses a permit; nil where there is none now.
        mutating func answer() -> Bool? {
            if isClosed { return false }
            guard granted < limit else { return nil }
            granted += 1
            return true
        }

        /// Grants what is free to those that wait.
        mutating func grant() -> Resumptions<Bool> {
            var resumptions = Resumptions<Bool>()
            while granted < limit, !waiters.isEmpty {
                granted += 1
                resumptions.append(contentsOf: waiters.answerFirst(with: true))
            }
            return resumptions
        }
    }
    private let state: Mutex<State>

    /// `limit` permits; nil: no limit.
    init(_ limit: Int?) { state = Mutex(State(limit: limit ?? .max)) }

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
            state.granted -= 1
            return state.grant()
        }.resume()
    }

    /// Changes the number of permits. Invocations that run are left alone; a lower number holds up later ones until enough
    /// have ended.
    func limit(to limit: Int?) {
        state.withLock { state in
            state.limit = limit ?? .max
            return state.grant()
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
