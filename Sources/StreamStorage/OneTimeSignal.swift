import Synchronization

/// An event that happens once, such as the failure of a store or the interruption of the process, for any number of
/// waiters.
///
/// All calls may be made on any thread. Waiters are resumed after the lock is released.
package final class OneTimeSignal<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var lastWaiter: UInt64 = 0
    }

    private let state = Mutex(State())

    package init() {}

    /// The value; nil until it is sent.
    package var value: Value? { state.withLock { $0.value } }

    /// Keeps the first value and wakes the waiters; false where there was a value already.
    @discardableResult
    package func send(_ value: Value) -> Bool {
        let (isFirst, waiters) = state.withLock { state in
            guard state.value == nil else { return (false, [CheckedContinuation<Void, Never>]()) }
            state.value = value
            defer { state.waiters = [:] }
            return (true, state.waiters.sorted { $0.key < $1.key }.map(\.value))
        }
        for waiter in waiters { waiter.resume() }
        return isFirst
    }

    /// Returns the value as soon as it is sent. Throws `CancellationError`.
    package func wait() async throws -> Value {
        let id = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.value != nil || Task.isCancelled { return true }
                    state.waiters[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            let waiter = state.withLock { $0.waiters.removeValue(forKey: id) }
            waiter?.resume()
        }
        if let value { return value }
        throw CancellationError()
    }
}
