import Synchronization

/// An event that happens once, such as the failure of a store, the interruption of the process or the end of a thread, for
/// any number of waiters.
///
/// All calls may be made on any thread. Waiters are resumed in order, after the lock is released.
package final class OneTimeSignal<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        /// The answer is nil for a cancelled waiter.
        var waiters = WaitList<Void, Value?>()

        mutating func answer(_ waiter: Waiter<Value?>) -> Registration<Value?> {
            if let value { .answered(value) } else { waiters.add(waiter) }
        }
    }

    private let state = Mutex(State())

    package init() {}

    /// The value; nil until it is sent.
    package var value: Value? { state.withLock { $0.value } }

    /// Keeps the first value and wakes the waiters; false where there was a value already.
    @discardableResult
    package func send(_ value: Value) -> Bool {
        let resumptions = state.withLock { state -> Resumptions<Value?>? in
            guard state.value == nil else { return nil }
            state.value = value
            return state.waiters.answerAll(with: value)
        }
        resumptions?.resume()
        return resumptions != nil
    }

    /// Returns the value as soon as it is sent. Throws `CancellationError`.
    package func wait() async throws -> Value {
        let value: Value? = await withListedWaiter(cancelled: nil) { waiter in
            state.withLock { $0.answer(waiter) }
        } remove: { id in
            state.withLock { $0.waiters.remove(id) }
        }
        guard let value else { throw CancellationError() }
        return value
    }

    /// Returns the value as soon as it is sent, also to a cancelled task.
    package func waitIgnoringCancellation() async -> Value {
        let value: Value? = await withListedWaiter { waiter in state.withLock { $0.answer(waiter) } }
        return value!
    }
}
