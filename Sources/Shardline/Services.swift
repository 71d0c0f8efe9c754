import EventSource
import Logging
import OwnerSocket
import SegmentStorage
import ServiceLifecycle
import StreamModel
import StreamStorage

extension EventSourceMapping: Service {
    /// Delivers records until the service group shuts down gracefully, the task is cancelled, or
    /// ``triggerGracefulShutdown(grace:)`` is called.
    ///
    /// A graceful shutdown waits for running invocations, at most ``Configuration/shutdownGrace``, and checkpoints
    /// them. Throws the errors of ``run(until:)``.
    public func run() async throws {
        try await withGracefulShutdownHandler {
            try await self.run(until: .stopped)
        } onGracefulShutdown: {
            self.triggerGracefulShutdown()
        }
    }
}

extension Producer: Service {
    /// Sends what is enqueued until the service group shuts down gracefully; then writes everything that was accepted
    /// before, and returns. What is enqueued later throws `closed`.
    ///
    /// List the producer after the store and before the services that use it: a group shuts down in reverse order, so
    /// they end first. Throws the errors of ``runUntilFinished()``.
    public func run() async throws {
        try await withGracefulShutdownHandler {
            try await self.runUntilFinished()
        } onGracefulShutdown: {
            self.finish()
        }
    }
}

extension SegmentStore: Service {
    /// Waits until the service group shuts down, and closes the store. Meanwhile the same user can use the command
    /// `shardline` on the store: `mapping describe`, `tail`, `put`, `backup` and others go through a socket in the
    /// store's directory, which only its owner can use. Throws `storeFailed` if the store has failed and accepts no
    /// more writes until it is opened again, which ends the group.
    ///
    /// List the store before the mappings and producers that use it: a group shuts down in reverse order, so they end
    /// first.
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

    /// The server for other processes. The store works without it, so a failure is only logged.
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
