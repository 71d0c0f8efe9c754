import StreamModel
import Synchronization

/// Whether a mapping runs, and whether it was asked to stop.
final class RunControl: Sendable {
    private struct State {
        var isRunning = false
        var stopGrace: Duration?
        var waiting: CheckedContinuation<Void, Never>?
    }
    private let state = Mutex(State())

    /// Takes the one run that there may be; false where the mapping runs already.
    func begin() -> Bool {
        state.withLock { state in
            guard !state.isRunning else { return false }
            state.isRunning = true
            return true
        }
    }

    /// Ends the run; what was asked of it is forgotten.
    func end() {
        state.withLock { state in
            state.isRunning = false
            state.stopGrace = nil
        }
    }

    /// Asks the run to stop; before it has begun, the next one.
    func stop(grace: Duration) {
        let waiting = state.withLock { state -> CheckedContinuation<Void, Never>? in
            if state.stopGrace == nil { state.stopGrace = grace }
            return state.waiting.take()
        }
        waiting?.resume()
    }

    /// The grace of the stop that was asked for; nil while none was.
    var stopGrace: Duration? { state.withLock { $0.stopGrace } }

    /// Returns when a stop was asked for, or the task is cancelled. One task waits.
    func stopped() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDue = state.withLock { state in
                    if state.stopGrace != nil || Task.isCancelled { return true }
                    state.waiting = continuation
                    return false
                }
                if isDue { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiting.take() }?.resume()
        }
    }
}

/// The mailboxes of the shards that a session drives, for what is to be told to all of them.
final class LaneRegistry: Sendable {
    private struct State {
        var mailboxes: [ShardID: Mailbox<ShardDriver.Post>] = [:]
        /// Told to all, and so to whoever comes later.
        var last: ShardDriver.Post?
    }
    private let state = Mutex(State())

    /// A mailbox for a shard's driver.
    func mailbox(for shard: ShardID) -> Mailbox<ShardDriver.Post> {
        let mailbox = Mailbox<ShardDriver.Post>()
        let last = state.withLock { state in
            state.mailboxes[shard] = mailbox
            return state.last
        }
        if let last { mailbox.post(last) }
        return mailbox
    }

    func remove(_ shard: ShardID) { state.withLock { $0.mailboxes[shard] = nil } }

    /// Leaves a post for every driver.
    func tellAll(_ post: ShardDriver.Post) {
        let mailboxes = state.withLock { state in
            state.last = post
            return Array(state.mailboxes.values)
        }
        for mailbox in mailboxes { mailbox.post(post) }
    }
}
