import DequeModule
import Synchronization

/// A FIFO semaphore for the invocations that may run at once. Any task calls it; continuations are resumed outside its
/// lock. A cancelled waiter may take the lock while ``FunctionCall`` holds its own, so that lock comes first.
final class Permits: Sendable {
    private struct State {
        var free: Int
        var isClosed = false
        var nextID = 0
        var waiting: Deque<(id: Int, continuation: CheckedContinuation<Bool, Never>)> = []
        /// The waiters that were cancelled before they were queued.
        var cancelled: Set<Int> = []
    }
    private let state: Mutex<State>

    /// `limit` permits; nil: no limit.
    init(_ limit: Int?) { state = Mutex(State(free: limit ?? .max)) }

    /// The result of asking for a permit.
    enum Answer { case granted(waited: Bool), refused }

    /// Waits for a permit; refused once the permits are closed or the task is cancelled.
    func acquire() async -> Answer {
        enum First { case granted, refused, wait(Int) }
        let first = state.withLock { state -> First in
            if state.isClosed { return .refused }
            if state.free > 0 {
                state.free -= 1
                return .granted
            }
            state.nextID += 1
            return .wait(state.nextID)
        }
        switch first {
        case .granted: return .granted(waited: false)
        case .refused: return .refused
        case .wait(let id):
            let granted = await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    let answer = state.withLock { state -> Bool? in
                        if state.cancelled.remove(id) != nil || state.isClosed { return false }
                        if state.free > 0 {
                            state.free -= 1
                            return true
                        }
                        state.waiting.append((id, continuation))
                        return nil
                    }
                    if let answer { continuation.resume(returning: answer) }
                }
            } onCancel: {
                let continuation = state.withLock { state -> CheckedContinuation<Bool, Never>? in
                    guard let index = state.waiting.firstIndex(where: { $0.id == id }) else {
                        state.cancelled.insert(id)
                        return nil
                    }
                    return state.waiting.remove(at: index).continuation
                }
                continuation?.resume(returning: false)
            }
            state.withLock { _ = $0.cancelled.remove(id) }
            return granted ? .granted(waited: true) : .refused
        }
    }

    /// Returns a permit.
    func release() {
        let next = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            if let next = state.waiting.popFirst() { return next.continuation }
            state.free += 1
            return nil
        }
        next?.resume(returning: true)
    }

    /// Refuses all waiting and all later requests.
    func close() {
        let waiting = state.withLock { state in
            state.isClosed = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for (_, continuation) in waiting { continuation.resume(returning: false) }
    }
}
