import EventSource
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
    /// Waits until the service group shuts down, and closes the store. Throws `storeFailed` where the store takes nothing
    /// more until it is opened anew, which ends the group.
    ///
    /// Name the store before the mappings and producers that use it: a group shuts down in reverse, so they end first.
    public func run() async throws {
        do {
            try await withThrowingTaskGroup(of: ShardlineError?.self) { group in
                group.addTask {
                    try await gracefulShutdown()
                    return nil
                }
                group.addTask { try await self.failed() }
                defer { group.cancelAll() }
                if let failure = try await group.next() ?? nil { throw failure }
            }
        } catch {
            try await close()
            throw error
        }
        try await close()
    }
}
