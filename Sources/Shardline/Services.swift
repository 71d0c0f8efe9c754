import EventSource
import SegmentStorage
import ServiceLifecycle

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
    /// Waits until the service group shuts down, and closes the store.
    ///
    /// Name the store before the mappings and producers that use it: a group shuts down in reverse, so they end first.
    public func run() async throws {
        do {
            try await gracefulShutdown()
        } catch {
            try await close()
            throw error
        }
        try await close()
    }
}
