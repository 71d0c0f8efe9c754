import Synchronization

/// Work for one task of the simulation, in order.
final class Inbox<Order: Sendable>: Sendable {
    private struct State {
        var orders: [Order] = []
        var isClosed = false
        var reader: CheckedContinuation<Order?, Never>?
    }
    private let state = Mutex(State())

    func post(_ order: Order) {
        let reader = state.withLock { state -> CheckedContinuation<Order?, Never>? in
            guard let reader = state.reader.take() else {
                state.orders.append(order)
                return nil
            }
            return reader
        }
        reader?.resume(returning: order)
    }

    /// No more comes; what is there is still taken.
    func close() {
        let reader = state.withLock { state in
            state.isClosed = true
            return state.reader.take()
        }
        reader?.resume(returning: nil)
    }

    /// The next order; nil once it is closed, or the task is cancelled.
    func take() async -> Order? {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> Order?? in
                    if Task.isCancelled { return .some(nil) }
                    if !state.orders.isEmpty { return state.orders.removeFirst() }
                    if state.isClosed { return .some(nil) }
                    state.reader = continuation
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            state.withLock { $0.reader.take() }?.resume(returning: nil)
        }
    }
}
