import DequeModule
import StreamModel
import Synchronization

/// Admits calls with records in their order, as far as the queue's bytes allow (STORE-C6).
///
/// Any thread may call any member. Continuations are resumed after the lock is released. Lock order: this lock before
/// that of the memtable queue.
final class Admission: Sendable {
    private struct Waiter {
        var id: UInt64
        var bytes: Int
        var continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var used = 0
        var isBlocked = false
        var refusal: ShardlineError?
        var waiters: Deque<Waiter> = []
        var lastID: UInt64 = 0
        /// Calls that got an ID and are not on the list yet, and those of them that were cancelled meanwhile.
        var coming: Set<UInt64> = []
        var cancelled: Set<UInt64> = []

        /// A call that is larger than the limit is admitted when no other call holds bytes.
        func admits(_ bytes: Int, limit: Int) -> Bool { !isBlocked && (used == 0 || used + bytes <= limit) }

        mutating func takeAdmitted(limit: Int) -> [CheckedContinuation<Void, any Error>] {
            var admitted: [CheckedContinuation<Void, any Error>] = []
            while let first = waiters.first, admits(first.bytes, limit: limit) {
                used += first.bytes
                admitted.append(first.continuation)
                waiters.removeFirst()
            }
            return admitted
        }
    }

    private let state = Mutex(State())
    private let limit: Int

    /// At most `limit` bytes of calls may be admitted and not answered at once.
    init(limit: Int) { self.limit = limit }

    /// Reserves `bytes`, as soon as there is room for them. Throws `CancellationError` for a cancelled task and the
    /// error of ``refuse(with:)``; then nothing is reserved.
    func admit(_ bytes: Int) async throws {
        let isAdmitted = try state.withLock { state in
            if let refusal = state.refusal { throw refusal }
            guard state.waiters.isEmpty, state.admits(bytes, limit: limit) else { return false }
            state.used += bytes
            return true
        }
        if isAdmitted { return }
        let id = state.withLock { state in
            state.lastID += 1
            state.coming.insert(state.lastID)
            return state.lastID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in wait(id, bytes, continuation) }
        } onCancel: {
            cancel(id)
        }
    }

    private func wait(_ id: UInt64, _ bytes: Int, _ continuation: CheckedContinuation<Void, any Error>) {
        let result: Result<Void, any Error>? = state.withLock { state in
            state.coming.remove(id)
            if state.cancelled.remove(id) != nil { return .failure(CancellationError()) }
            if let refusal = state.refusal { return .failure(refusal) }
            if state.waiters.isEmpty, state.admits(bytes, limit: limit) {
                state.used += bytes
                return .success(())
            }
            state.waiters.append(Waiter(id: id, bytes: bytes, continuation: continuation))
            return nil
        }
        if let result { continuation.resume(with: result) }
    }

    private func cancel(_ id: UInt64) {
        let (cancelled, admitted) = state.withLock { state in
            guard let index = state.waiters.firstIndex(where: { $0.id == id }) else {
                // A call that is not on the list yet must not wait there. A call that has just been admitted goes on.
                if state.coming.contains(id) { state.cancelled.insert(id) }
                return (nil as CheckedContinuation<Void, any Error>?, [CheckedContinuation<Void, any Error>]())
            }
            let waiter = state.waiters.remove(at: index)
            return (waiter.continuation, state.takeAdmitted(limit: limit))
        }
        cancelled?.resume(throwing: CancellationError())
        for continuation in admitted { continuation.resume() }
    }

    /// The number of calls that wait.
    var waitingCount: Int { state.withLock { $0.waiters.count } }

    /// Gives reserved bytes back.
    func release(_ bytes: Int) {
        guard bytes > 0 else { return }
        let admitted = state.withLock { state in
            state.used -= bytes
            return state.takeAdmitted(limit: limit)
        }
        for continuation in admitted { continuation.resume() }
    }

    /// Stops admitting, or starts again: memory has to be flushed to segments first (STORE-M4).
    ///
    /// `isBlocked` is evaluated under the lock, so that of two concurrent calls the later answer counts.
    func block(while isBlocked: () -> Bool) {
        let admitted = state.withLock { state in
            state.isBlocked = isBlocked()
            return state.takeAdmitted(limit: limit)
        }
        for continuation in admitted { continuation.resume() }
    }

    /// Refuses all calls with this error, waiting ones included. Nil ends the refusal.
    func refuse(with error: ShardlineError?) {
        let waiters = state.withLock { state in
            state.refusal = error
            guard error != nil else { return Deque<Waiter>() }
            defer { state.waiters = [] }
            return state.waiters
        }
        if let error { for waiter in waiters { waiter.continuation.resume(throwing: error) } }
    }
}
