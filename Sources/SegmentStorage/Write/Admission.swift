import DiskAccess
import StreamModel
import Synchronization

/// Admits calls with records in their order, as far as the queue's bytes allow (STORE-C6).
///
/// Any thread may call any member. Calls are resumed after the lock is released. Lock order: this lock before that of the
/// memtable queue.
final class Admission: Sendable {
    private typealias Answer = Result<Void, any Error>

    private struct State {
        var used = 0
        var isBlocked = false
        var refusal: ShardlineError?
        /// Calls with the bytes that they want to reserve.
        var waiters = WaitList<Int, Answer>()

        /// A call that is larger than the limit is admitted when no other call holds bytes.
        func admits(_ bytes: Int, limit: Int) -> Bool { !isBlocked && (used == 0 || used + bytes <= limit) }

        mutating func admitWaiters(limit: Int) -> Resumptions<Answer> {
            var admitted = Resumptions<Answer>()
            while let bytes = waiters.first, admits(bytes, limit: limit) {
                used += bytes
                admitted.append(contentsOf: waiters.answerFirst(with: .success(())))
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
        try await withListedWaiter(cancelled: .failure(CancellationError())) { waiter in
            state.withLock { state in
                if let refusal = state.refusal { return .answered(.failure(refusal)) }
                if state.waiters.isEmpty, state.admits(bytes, limit: limit) {
                    state.used += bytes
                    return .answered(.success(()))
                }
                return state.waiters.add(waiter, for: bytes)
            }
        } remove: { id in
            remove(id)
        }.get()
    }

    private func remove(_ id: WaiterID) -> Waiter<Answer>? {
        let (cancelled, admitted) = state.withLock { state in
            // A call that has just been admitted goes on. The calls after a cancelled one may need less room.
            (state.waiters.remove(id), state.admitWaiters(limit: limit))
        }
        admitted.resume()
        return cancelled
    }

    /// The number of calls that wait.
    var waitingCount: Int { state.withLock { $0.waiters.count } }

    /// Gives reserved bytes back.
    func release(_ bytes: Int) {
        guard bytes > 0 else { return }
        state.withLock { state in
            state.used -= bytes
            return state.admitWaiters(limit: limit)
        }.resume()
    }

    /// Stops admitting, or starts again: memory has to be flushed to segments first (STORE-M4).
    ///
    /// `isBlocked` is evaluated under the lock, so that of two concurrent calls the later answer counts.
    func block(while isBlocked: () -> Bool) {
        state.withLock { state in
            state.isBlocked = isBlocked()
            return state.admitWaiters(limit: limit)
        }.resume()
    }

    /// Refuses all calls with this error, waiting ones included. Nil ends the refusal.
    func refuse(with error: ShardlineError?) {
        state.withLock { state in
            state.refusal = error
            guard let error else { return Resumptions<Answer>() }
            return state.waiters.answerAll(with: .failure(error))
        }.resume()
    }
}
