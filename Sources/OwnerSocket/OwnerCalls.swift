import DiskAccess
import StreamModel
import StreamStorage
import Synchronization

/// A client's calls that wait for the owner's replies.
///
/// Calls may be made on any thread. Replies arrive on the channel's receiving thread, which also ends the calls when
/// the connection ends. Lock order: `state`, then the channel's lock.
final class OwnerCalls: Sendable {
    private struct Pending {
        let waiter: Waiter<Result<Reply, any Error>>
        /// Whether the outcome is in doubt once a byte of the call has gone out.
        let isCommit: Bool
        /// Whether the reply may take any time.
        let isPatient: Bool
    }

    private struct State {
        var last: UInt64 = 0
        var pending: [UInt64: Pending] = [:]
        /// What every call throws once the connection has ended.
        var end: ShardlineError?
        /// The owner has announced a clean release.
        var isReleased = false
    }

    static let mismatch = ShardlineError(.storeFailed, "the store's owner answered with something else")

    private let channel: SocketChannel
    private let owner: Int32
    private let state = Mutex(State())

    init(_ channel: SocketChannel, owner: Int32) {
        self.channel = channel
        self.owner = owner
    }

    func start() {
        channel.start(name: "owner-calls", buffer: FrameBuffer()) { [self] frame in
            switch frame.kind {
            case .reply:
                let reply = try Reply(frame.payload)
                guard let call = state.withLock({ $0.pending.removeValue(forKey: frame.call) }) else {
                    throw WireError("the owner answered a call that nobody made")
                }
                call.waiter.resume(returning: .success(reply))
            case .goodbye: leave()
            case .hello, .welcome, .request, .cancel:
                throw WireError("the owner sent a frame of the kind \(frame.kind)")
            }
        } onEnd: { [self] reason in
            let why = reason.map { ": \($0)" } ?? ""
            end(
                with: ShardlineError(
                    .ownerGone, "the process \(owner) that owned the store is gone\(why)", cause: reason))
        }
    }

    func close() {
        end(with: ShardlineError(.closed, "the connection to the store's owner was closed"))
    }

    var isReleased: Bool { state.withLock { $0.isReleased } }

    /// Whether a call waits, and the oldest one whose reply should come soon.
    var waiting: (any: Bool, oldest: UInt64?) {
        state.withLock { state in
            (!state.pending.isEmpty, state.pending.lazy.filter { !$0.value.isPatient }.map(\.key).min())
        }
    }

    private var releasedByOwner: ShardlineError {
        ShardlineError(.ownerGone, "the process \(owner) that owned the store gives it up")
    }

    /// The owner releases the store: a call that it hasn't received is certainly not done; one that it has is still
    /// answered.
    private func leave() {
        let error = state.withLock { state in
            let first = state.end ?? releasedByOwner
            state.end = first
            state.isReleased = true
            return first
        }
        let unsent = channel.stopSending()
        let calls = state.withLock { state in unsent.compactMap { state.pending.removeValue(forKey: $0) } }
        for call in calls { call.waiter.resume(throwing: error) }
    }

    private func end(with error: ShardlineError) {
        // Set first, because closing the channel lets the receiving thread report an end of its own.
        let error = state.withLock { state in
            let first = state.end ?? error
            state.end = first
            return first
        }
        let unsent = channel.stopSending()
        channel.close()
        let pending = state.withLock { state in
            defer { state.pending = [:] }
            return state.pending
        }
        for (id, call) in pending {
            // Once a byte has gone out, the owner may have written the commit.
            if call.isCommit, !unsent.contains(id) {
                call.waiter.resume(returning: .success(.outcome(.unknown(cause: error))))
            } else {
                call.waiter.resume(throwing: error)
            }
        }
    }

    /// Sends a request and returns the owner's reply, which is never `failed` or `cancelled`: those are thrown.
    ///
    /// A cancelled call is cancelled at the owner and ends with the owner's reply, so that a commit that was written is
    /// never taken for one that was not.
    func call(_ request: Request) async throws -> Reply {
        try Task.checkCancellation()
        let payload = request.encoded
        guard payload.count <= Frame.largest - Frame.headSize else {
            throw ShardlineError(
                .commitTooLarge, "the call is too large for the owner's socket: put fewer records a call")
        }
        let isCommit = if case .commit = request { true } else { false }
        let isPatient =
            switch request {
            case .read(let read): read.wait != .no
            case .backup: true
            default: false
            }
        let id = state.withLock { state in
            state.last += 1
            return state.last
        }
        let reply = try await withWaiter { waiter in
            send(
                Frame(.request, call: id, payload: payload),
                Pending(waiter: waiter, isCommit: isCommit, isPatient: isPatient))
        } onCancel: {
            cancel(id)
        }.get()
        switch reply {
        case .failed(let error): throw error
        case .cancelled:
            try Task.checkCancellation()
            // The owner also cancels what is under way when this end closes the connection.
            throw state.withLock { $0.end } ?? releasedByOwner
        default: return reply
        }
    }

    private func send(_ frame: Frame, _ call: Pending) {
        let frame = EncodedFrame(frame)
        // Queued and registered under one lock: in between, the owner's clean release and end would find a registered
        // call that is not among the unsent ones, and would treat it as possibly done.
        let refused = state.withLock { state -> ShardlineError? in
            if let end = state.end { return end }
            guard channel.send(frame) else { return releasedByOwner }
            state.pending[frame.call] = call
            return nil
        }
        if let refused { call.waiter.resume(throwing: refused) }
    }

    private func cancel(_ id: UInt64) {
        guard state.withLock({ $0.pending[id] != nil }) else { return }
        channel.send(Frame(.cancel, call: id))
    }
}
