import StreamModel
import Synchronization

/// The states in between that streams and consumers show for a while after a change (API-C-1).
///
/// The change itself is durable before it is answered, so nothing of this is stored: a restart ends every transition.
/// All calls may be made on any thread.
final class TransitionRegistry: Sendable {
    /// What a stream or consumer is said to be doing.
    enum State: String, Sendable {
        case creating = "CREATING"
        case updating = "UPDATING"
        case deleting = "DELETING"
    }

    private struct Transition {
        var state: State
        var until: MonotonicTime
        /// A stream that is deleted already, as it is still described.
        var remains: StreamFacts?
    }

    private let transitions = Mutex<[UTF8Key: Transition]>([:])
    private let length: Duration
    private let time: any TimeSource

    init(length: Duration, time: any TimeSource) {
        self.length = length
        self.time = time
    }

    /// Shows the state from now on for the configured time.
    func begin(_ state: State, of name: String, remains: StreamFacts? = nil) {
        guard length > .zero else { return }
        let until = time.monotonicTime + length
        transitions.withLock { $0[UTF8Key(name)] = Transition(state: state, until: until, remains: remains) }
    }

    /// The state in between; nil: active, or not there.
    func state(of name: String) -> State? { current(name)?.state }

    /// A stream that was deleted and is still shown.
    func remains(of name: String) -> StreamFacts? { current(name)?.remains }

    /// The names in the store of the streams that were deleted and are still shown.
    var remaining: [StreamFacts] {
        let now = time.monotonicTime
        return transitions.withLock { $0.values.filter { $0.until > now }.compactMap(\.remains) }
    }

    /// How many streams or consumers of one kind are in this state.
    func count(of state: State, where isMeant: (String) -> Bool) -> Int {
        let now = time.monotonicTime
        return transitions.withLock { all in
            all.count { $0.value.state == state && $0.value.until > now && isMeant($0.key.string) }
        }
    }

    private func current(_ name: String) -> Transition? {
        guard length > .zero else { return nil }
        let now = time.monotonicTime
        return transitions.withLock { all in
            guard let transition = all[UTF8Key(name)] else { return nil }
            guard transition.until > now else {
                all[UTF8Key(name)] = nil
                return nil
            }
            return transition
        }
    }
}
