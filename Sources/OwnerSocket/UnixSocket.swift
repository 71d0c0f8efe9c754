import CPosix
import Glibc
import StreamModel

/// A socket's descriptor. Only `deinit` closes it, so no thread can still be using it.
final class UnixSocket: Sendable {
    let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Ends both directions: a thread that blocks in a call on this socket returns from it.
    func shutDown() { _ = shutdown(descriptor, Int32(SHUT_RDWR)) }

    /// Ends the receiving direction only, so that replies can still go out.
    func shutDownReceiving() { _ = shutdown(descriptor, Int32(SHUT_RD)) }

    /// Ends the sending direction only: the other side reads an end of file after the last byte.
    func shutDownSending() { _ = shutdown(descriptor, Int32(SHUT_WR)) }

    /// The next connection to this listening socket; nil once the socket was shut down.
    func accept() throws(SocketError) -> UnixSocket? {
        while true {
            let accepted = shardline_accept(descriptor)
            if accepted >= 0 { return UnixSocket(descriptor: accepted) }
            switch errno {
            case EINTR, ECONNABORTED: continue
            case EINVAL: return nil
            case let code: throw SocketError("accept a connection", code: code)
            }
        }
    }

    /// Receives bytes that have arrived and returns how many; 0 at the end.
    func receive(into room: UnsafeMutableRawBufferPointer) throws(SocketError) -> Int {
        while true {
            let count = recv(descriptor, room.baseAddress, room.count, 0)
            if count >= 0 { return count }
            if errno != EINTR { throw SocketError("receive", code: errno) }
        }
    }

    /// Sends all of `bytes`.
    func send(_ bytes: [UInt8]) throws(SocketError) {
        let code = bytes.withUnsafeBytes { buffer -> Int32 in
            var sent = 0
            while sent < buffer.count {
                // Without the flag, sending to a peer that is gone would end this process with SIGPIPE.
                let count = Glibc.send(
                    descriptor, buffer.baseAddress! + sent, buffer.count - sent, Int32(MSG_NOSIGNAL))
                if count >= 0 { sent += count } else if errno != EINTR { return errno }
            }
            return 0
        }
        if code != 0 { throw SocketError("send", code: code) }
    }

    /// Sets after which time a blocking call fails with a timeout; nil: never.
    func limitWaiting(receiving: Duration?, sending: Duration?) {
        for (option, duration) in [(SO_RCVTIMEO, receiving), (SO_SNDTIMEO, sending)] {
            let (seconds, attoseconds) = (duration ?? .zero).components
            var value = timeval(tv_sec: Int(seconds), tv_usec: Int(attoseconds / 1_000_000_000_000))
            setsockopt(descriptor, SOL_SOCKET, option, &value, socklen_t(MemoryLayout<timeval>.size))
        }
    }
}

/// A system call on a socket that failed.
struct SocketError: Error, Hashable, CustomStringConvertible {
    var operation: String
    /// The system's error number.
    var code: Int32

    init(_ operation: String, code: Int32) {
        self.operation = operation
        self.code = code
    }

    /// Nothing was received or sent within the limit.
    var isTimeout: Bool { code == EAGAIN || code == EWOULDBLOCK }

    var description: String { "can't \(operation): \(String(cString: strerror(code)))" }
}

/// The name of a store's socket in its directory.
struct SocketPath {
    static let name = "owner.sock"
    let directory: String

    /// Calls `body` with the address of the socket.
    ///
    /// An address holds 107 bytes of path. A longer one goes through an open descriptor of the directory, whose own
    /// name under /proc is short.
    private func withAddress(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32, _ operation: String
    ) throws(SocketError) {
        var path = directory + "/" + Self.name
        var descriptor: Int32 = -1
        defer { if descriptor >= 0 { close(descriptor) } }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let room = MemoryLayout.size(ofValue: address.sun_path)
        if path.utf8.count >= room {
            descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else { throw SocketError("open '\(directory)'", code: errno) }
            path = "/proc/self/fd/\(descriptor)/\(Self.name)"
        }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let result = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if result != 0 { throw SocketError("\(operation) '\(directory)/\(Self.name)'", code: errno) }
    }

    private func makeSocket() throws(SocketError) -> UnixSocket {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw SocketError("make a socket", code: errno) }
        return UnixSocket(descriptor: descriptor)
    }

    /// A socket that listens at this path, replacing one that a former owner has left. Only the same user may connect
    /// (0600).
    func listen() throws(SocketError) -> UnixSocket {
        let socket = try makeSocket()
        remove()
        // The file is created with the socket's own mode; changing the mode afterwards would leave a gap.
        guard fchmod(socket.descriptor, 0o600) == 0 else {
            throw SocketError("set the rights of a socket", code: errno)
        }
        try withAddress({ bind(socket.descriptor, $0, $1) }, "make")
        guard Glibc.listen(socket.descriptor, 128) == 0 else { throw SocketError("listen", code: errno) }
        return socket
    }

    /// A socket that is connected to the process that listens there.
    ///
    /// - Parameter patience: how long to wait for a place in the backlog of an owner that accepts no connection.
    func connect(patience: Duration = .seconds(10)) throws(SocketError) -> UnixSocket {
        let socket = try makeSocket()
        socket.limitWaiting(receiving: nil, sending: patience)
        defer { socket.limitWaiting(receiving: nil, sending: nil) }
        try withAddress({ Glibc.connect(socket.descriptor, $0, $1) }, "connect to")
        return socket
    }

    /// Removes the socket's file, if it is there.
    func remove() { unlink(directory + "/" + Self.name) }
}
