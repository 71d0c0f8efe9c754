import DiskAccess

/// Hands elements from a thread that may wait to a task that must not block: a bounded queue, in order.
final class BatchQueue<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var isFinished = false
        var isClosed = false
        var waiter: CheckedContinuation<Element?, Never>?
    }

    private let capacity: Int
    private let state = Monitor(State())

    /// A queue of at most `capacity` elements.
    init(capacity: Int) { self.capacity = capacity }

    /// Adds an element if there is room. Not for tasks. Answers false where there is none; `isClosed` says whether
    /// the taker has lost interest.
    func offer(_ element: Element) -> Bool {
        let (taken, waiter) = state.withLock { state in
            if state.isClosed { return (true, nil as CheckedContinuation<Element?, Never>?) }
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

    /// Nothing more comes.
    func finish() {
        let waiter = state.withLock { state in
            state.isFinished = true
            return state.waiter.take()
        }
        waiter?.resume(returning: nil)
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

    /// The next element; nil after the last one, and once the queue is closed or the task cancelled. One task only.
    func next() async -> Element? {
        let element = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Element?, Never>) in
                let answer: Element?? = state.withLock { state in
                    if !state.elements.isEmpty { return state.elements.removeFirst() }
                    if state.isClosed || state.isFinished || Task.isCancelled { return .some(nil) }
                    state.waiter = continuation
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            close()
        }
        state.wakeAll()
        return element
    }
}
