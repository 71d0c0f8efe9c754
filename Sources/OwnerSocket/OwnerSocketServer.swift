import DiskAccess
import Glibc
import Logging
import StreamModel
import StreamStorage
import Synchronization

/// Lets other processes use a store that this process owns, through a local socket in the store's directory.
///
/// The socket is `owner.sock` with the mode 0600: only the user who may use the store's files may connect. It carries
/// every call of ``StoreEngine``; ``OwnerClient`` is the other end.
///
/// The thread `owner-accept` accepts connections; ``run()`` and ``stop()`` may be called on any thread. No other lock
/// is taken while the server's own is held.
///
/// ```swift
/// let server = try OwnerSocketServer(store: store, at: directory)
/// try await server.run()      // until the task is cancelled, or stop()
/// ```
package final class OwnerSocketServer: Sendable {
    private struct State {
        var isStopped = false
        var lastConnection: UInt64 = 0
        var connections: [UInt64: OwnerConnection] = [:]
    }

    /// The most clients at a time; further connections are closed.
    private static let connectionLimit = 256

    /// How long clients may take to disconnect after the store is released.
    private static let patience = Duration.seconds(2)

    private let store: any StoreEngine
    private let path: SocketPath
    private let listener: UnixSocket
    private let onReleaseRequest: (@Sendable () async -> Bool)?
    private let logger: Logger
    private let state = Mutex(State())

    /// Listens for clients. They are served while ``run()`` runs.
    ///
    /// - Parameters:
    ///   - store: the store to serve. This process must hold the lock of its directory, because a socket that a former
    ///     owner has left is replaced.
    ///   - directory: the store's directory.
    ///   - onReleaseRequest: called when a client wants to own the store itself. True: this process releases the store
    ///     as soon as it can. With false, or without this, the client is told that the store is in use.
    ///   - logger: receives connections that end with an error.
    /// - Throws: ``ShardlineError`` `notAccessible` where no socket can be created in the directory.
    package init(
        store: any StoreEngine, at directory: String, onReleaseRequest: (@Sendable () async -> Bool)? = nil,
        logger: Logger = Logger(label: "shardline.owner")
    ) throws {
        self.store = store
        self.onReleaseRequest = onReleaseRequest
        self.logger = logger
        path = SocketPath(directory: directory)
        do {
            listener = try path.listen()
        } catch {
            throw ShardlineError(.notAccessible, "other processes can't reach this store: \(error)", cause: error)
        }
    }

    /// Serves clients until the task is cancelled or ``stop()`` is called.
    ///
    /// At its end it tells the clients that this process releases the store. Their reads end with `ownerGone`, every
    /// other call that has reached the owner is answered with its outcome, and a call that has not is certainly not
    /// done. Then the claims that clients hold are released, and the socket is removed.
    ///
    /// Close the store only after this has returned: until then calls that were received are still being answered.
    package func run() async throws {
        let accepting = WorkerThread(name: "owner-accept") { [self] in accept() }
        await withTaskCancellationHandler {
            await accepting.finished()
        } onCancel: {
            stop()
        }
        let connections = state.withLock { state in
            state.isStopped = true
            return Array(state.connections.values)
        }
        for connection in connections { connection.sayGoodbye() }
        let left = Monitor(false)
        async let hurrying: Void = BlockingThreads.shared.run {
            // A client that doesn't disconnect by itself is not waited for.
            if left.wait(atMost: Self.patience, until: { $0 ? true : nil }) == nil {
                for connection in connections { connection.stop() }
            }
        }
        for connection in connections { await connection.ended() }
        left.withLock { $0 = true }
        left.wakeAll()
        try? await hurrying
        path.remove()
    }

    /// Ends ``run()``. Further calls do nothing.
    package func stop() {
        state.withLock { $0.isStopped = true }
        listener.shutDown()
    }

    private func accept() {
        while !state.withLock({ $0.isStopped }) {
            do {
                guard let socket = try listener.accept() else { return }
                serve(socket)
            } catch {
                guard [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(error.code) else {
                    logger.error("other processes can't reach this store any more: \(error)")
                    return
                }
                // Only time frees descriptors; the client waits in the backlog meanwhile.
                usleep(50_000)
            }
        }
    }

    private func serve(_ socket: UnixSocket) {
        // A client that reads nothing for a minute is disconnected.
        socket.limitWaiting(receiving: nil, sending: .seconds(60))
        let connection = state.withLock { state -> OwnerConnection? in
            guard !state.isStopped, state.connections.count < Self.connectionLimit else { return nil }
            state.lastConnection += 1
            let id = state.lastConnection
            let connection = OwnerConnection(
                SocketChannel(socket), store: store, onReleaseRequest: onReleaseRequest, logger: logger
            ) { [weak self] in
                self?.state.withLock { _ = $0.connections.removeValue(forKey: id) }
            }
            state.connections[id] = connection
            return connection
        }
        guard let connection else {
            logger.warning("turned a client away: \(Self.connectionLimit) are connected, or the store is being closed")
            return
        }
        connection.start()
    }
}
