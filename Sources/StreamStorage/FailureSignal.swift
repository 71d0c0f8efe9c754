package import StreamModel
import Synchronization

/// Tells whoever waits that a store has failed, once and for all.
package final class FailureSignal: Sendable {
    private struct State {
        var failure: ShardlineError?
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var lastWaiter: UInt64 = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// Why the store has failed; nil as long as all is well.
    package var failure: ShardlineError? { state.withLock { $0.failure } }

    /// Keeps the first reason and wakes who waits; false where there was one already.
    @discardableResult
    package func fail(_ error: ShardlineError) -> Bool {
        let (isFirst, waiters) = state.withLock { state in
            guard state.failure == nil else { return (false, [CheckedContinuation<Void, Never>]()) }
            state.failure = error
            defer { state.waiters = [:] }
            return (true, Array(state.waiters.values))
        }
        for waiter in waiters { waiter.resume() }
        return isFirst
    }

    /// Returns the reason as soon as there is one. Throws `CancellationError`.
    package func wait() async throws -> ShardlineError {
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.failure != nil || Task.isCancelled { return true }
                    state.waiters[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { $0.waiters.removeValue(forKey: id) }
            waiter?.resume()
        }
        if let failure { return failure }
        throw CancellationError()
    }
}
