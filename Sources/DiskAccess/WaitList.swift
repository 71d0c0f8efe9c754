public import DequeModule

/// Those that wait for something, in order, each with what it asks for: the bytes that it needs room for, for example.
///
/// The list is a value. It belongs in the state that its owner guards with a lock, beside what the waiters wait for:
///
/// ```swift
/// struct State {
///     var free = 4
///     var waiters = WaitList<Void, Bool>()
/// }
///
/// func acquire() async -> Bool {
///     await withListedWaiter(cancelled: false) { waiter in
///         state.withLock { state in
///             guard state.free == 0 else {
///                 state.free -= 1
///                 return .answered(true)
///             }
///             return state.waiters.add(waiter)
///         }
///     } remove: { id in
///         state.withLock { $0.waiters.remove(id) }
///     }
/// }
///
/// func release() {
///     state.withLock { state in
///         if state.waiters.isEmpty { state.free += 1 }
///         return state.waiters.answerFirst(with: true)
///     }.resume()
/// }
/// ```
///
/// Waiters leave the list under the lock and are resumed after it is released. So what answers them returns
/// ``Resumptions``.
@usableFromInline package struct WaitList<Request: Sendable, Answer: Sendable>: Sendable {
    @usableFromInline
    struct Entry: Sendable {
        @usableFromInline let waiter: Waiter<Answer>
        @usableFromInline let request: Request

        @inlinable
        init(_ waiter: Waiter<Answer>, _ request: Request) {
            self.waiter = waiter
            self.request = request
        }
    }

    // Usually at most one waits, which takes no memory of its own.
    @usableFromInline var head: Entry?
    @usableFromInline var others: Deque<Entry> = []

    @inlinable package init() {}

    @inlinable package var isEmpty: Bool { head == nil }
    @inlinable package var count: Int { head == nil ? 0 : 1 + others.count }

    /// What the first waiter asks for; nil if none waits.
    @inlinable package var first: Request? { head?.request }

    // MARK: Waiting

    /// Adds a waiter after all others. Refuses it with `cancelled` where its task is cancelled and would leave the list.
    ///
    /// To be called under the lock, in the closure that got the waiter: the calling task is the one that waits.
    @inlinable
    package mutating func add(_ waiter: Waiter<Answer>, for request: Request) -> Registration<Answer> {
        if waiter.isCancelled { return .cancelled }
        append(Entry(waiter, request))
        return .waiting
    }

    /// Adds a waiter before the first one whose request is later than this one by `isLater`. Otherwise as
    /// ``add(_:for:)``.
    @inlinable
    package mutating func add(
        _ waiter: Waiter<Answer>, for request: Request, before isLater: (Request) -> Bool
    ) -> Registration<Answer> {
        if waiter.isCancelled { return .cancelled }
        let entry = Entry(waiter, request)
        if let head, isLater(head.request) {
            others.prepend(head)
            self.head = entry
        } else if let place = others.firstIndex(where: { isLater($0.request) }) {
            others.insert(entry, at: place)
        } else {
            append(entry)
        }
        return .waiting
    }

    @inlinable
    mutating func append(_ entry: Entry) {
        if head == nil { head = entry } else { others.append(entry) }
    }

    /// Removes a waiter and returns it; nil if the list doesn't have it. The caller resumes it, once the lock is released.
    @inlinable
    package mutating func remove(_ id: WaiterID) -> Waiter<Answer>? {
        if head?.waiter.id == id { return popFirst()?.waiter }
        return others.firstIndex { $0.waiter.id == id }.map { others.remove(at: $0).waiter }
    }

    @inlinable
    mutating func popFirst() -> Entry? {
        guard let first = head else { return nil }
        head = others.popFirst()
        return first
    }

    // MARK: Answering

    /// Removes the first waiter, for this answer.
    @inlinable
    package mutating func answerFirst(with answer: Answer) -> Resumptions<Answer> {
        var resumptions = Resumptions<Answer>()
        if let first = popFirst() { resumptions.append(first.waiter, answer) }
        return resumptions
    }

    /// Removes all waiters, for this answer.
    @inlinable
    package mutating func answerAll(with answer: Answer) -> Resumptions<Answer> {
        var resumptions = Resumptions<Answer>()
        while let next = popFirst() { resumptions.append(next.waiter, answer) }
        return resumptions
    }

    /// Removes the waiters whose request `isMet` accepts, for this answer.
    @inlinable
    package mutating func answerAll(where isMet: (Request) -> Bool, with answer: Answer) -> Resumptions<Answer> {
        var resumptions = Resumptions<Answer>()
        var kept = Self()
        while let next = popFirst() {
            if isMet(next.request) { resumptions.append(next.waiter, answer) } else { kept.append(next) }
        }
        self = kept
        return resumptions
    }
}

extension WaitList where Request == Void {
    /// Adds a waiter after all others. As ``add(_:for:)``.
    @inlinable package mutating func add(_ waiter: Waiter<Answer>) -> Registration<Answer> { add(waiter, for: ()) }
}

/// Waiters that were taken from their lists, with their answers: to be resumed, in this order, once the lock is released.
@usableFromInline package struct Resumptions<Answer: Sendable>: Sendable {
    // Mostly there is one, which needs no list.
    @usableFromInline var first: (waiter: Waiter<Answer>, answer: Answer)?
    @usableFromInline var others: [(waiter: Waiter<Answer>, answer: Answer)] = []

    @inlinable package init() {}

    @inlinable package var isEmpty: Bool { first == nil }

    @inlinable
    package mutating func append(_ waiter: Waiter<Answer>, _ answer: Answer) {
        if first == nil { first = (waiter, answer) } else { others.append((waiter, answer)) }
    }

    @inlinable
    package mutating func append(contentsOf more: Resumptions) {
        guard let next = more.first else { return }
        append(next.waiter, next.answer)
        others += more.others
    }

    /// Resumes all. To be called once, while no lock is held.
    @inlinable
    package func resume() {
        first?.waiter.resume(returning: first!.answer)
        for (waiter, answer) in others { waiter.resume(returning: answer) }
    }
}
