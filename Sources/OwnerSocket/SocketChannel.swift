import DequeModule
import DiskAccess
import Glibc
import StreamModel

/// An encoded message.
struct EncodedFrame {
    let kind: Frame.Kind
    let call: UInt64
    let bytes: [UInt8]

    init(_ frame: Frame) {
        kind = frame.kind
        call = frame.call
        bytes = frame.encoded
    }
}

/// One connection: a thread that receives messages and one that sends them.
///
/// All other calls may be made on any thread. ``send(_:)`` never blocks; ``waitForRoom(below:)`` and
/// ``finish(atMost:)`` do. No other lock is taken while the lock of `outgoing` is held.
///
/// Each connection has its own two threads, so that a peer that doesn't read holds up no other connection.
final class SocketChannel: Sendable {
    private struct Outgoing {
        var frames: Deque<EncodedFrame> = []
        var bytes = 0
        /// Bytes of calls that were received and not answered yet.
        var underWay = 0
        /// Nothing more is accepted; what is queued is still sent.
        var isEnding = false
        /// The receiving direction stays open after the last message.
        var keepsReceiving = false
        /// ``SocketChannel/waitForRoom(below:)`` no longer waits.
        var isHurrying = false
        /// Nothing more is sent.
        var isOver = false
    }

    private let socket: UnixSocket
    private let outgoing = Monitor(Outgoing())

    init(_ socket: UnixSocket) { self.socket = socket }

    /// Starts both threads.
    ///
    /// - Parameters:
    ///   - name: the threads' name, as tools show it; at most 15 bytes.
    ///   - buffer: splits the received bytes into messages.
    ///   - onFrame: called for each message on the receiving thread, and may block it. An error that it throws ends the
    ///     connection.
    ///   - onEnd: called once, on the receiving thread after the last `onFrame`, with the reason; nil: the other side
    ///     has closed.
    func start(
        name: String, buffer: FrameBuffer, onFrame: @escaping @Sendable (Frame) throws -> Void,
        onEnd: @escaping @Sendable ((any Error)?) -> Void
    ) {
        _ = WorkerThread(name: name) { [self] in
            onEnd(receive(buffer, onFrame))
        }
        _ = WorkerThread(name: name) { [self] in sendAll() }
    }

    /// Queues a message. False: it will never be sent, not even in part.
    @discardableResult
    func send(_ frame: Frame) -> Bool { send(EncodedFrame(frame)) }

    /// As ``send(_:)`` with a message that is already encoded, so that it can be called under a lock.
    func send(_ frame: EncodedFrame) -> Bool {
        let isAccepted = outgoing.withLock { outgoing in
            guard !outgoing.isEnding, !outgoing.isOver else { return false }
            outgoing.frames.append(frame)
            outgoing.bytes += frame.bytes.count
            return true
        }
        outgoing.wakeAll()
        return isAccepted
    }

    /// Sends nothing after the message that is being sent, but goes on receiving. Returns the calls whose requests stay
    /// unsent.
    func stopSending() -> Set<UInt64> {
        let unsent = outgoing.withLock { outgoing in
            outgoing.isEnding = true
            outgoing.keepsReceiving = true
            defer {
                outgoing.bytes -= outgoing.frames.reduce(0) { $0 + $1.bytes.count }
                outgoing.frames = []
            }
            return Set(outgoing.frames.filter { $0.kind == .request }.map(\.call))
        }
        outgoing.wakeAll()
        return unsent
    }

    /// Blocks the receiving thread until fewer than `bytes` are queued or under way, or the connection is over.
    func waitForRoom(below bytes: Int) {
        _ = outgoing.wait(atMost: nil) { $0.bytes + $0.underWay < bytes || $0.isOver || $0.isHurrying ? true : nil }
    }

    /// Counts received bytes as under way; a negative number counts them as answered.
    func countUnderWay(_ bytes: Int) {
        outgoing.withLock { $0.underWay += bytes }
        if bytes < 0 { outgoing.wakeAll() }
    }

    /// Receives nothing more. What was received already is handled and can still be answered.
    func stopReceiving() {
        outgoing.withLock { $0.isHurrying = true }
        outgoing.wakeAll()
        socket.shutDownReceiving()
    }

    /// Sends what is queued and then ends the connection, at the latest after `duration`. Blocks until then.
    func finish(atMost duration: Duration) {
        outgoing.withLock { $0.isEnding = true }
        outgoing.wakeAll()
        _ = outgoing.wait(atMost: duration) { $0.isOver ? true : nil }
        close()
    }

    /// Ends the connection at once.
    func close() {
        outgoing.withLock { $0.isOver = true }
        outgoing.wakeAll()
        socket.shutDown()
    }

    private func receive(_ buffer: FrameBuffer, _ onFrame: (Frame) throws -> Void) -> (any Error)? {
        var buffer = buffer
        let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 16)
        defer { room.deallocate() }
        do {
            while true {
                let count = try socket.receive(into: room)
                guard count > 0 else { return nil }
                buffer.append(UnsafeRawBufferPointer(rebasing: room[..<count]))
                while let frame = try buffer.next() { try onFrame(frame) }
            }
        } catch {
            return error
        }
    }

    private func sendAll() {
        while true {
            let next = outgoing.wait(atMost: nil) { outgoing -> [UInt8]?? in
                if outgoing.isOver { return .some(nil) }
                if let first = outgoing.frames.popFirst() { return first.bytes }
                return outgoing.isEnding ? .some(nil) : nil
            }
            guard let bytes = next ?? nil else { break }
            do { try socket.send(bytes) } catch {
                // The receiving thread reports the end.
                close()
                return
            }
            outgoing.withLock { $0.bytes -= bytes.count }
            outgoing.wakeAll()
        }
        if outgoing.withLock({ $0.keepsReceiving && !$0.isOver }) { socket.shutDownSending() } else { close() }
    }
}
