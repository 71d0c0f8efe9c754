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

    private let store: any StreamStore
    private let state = Mutex(State())

    init(store: any StreamStore) { self.store = store }

    func fail(_ failure: ShardlineError) { state.withLock { $0.failure = failure } }

    func beginShutdown() { state.withLock { $0.isEnding = true } }

    /// Why not; nil where it should.
    func reason() async -> String? {
        let (failure, isEnding) = state.withLock { ($0.failure, $0.isEnding) }
        if let failure { return "the store has failed: \(failure.message)" }
        if isEnding { return "the server is shutting down" }
        return await store.writeRefusal().map { "the store takes no records: \($0.message)" }
    }
}
#endif
