import DiskAccess
import StreamModel
import StreamStorage

/// A change as it waits for the writer.
package enum PreparedChange: Sendable {
    case append(PreparedAppend)
    case other(Change)

    /// The approximate number of bytes that it takes in the journal, where it may be large.
    var storedCount: Int {
        switch self {
        case .append(let append): append.storedCount
        case .other(.reserved(let change)):
            if case .park(let change) = change.kind { change.byteCount } else { 0 }
        case .other: 0
        }
    }
}

/// A request of a call to the writer.
package enum CallRequest: Sendable {
    case commit([PreparedChange])
    case createStream(name: String, settings: StreamSettings, attributes: [AttributeChange] = [])
    case updateStream(name: String, retention: Duration?, maximumRecordSize: Int?)
    case deleteStream(name: String)
    case createMapping(MappingDefinition, starts: [ShardNumber: SequenceNumber])
    /// `configuration`: what the owner brings.
    case claimMapping(MappingID, configuration: [UInt8]?, owner: String)
    /// `all`: in all shards, including those that are no longer listed.
    case seekMapping(MappingID, positions: [ShardNumber: SequenceNumber], all: Bool)
    case deleteMapping(MappingID)
    /// Makes durable what retention has expired. `atOnce`: everything, not only streams with enough of it. Of the given
    /// shards those are removed in which no mapping has records left to handle.
    case applyRetention(atOnce: Bool, forgetting: [StreamNumber: [ShardNumber]])
}

extension CallRequest {
    /// How a call is handled when the disk is full (STORE-C9).
    enum KindWithoutRoom {
        /// It has records or a large checkpoint state.
        case refused
        /// It only moves checkpoints.
        case saved
        /// Any other call; these are small and rare.
        case written
    }

    /// The largest checkpoint state, in bytes, that is saved on a full disk; a larger one is refused.
    static let largestSavedState = 64 << 10

    var kindWithoutRoom: KindWithoutRoom {
        guard case .commit(let changes) = self, !changes.isEmpty else { return .written }
        var kind = KindWithoutRoom.saved
        for change in changes {
            switch change {
            case .append: return .refused
            case .other(.checkpoint(let move)):
                if move.checkpoint.state.count > Self.largestSavedState { return .refused }
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
    /// The answer to every request except `commit`.
    case done
}

/// The result of a change; the caller makes the receipts of single records from it.
package enum PlannedReceipt: Sendable {
    case appended(PreparedAppend, [Memtable.Frame])
    case sealed([ShardID])
    case takenOver(last: SequenceNumber)
    case done
}

/// A call in the writer's queue.
struct PendingCall: Sendable {
    var request: CallRequest
    /// The approximate number of bytes that its bodies take in the journal.
    var storedCount: Int
    /// The bytes that it reserved at admission; they are given back when it is answered.
    var reserved: Int
    /// Called once with the answer, on the writer's thread; it must not block.
    var answer: @Sendable (Result<CallAnswer, any Error>) -> Void
}

/// The calls that wait for the writer, in the order in which they are numbered (STORE-C2).
///
/// Any thread may push, kick and close. Only the writer's thread takes and waits.
package final class CallQueue: Sendable {
    private struct State {
        var calls: [PendingCall] = []
        /// The number of urgent calls; at least 1 where calls were left after a full group.
        var urgent = 0
        var isClosing = false
        /// The writer has seen that relaxed calls wait for a group commit, and knows when they are due.
        var isRelaxedKnown = false
        /// Set when the writer is to wake without a call.
        var isKicked = false

        /// Whether the writer has something to do.
        var hasNews: Bool { urgent > 0 || isClosing || isKicked || (!calls.isEmpty && !isRelaxedKnown) }
    }

    /// What ``take(limit:takesRelaxed:)`` found.
    struct DequeuedCalls {
        var calls: [PendingCall]
        /// Relaxed calls are queued and were left for a later group commit.
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

    /// Takes calls of up to `limit` stored bytes, at least one. Takes none where all are relaxed and `takesRelaxed` is
    /// false.
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
            // What is left after a full group goes with the next one, urgent or not.
            state.urgent = state.calls.isEmpty ? 0 : max(1, state.urgent - count)
            return DequeuedCalls(calls: calls, leftRelaxed: false, isClosing: state.isClosing && state.calls.isEmpty)
        }
    }

    /// Sleeps until there is something to do, for at most `duration`. Blocks the thread.
    func wait(atMost duration: Duration?) {
        _ = monitor.wait(atMost: duration) { $0.hasNews ? () : nil }
    }

    /// Whether ``wait(atMost:)`` would return at once.
    package var hasNews: Bool { monitor.withLock { $0.hasNews } }

    /// The number of calls that wait.
    var count: Int { monitor.withLock { $0.calls.count } }

    /// Wakes the writer without a call.
    func kick() {
        monitor.withLock { $0.isKicked = true }
        monitor.wakeAll()
    }

    /// Accepts no more calls; queued ones are still handled.
    func close() {
        monitor.withLock { $0.isClosing = true }
        monitor.wakeAll()
    }
}
