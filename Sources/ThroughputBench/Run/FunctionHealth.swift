import StreamModel
import Synchronization

/// The health of the user's function, so that a run ends that can't succeed.
///
/// A mapping retries for as long as it takes. A bench whose function always fails would measure pauses for hours. All
/// calls may be made on any thread.
final class FunctionHealth: Sendable {
    /// A run ends when this many invocations for each shard with invocations have failed one after the other, and no
    /// record was done meanwhile. One bad record at the head of the largest batch takes this many: fourteen until it is
    /// isolated, and its five retries.
    static let allowedFailures = 20

    private struct State {
        var shards = 0
        var running = 0
        var ended = 0
        var failedInARow = 0
        var failure: String?
        var isHopeless = false
    }

    private let state = Mutex(State())
    private let hopeless: AsyncStream<Void>
    private let giveUp: AsyncStream<Void>.Continuation

    init() { (hopeless, giveUp) = AsyncStream.makeStream(of: Void.self) }

    /// Whether the run must end: the function always fails, or does not answer.
    var isHopeless: Bool { state.withLock { $0.isHopeless } }
    /// Why the last failed invocation failed.
    var failure: String? { state.withLock { $0.failure } }
    /// Invocations that have ended.
    var endedCount: Int { state.withLock { $0.ended } }

    /// Counts an invocation that begins; `isNewShard`: the first one of one shard at one mapping.
    func begins(isNewShard: Bool) {
        state.withLock { state in
            state.running += 1
            if isNewShard { state.shards += 1 }
        }
    }

    /// Counts an invocation that has ended and has done the given number of records.
    func ended(done: Int, failure: String?) {
        let isOver = state.withLock { state in
            state.running -= 1
            state.ended += 1
            // Later failures are a consequence of the run's end.
            guard !state.isHopeless else { return false }
            if let failure { state.failure = failure }
            state.failedInARow = done > 0 ? 0 : state.failedInARow + 1
            guard state.failedInARow >= Self.allowedFailures * state.shards else { return false }
            state.isHopeless = true
            return true
        }
        if isOver { giveUp.finish() }
    }

    /// Call it when nothing has happened for `patience`: if an invocation is running, the function does not answer.
    func nothingHappens(for patience: Duration) {
        state.withLock { state in
            guard state.running > 0 else { return }
            state.failure = "no answer for \(patience.optionText)"
            state.isHopeless = true
        }
    }

    /// Returns when the function is found to always fail or not to answer, or the task is cancelled.
    func waitUntilHopeless() async { for await _ in hopeless {} }
}
