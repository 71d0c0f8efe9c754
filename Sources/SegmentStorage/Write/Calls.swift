import DiskAccess
import StreamModel
import StreamStorage

/// A change as it waits for the writer.
package enum PreparedChange: Sendable {
    case append(PreparedAppend)
    case other(Change)
}

/// What a call asks of the writer.
package enum CallRequest: Sendable {
    case commit([PreparedChange])
    case createStream(name: String, settings: StreamSettings)
    case updateStream(name: String, retention: Duration)
    case deleteStream(name: String)
    case createMapping(MappingDefinition, starts: [ShardNumber: SequenceNumber])
    case claimMapping(MappingID, configuration: [UInt8]?)
    /// `all`: in all shards, those included that are listed no longer.
    case seekMapping(MappingID, positions: [ShardNumber: SequenceNumber], all: Bool)
    case deleteMapping(MappingID)
    /// Makes durable what retention has ended. `atOnce`: all of it, not only what has come together. Of the shards those
    /// are forgotten that no mapping has anything to do in.
    case applyRetention(atOnce: Bool, forgetting: [StreamNumber: [ShardNumber]])
}

extension CallRequest {
    /// What becomes of a call when the disk is full (STORE-C9).
    enum KindWithoutRoom {
        /// It has records, or a large state.
        case refused
        /// It only moves checkpoints or notes attempts.
        case saved
        /// Anything else, which is small and rare.
        case written
    }

    /// A larger state of a checkpoint has to wait for room.
    static let largestSavedState = 64 << 10

    var kindWithoutRoom: KindWithoutRoom {
        guard case .commit(let changes) = self, !changes.isEmpty else { return .written }
        var kind = KindWithoutRoom.saved
        for change in changes {
            switch change {
            case .append: return .refused
            case .other(.checkpoint(let move)):
                if move.checkpoint.state.count > Self.largestSavedState { return .refused }
            case .other(.attempts): break
            case .other: kind = .written
            }
        }
        return kind
    }
}

/// What the writer answers.
package enum CallAnswer: Sendable {
    case committed([PlannedReceipt])
    case conflict(change: Int, last: SequenceNumber)
    case sealed(change: Int, children: [ShardID])
    case unknown(cause: any Error)
    /// Of everything but a commit of changes.
    case done
}

/// What a change came to; the caller makes receipts for single records of it.
package enum PlannedReceipt: Sendable {
    case appended(PreparedAppend, [Memtable.Frame])
    case sealed([ShardID])
    case takenOver(last: SequenceNumber)
    case done
}

/// A call in the writer's queue.
struct PendingCall: Sendable {
    var request: CallRequest
    /// Bytes that its bodies take in the journal, about.
    var storedCount: Int
    /// What it reserved at admission, given back when it is answered.
    var reserved: Int
    /// Told the answer, once, by the writer's thread: it must not block.
    var answer: @Sendable (Result<CallAnswer, any Error>) -> Void
}

/// The calls that wait for the writer, in the order in which they are numbered (STORE-C2).
package final class CallQueue: Sendable {
    private struct State {
        var calls: [PendingCall] = []
        /// How many of them want to go at once.
        var urgent = 0
        var isClosing = false
        /// The writer has seen that calls wait for company, and knows when they are due.
        var isRelaxedKnown = false
        /// Set when something else than a call waits for the writer.
        var isKicked = false

        /// Whether the writer should look.
        var hasNews: Bool { urgent > 0 || isClosing || isKicked || (!calls.isEmpty && !isRelaxedKnown) }
    }

    /// What the writer finds when it looks.
    struct DequeuedCalls {
        var calls: [PendingCall]
        /// Calls that may wait for company are there, and were left.
        var leftRelaxed: Bool
        var isClosing: Bool
    }

    private let monitor = Monitor(State())

    /// Puts a call at the end. Throws `closed` once the queue is closing.
    func push(_ call: PendingCall, urgency: CommitUrgency) throws {
        let wakes = try monitor.withLock { state in
            guard !state.isClosing else { throw ShardlineError(.closed, "the store was closed") }
            state.calls.append(call)
            if urgency == .now { state.urgent += 1 }
            return state.calls.count == 1 || state.urgent == 1
        }
        if wakes { monitor.wakeAll() }
    }

    /// Calls up to `limit` stored bytes, at least one; none where all may wait for company and `takesRelaxed` is not
    /// set.
    func take(limit: Int, takesRelaxed: Bool) -> DequeuedCalls {
        monitor.withLock { state in
            state.isKicked = false
            state.isRelaxedKnown = false
            guard state.urgent > 0 || takesRelaxed || state.isClosing else {
                state.isRelaxedKnown = !state.calls.isEmpty
                return DequeuedCalls(calls: [], leftRelaxed: !state.calls.isEmpty, isClosing: false)
            }
            var count = 0
            var bytes = 0
            while count < state.calls.count, count == 0 || bytes + state.calls[count].storedCount <= limit {
                bytes += state.calls[count].storedCount
                count += 1
            }
            let calls = Array(state.calls[..<count])
            state.calls.removeFirst(count)
            // What is left behind a full group goes with the next one, urgent or not.
            state.urgent = state.calls.isEmpty ? 0 : max(1, state.urgent - count)
            return DequeuedCalls(calls: calls, leftRelaxed: false, isClosing: state.isClosing && state.calls.isEmpty)
        }
    }

    /// Sleeps until there is something to do, at most so long.
    func wait(atMost duration: Duration?) {
        _ = monitor.wait(atMost: duration) { $0.hasNews ? () : nil }
    }

    /// Whether ``wait(atMost:)`` would return at once.
    package var hasNews: Bool { monitor.withLock { $0.hasNews } }

    /// How many calls wait.
    var count: Int { monitor.withLock { $0.calls.count } }

    /// Wakes the writer without a call.
    func kick() {
        monitor.withLock { $0.isKicked = true }
        monitor.wakeAll()
    }

    /// Takes no more calls; what is queued is still done.
    func close() {
        monitor.withLock { $0.isClosing = true }
        monitor.wakeAll()
    }
}
