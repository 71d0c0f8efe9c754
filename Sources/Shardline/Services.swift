import EventSource
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
