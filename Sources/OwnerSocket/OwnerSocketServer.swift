import DiskAccess
import Glibc
import Logging
import StreamModel
import StreamStorage
import Synchronization

/// Lets other processes use a store that this process owns, through a local socket in the store's directory.
///
/// The socket is `owner.sock` with the rights 0600: who may use the store's files may connect, nobody else. Every call
/// of ``StreamStore`` goes through it; ``OwnerClient`` is the other end.
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

    /// More clients than this at a time are turned away.
    private static let connectionLimit = 256

    /// How long clients may take to leave when the store is given up.
    private static let patience = Duration.seconds(2)

    private let store: any StreamStore
    private let path: SocketPath
    private let listener: UnixSocket
    private let onReleaseRequest: (@Sendable () async -> Bool)?
    private let logger: Logger
    private let state = Mutex(State())

    /// Listens for clients; they are served while ``run()`` runs.
    ///
    /// - Parameters:
    ///   - store: what is served. Its directory's lock must be this process': a socket that a former owner has left is
    ///     replaced.
    ///   - directory: the store's directory.
    ///   - onReleaseRequest: asked when a client wants to own the store itself. True: this process gives it up as soon
    ///     as it can. Without this, or with false, the client is told that the store is taken.
    ///   - logger: told of connections that end with an error.
    /// - Throws: ``ShardlineError`` `notAccessible` where no socket can be made in the directory.
    package init(
        store: any StreamStore, at directory: String, onReleaseRequest: (@Sendable () async -> Bool)? = nil,
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
    /// Then clients are told that the store is given up: their reads end with `ownerGone`, everything else that has
    /// reached the owner is answered with its outcome, and what has not is surely not done. Claims that clients hold are
    /// released, and the socket is removed. Close the store after this has returned.
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
            // A client that doesn't leave by itself is not waited for.
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

    /// Ends ``run()``. More calls do nothing.
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
                // Nothing but time brings descriptors back; the client waits in the backlog.
                usleep(50_000)
            }
        }
    }

    private func serve(_ socket: UnixSocket) {
        // A client that reads nothing for a minute is given up.
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
