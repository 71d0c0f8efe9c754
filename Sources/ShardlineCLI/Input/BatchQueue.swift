import DiskAccess

/// Hands elements from a thread that may wait to a task that must not block: a bounded queue, in order.
final class BatchQueue<Element: Sendable>: Sendable {
    private struct State {
        var elements: [Element] = []
        var isFinished = false
        var isClosed = false
        var taker = WaitList<Void, Element?>()
    }

    private let capacity: Int
    private let state = Monitor(State())

    /// A queue of at most `capacity` elements.
    init(capacity: Int) { self.capacity = capacity }

    /// Adds an element if there is room. Not for tasks. Answers false where there is none; `isClosed` says whether
    /// the taker has lost interest.
    func offer(_ element: Element) -> Bool {
        let (isTaken, resumptions) = state.withLock { state in
            if state.isClosed { return (true, Resumptions<Element?>()) }
            if !state.taker.isEmpty { return (true, state.taker.answerFirst(with: element)) }
            guard state.elements.count < capacity else { return (false, Resumptions()) }
            state.elements.append(element)
            return (true, Resumptions())
        }
        resumptions.resume()
        return isTaken
    }

    /// Adds an element, and waits for room on the calling thread. Not for tasks.
    func give(_ element: Element) {
        while !offer(element) {
            _ = state.wait(atMost: nil) { state in
                state.isClosed || !state.taker.isEmpty || state.elements.count < capacity ? true : nil
            }
        }
    }

    /// Nothing more comes.
    func finish() {
        state.withLock { state in
            state.isFinished = true
            return state.taker.answerAll(with: nil)
        }.resume()
    }

    /// Whether the taker has lost interest.
    var isClosed: Bool { state.withLock { $0.isClosed } }

    /// The taker wants nothing more: what is given from now on is dropped.
    func close() {
        state.withLock { state in
            state.isClosed = true
            state.elements = []
            return state.taker.answerAll(with: nil)
        }.resume()
        state.wakeAll()
    }

    /// The next element; nil after the last one, and once the queue is closed or the task cancelled. One task only.
    func next() async -> Element? {
        let element: Element? = await withListedWaiter(cancelled: nil) { waiter in
            state.withLock { state in
                if !state.elements.isEmpty { return .answered(state.elements.removeFirst()) }
                return state.isClosed || state.isFinished ? .answered(nil) : state.taker.add(waiter)
            }
        } remove: { _ in
            // Closing resumes the waiter.
            close()
            return nil
        }
        state.wakeAll()
        return element
    }
}
