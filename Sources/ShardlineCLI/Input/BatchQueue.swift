import DiskAccess

/// Hands elements from a thread that may wait to a task that must not block: a bounded queue, in order.
final class BatchQueue<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var isFinished = false
        var isClosed = false
        var failure: (any Error)?
        var waiter: CheckedContinuation<Element?, any Error>?
    }

    private let capacity: Int
    private let state = Monitor(State())

    /// A queue of at most `capacity` elements.
    init(capacity: Int) { self.capacity = capacity }

    /// Adds an element if there is room. Not for tasks. Answers false where there is none; `isClosed` says whether
    /// the taker has lost interest.
    func offer(_ element: Element) -> Bool {
        let (taken, waiter) = state.withLock { state in
            if state.isClosed { return (true, nil as CheckedContinuation<Element?, any Error>?) }
            if let waiter = state.waiter {
                state.waiter = nil
                return (true, waiter)
            }
            guard state.elements.count < capacity else { return (false, nil) }
            state.elements.append(element)
            return (true, nil)
        }
        waiter?.resume(returning: element)
        return taken
    }

    /// Adds an element, and waits for room on the calling thread. Not for tasks.
    func give(_ element: Element) {
        while !offer(element) {
            _ = state.wait(atMost: nil) { state in
                state.isClosed || state.waiter != nil || state.elements.count < capacity ? true : nil
            }
        }
    }

    /// Nothing more comes; `next` throws `failure` behind the last element.
    func finish(throwing failure: (any Error)? = nil) {
        let waiter = state.withLock { state in
            state.isFinished = true
            state.failure = failure
            defer { state.waiter = nil }
            return state.waiter
        }
        if let failure { waiter?.resume(throwing: failure) } else { waiter?.resume(returning: nil) }
    }

    /// Whether the taker has lost interest.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// The taker wants nothing more: what is given from now on is dropped.
    func close() {
        let waiter = state.withLock { state in
            state.isClosed = true
            state.elements = []
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: nil)
        state.wakeAll()
    }

    /// The next element; nil behind the last one, and once the queue is closed or the task cancelled. One task only.
    func next() async throws -> Element? {
        let element = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Element?, any Error>) in
                let answer: Result<Element?, any Error>? = state.withLock { state in
                    if !state.elements.isEmpty { return .success(state.elements.removeFirst()) }
                    if state.isClosed || Task.isCancelled { return .success(nil) }
                    if state.isFinished { return state.failure.map { .failure($0) } ?? .success(nil) }
                    state.waiter = continuation
                    return nil
                }
                if let answer { continuation.resume(with: answer) }
            }
        } onCancel: {
            close()
        }
        state.wakeAll()
        return element
    }
}
