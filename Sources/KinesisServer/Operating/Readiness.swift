#if Server
import StreamModel
import StreamStorage
import Synchronization

/// Whether the server should be sent requests.
final class Readiness: Sendable {
    private struct State {
        var failure: ShardlineError?
        var isEnding = false
    }

    private let state = Mutex(State())

    func fail(_ failure: ShardlineError) { state.withLock { $0.failure = failure } }

    func beginShutdown() { state.withLock { $0.isEnding = true } }

    /// Why not; nil where it should.
    func reason() async -> String? {
        state.withLock { state in
            if let failure = state.failure { return "the store has failed: \(failure.message)" }
            return state.isEnding ? "the server is shutting down" : nil
        }
    }
}
#endif
