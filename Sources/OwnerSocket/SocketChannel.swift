import DequeModule
import DiskAccess
import Glibc
import StreamModel

/// A frame whose bytes are made.
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

/// One connection: a thread that receives frames and one that sends them.
///
/// Sending never blocks the caller; the threads are ours, so that a peer that doesn't read holds up nobody else.
final class SocketChannel: Sendable {
    private struct Outgoing {
        var frames: Deque<EncodedFrame> = []
        var bytes = 0
        /// Bytes of what was received and is not dealt with yet.
        var underWay = 0
        /// Nothing more is accepted; what is there is still sent.
        var isEnding = false
        /// Behind the last frame the receiving direction stays open.
        var keepsReceiving = false
        /// Nobody is held up for the sake of room any more.
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
    ///   - name: what tools show of the threads; at most 15 bytes.
    ///   - buffer: what cuts the arriving bytes into frames.
    ///   - onFrame: called for each frame by the receiving thread, which it may hold up. What it throws ends the
    ///     connection.
    ///   - onEnd: called once, after the last `onFrame`, with the reason; nil: the other side has closed.
    func start(
        name: String, buffer: FrameBuffer, onFrame: @escaping @Sendable (Frame) throws -> Void,
        onEnd: @escaping @Sendable ((any Error)?) -> Void
    ) {
        _ = WorkerThread(name: name) { [self] in
            onEnd(receive(buffer, onFrame))
        }
        _ = WorkerThread(name: name) { [self] in sendAll() }
    }

    /// Queues a frame. False: nothing of it will ever go out.
    @discardableResult
    func send(_ frame: Frame) -> Bool { send(EncodedFrame(frame)) }

    /// As ``send(_:)``, with nothing left to be done that takes time.
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

    /// Sends nothing more behind the frame that is on its way, but goes on receiving. Returns the calls whose requests
    /// stay unsent.
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

    /// Holds the receiving thread up until fewer than `bytes` are queued or under way, or the connection is over.
    func waitForRoom(below bytes: Int) {
        _ = outgoing.wait(atMost: nil) { $0.bytes + $0.underWay < bytes || $0.isOver || $0.isHurrying ? true : nil }
    }

    /// Counts what was received as under way, or with a negative number as dealt with.
    func countUnderWay(_ bytes: Int) {
        outgoing.withLock { $0.underWay += bytes }
        if bytes < 0 { outgoing.wakeAll() }
    }

    /// Receives nothing more. What was received already is handled, and can be answered.
    func stopReceiving() {
        outgoing.withLock { $0.isHurrying = true }
        outgoing.wakeAll()
        socket.shutDownReceiving()
    }

    /// Sends what is queued, then ends the connection, at the latest after `duration`.
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
                // The receiving thread finds the end by itself.
                close()
                return
            }
            outgoing.withLock { $0.bytes -= bytes.count }
            outgoing.wakeAll()
        }
        if outgoing.withLock({ $0.keepsReceiving && !$0.isOver }) { socket.shutDownSending() } else { close() }
    }
}
