import Synchronization

/// Identifies a ``Waiter`` in the process.
@usableFromInline package struct WaiterID: Hashable, Sendable {
    @usableFromInline static let last = Atomic<UInt64>(0)

    @usableFromInline let number: UInt64

    @inlinable package init() { number = Self.last.wrappingAdd(1, ordering: .relaxed).newValue }
}

/// A suspended task, or a callback, that gets exactly one answer.
///
/// This file and ``WaitList`` are the only code that suspends tasks by hand; everything that waits for a thread, a lock's
/// owner or another task is built on them. There are three ways to wait:
///
/// - ``withWaiter(_:)`` for a call that ends with a callback. Cancellation has no effect.
/// - ``withWaiter(_:onCancel:)`` for the same, where the one who answers is told of the cancellation and still answers.
/// - ``withListedWaiter(cancelled:_:remove:)`` for a place in a ``WaitList``, which a cancelled task leaves at once;
///   ``withListedWaiter(_:)`` for a place that it keeps.
///
/// A task's waiter must be resumed once: never resuming it suspends the task forever, resuming it twice stops the
/// process. A ``WaitList`` keeps this by itself, as a waiter that is taken from it is no longer in it.
///
/// Any thread may resume a waiter, but no lock may be held: the task may run at once on another thread, and a callback
/// runs within the call.
///
/// A class, because the size of a continuation is known only at run time: copies of a struct that holds one would look up
/// its type's metadata each time.
@usableFromInline package final class Waiter<Answer: Sendable>: Sendable {
    @usableFromInline
    package enum Kind: Sendable {
        case task(CheckedContinuation<Answer, Never>)
        /// A task that leaves its list when it is cancelled.
        case cancellableTask(CheckedContinuation<Answer, Never>)
        case callback(@Sendable (Answer) -> Void)
    }

    @usableFromInline package let id: WaiterID
    @usableFromInline let kind: Kind

    @inlinable
    package init(_ id: WaiterID, _ kind: Kind) {
        self.id = id
        self.kind = kind
    }

    /// A waiter that is no task: `body` is called with the answer, on the thread that resumes it.
    @inlinable package convenience init(calling body: @escaping @Sendable (Answer) -> Void) {
        self.init(WaiterID(), .callback(body))
    }

    /// Lets the task go on with the answer, or calls the callback. To be called once, while no lock is held.
    @inlinable
    package func resume(returning answer: Answer) {
        switch kind {
        case .task(let continuation), .cancellableTask(let continuation): continuation.resume(returning: answer)
        case .callback(let body): body(answer)
        }
    }

    /// The same for an answer that is an error.
    @inlinable
    package func resume<Success>(throwing error: any Error) where Answer == Result<Success, any Error> {
        resume(returning: .failure(error))
    }

    /// Whether the calling task, to which this waiter belongs, is cancelled and is to be answered with that.
    @inlinable var isCancelled: Bool {
        if case .cancellableTask = kind { Task.isCancelled } else { false }
    }
}

/// What became of a waiter that asked for a place in a ``WaitList``.
@usableFromInline package enum Registration<Answer: Sendable>: Sendable {
    /// The waiter has a place, or had one and is resumed by the one who took it from there.
    case waiting
    /// There was an answer at once, and the waiter has no place.
    case answered(Answer)
    /// The task was cancelled before it got a place.
    case cancelled
}

/// Suspends the task until its waiter is resumed, and returns the answer. For calls that end with a callback, such as one
/// that a thread runs. Cancellation has no effect.
///
/// `body` is called once, at once, on the calling task.
@inlinable
package func withWaiter<Answer: Sendable>(_ body: (Waiter<Answer>) -> Void) async -> Answer {
    await withCheckedContinuation { body(Waiter(WaiterID(), .task($0))) }
}

/// The same, where `onCancel` tells the one who answers that the task was cancelled. The task still waits for its answer.
///
/// A cancellation that comes before `body` has returned is told again after it, so that it isn't missed where `body` had
/// yet to make the call known. `onCancel` may therefore be called twice.
@inlinable
package func withWaiter<Answer: Sendable>(
    _ body: (Waiter<Answer>) -> Void, onCancel: @Sendable () -> Void
) async -> Answer {
    await withTaskCancellationHandler {
        await withWaiter { waiter in
            body(waiter)
            if Task.isCancelled { onCancel() }
        }
    } onCancel: {
        onCancel()
    }
}

/// Suspends the task until the waiter that `register` has put into a ``WaitList`` is resumed, and returns the answer.
/// Cancellation has no effect.
///
/// `register` is called once, at once, on the calling task. It takes the lock that guards the list, and under it either
/// answers or adds the waiter: what it found out then is still true when the waiter has its place.
@inlinable
package func withListedWaiter<Answer: Sendable>(_ register: (Waiter<Answer>) -> Registration<Answer>) async -> Answer {
    await withWaiter { waiter in
        // `add` refuses only waiters of tasks that may be cancelled.
        if case .answered(let answer) = register(waiter) { waiter.resume(returning: answer) }
    }
}

/// The same, where a cancelled task leaves the list, and gets `cancelled` as its answer.
///
/// `remove` takes the list's lock, removes the waiter with the given ID and returns it; nil where the list doesn't have
/// it. The lock decides between an answer and a cancellation that come at the same time: the one that removes the waiter
/// resumes it.
///
/// - The task was cancelled before the waiter is added: `remove` may have found nothing, and ``WaitList/add(_:for:)``
///   refuses the waiter, because it looks at the task under the lock.
/// - It is cancelled later: `remove` comes after `add`, and finds the waiter unless it was answered.
///
/// `remove` runs on the thread that cancels the task, which may hold locks of its own: these come before the list's.
@inlinable
package func withListedWaiter<Answer: Sendable>(
    cancelled: @autoclosure @Sendable () -> Answer, _ register: (Waiter<Answer>) -> Registration<Answer>,
    remove: @Sendable (WaiterID) -> Waiter<Answer>?
) async -> Answer {
    let id = WaiterID()
    return await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
            switch register(Waiter(id, .cancellableTask(continuation))) {
            case .waiting: break
            case .answered(let answer): continuation.resume(returning: answer)
            case .cancelled: continuation.resume(returning: cancelled())
            }
        }
    } onCancel: {
        remove(id)?.resume(returning: cancelled())
    }
}
