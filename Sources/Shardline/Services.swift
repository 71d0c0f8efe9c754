import EventSource
import Logging
import OwnerSocket
import SegmentStorage
import ServiceLifecycle
import StreamModel

extension EventSourceMapping: Service {
    /// Delivers records until the service group shuts down gracefully, the task is cancelled, or
    /// ``triggerGracefulShutdown(grace:)`` is called.
    ///
    /// A graceful shutdown waits for running invocations up to ``Configuration/shutdownGrace``, and checkpoints them.
    /// Throws as ``run(until:)``.
    public func run() async throws {
        try await withGracefulShutdownHandler {
            try await self.run(until: .stopped)
        } onGracefulShutdown: {
            self.triggerGracefulShutdown()
        }
    }
}

extension SegmentStore: Service {
    /// Waits until the service group shuts down, and closes the store. Meanwhile the command `shardline` of the same user
    /// works on the store from a terminal: `mapping describe`, `tail`, `put`, `backup` and others go through a socket in
    /// the store's directory that is its owner's alone. Throws `storeFailed` where the store takes nothing
    /// more until it is opened anew, which ends the group.
    ///
    /// Name the store before the mappings and producers that use it: a group shuts down in reverse, so they end first.
    public func run() async throws {
        let server = ownerSocketServer()
        async let served: Void? = server?.serveUntilStopped()
        do {
            try await withThrowingTaskGroup(of: ShardlineError?.self) { group in
                group.addTask {
                    try await gracefulShutdown()
                    return nil
                }
                group.addTask { try await self.waitForFailure() }
                defer { group.cancelAll() }
                if let failure = try await group.next() ?? nil { throw failure }
            }
        } catch {
            server?.stop()
            _ = await served
            try await close()
            throw error
        }
        server?.stop()
        _ = await served
        try await close()
    }

    /// What other processes reach the store by. Without it the store works all the same, so nothing ends for it.
    private func ownerSocketServer() -> OwnerSocketServer? {
        do {
            return try OwnerSocketServer(store: self, at: directory)
        } catch {
            Logger(label: "shardline.owner").warning("\(error)")
            return nil
        }
    }
}

extension OwnerSocketServer {
    fileprivate func serveUntilStopped() async {
        do {
            try await run()
        } catch {
            Logger(label: "shardline.owner").error("other processes can't reach this store: \(error)")
        }
    }
}
