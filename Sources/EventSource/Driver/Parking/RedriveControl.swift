import DiskAccess
import StreamModel
import Synchronization

/// When a session redrives records of parked keys, and whether it may. Any thread calls it. Its only lock is not held when
/// a task is resumed.
final class RedriveControl: Sendable {
    private struct State {
        /// Whether keys may have been released since the last look.
        var isDue = false
        var isEnabled = true
        var isOver = false
        /// The pass that runs, and whether it was told to end before it has read everything.
        var pass: EventSourceMapping?
        var function: RedriveFunction?
        var isCutShort = false
        /// The shards that have a driver.
        var shards: Set<ShardID> = []
        /// Those that deliver nothing until an operator acts.
        var paused: Set<ShardID> = []
        var waiters = WaitList<Void, Void>()
        /// How often something that is stored of parked keys may have changed.
        var changes: UInt64 = 0
        var watchers = WaitList<Void, Void>()

        /// Wakes who waits for a change.
        mutating func noteChange() -> Resumptions<Void> {
            changes += 1
            return watchers.answerAll(with: ())
        }

        var isReady: Bool { isOver || isDue && isEnabled }
    }
    private let state = Mutex(State())

    /// Says that keys may have been released.
    func raise() {
        state.withLock { state in
            state.isDue = true
            var resumptions = state.noteChange()
            if state.isReady { resumptions.append(contentsOf: state.waiters.answerAll(with: ())) }
            return resumptions
        }.resume()
    }

    /// Says that what is stored of parked keys has changed.
    func noteChange() { state.withLock { $0.noteChange() }.resume() }

    /// The store has these values of keys.
    func stored(_ values: [ParkingOrder.Value]) {
        state.withLock(\.function)?.stored(values)
        noteChange()
    }

    /// How often it has changed so far.
    var changes: UInt64 { state.withLock { $0.changes } }

    /// Waits for a change after this many of them, or until the task is cancelled.
    func change(after count: UInt64) async {
        await withListedWaiter(cancelled: ()) { waiter in
            state.withLock { $0.changes > count ? .answered(()) : $0.watchers.add(waiter) }
        } remove: { id in
            state.withLock { $0.watchers.remove(id) }
        }
    }

    /// Waits until there may be something to redrive. False if the session redrives nothing any more.
    func next() async -> Bool {
        await withListedWaiter(cancelled: ()) { waiter in
            state.withLock { $0.isReady ? .answered(()) : $0.waiters.add(waiter) }
        } remove: { id in
            state.withLock { $0.waiters.remove(id) }
        }
        return state.withLock { state in
            guard !state.isOver, !Task.isCancelled else { return false }
            state.isDue = false
            return true
        }
    }

    /// A pass is about to run; false if it may not.
    func begins(_ pass: EventSourceMapping, _ function: RedriveFunction) -> Bool {
        state.withLock { state in
            guard state.isEnabled, !state.isOver else {
                state.isDue = true
                return false
            }
            state.pass = pass
            state.function = function
            state.isCutShort = false
            return true
        }
    }

    /// Whether passes may run.
    var allows: Bool { state.withLock { $0.isEnabled && !$0.isOver } }

    /// Whether the last pass was told to end before it had read everything.
    var isCutShort: Bool { state.withLock { $0.isCutShort } }

    /// A shard has a driver from now on, or no longer.
    func drives(_ shard: ShardID, _ isDriven: Bool) {
        state.withLock { state in
            if isDriven { state.shards.insert(shard) } else { state.shards.remove(shard) }
            return state.noteChange()
        }.resume()
    }

    /// A shard is paused from now on, or no longer.
    func pauses(_ shard: ShardID, _ isPaused: Bool) {
        let wasPaused = state.withLock { state in
            isPaused ? !state.paused.insert(shard).inserted : state.paused.remove(shard) != nil
        }
        if wasPaused, !isPaused { raise() }
    }

    /// Whether records of a shard's keys may be handed back.
    func mayRedrive(_ shard: ShardID) -> Bool {
        state.withLock { $0.shards.contains(shard) && !$0.paused.contains(shard) }
    }

    /// Whether a shard has a driver, which is told of its keys.
    func isDriven(_ shard: ShardID) -> Bool { state.withLock { $0.shards.contains(shard) } }

    /// The pass has ended.
    func ended() {
        state.withLock { state in
            state.pass = nil
            state.function = nil
        }
    }

    /// Allows passes from now on, or ends the one that runs and begins none until they are allowed again.
    func enable(_ isEnabled: Bool) {
        let (pass, resumptions) = state.withLock { state in
            state.isEnabled = isEnabled
            if !isEnabled, state.pass != nil {
                state.isDue = true
                state.isCutShort = true
            }
            var resumptions = state.noteChange()
            if state.isReady { resumptions.append(contentsOf: state.waiters.answerAll(with: ())) }
            return (isEnabled ? nil : state.pass, resumptions)
        }
        pass?.triggerGracefulShutdown()
        resumptions.resume()
    }

    /// Ends the pass that runs, and all redriving.
    func stop() {
        let (pass, resumptions) = state.withLock { state in
            state.isOver = true
            state.isCutShort = true
            var resumptions = state.noteChange()
            resumptions.append(contentsOf: state.waiters.answerAll(with: ()))
            return (state.pass, resumptions)
        }
        pass?.triggerGracefulShutdown()
        resumptions.resume()
    }
}
