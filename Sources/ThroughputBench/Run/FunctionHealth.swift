import StreamModel
import Synchronization

/// How the user's function does, so that a run ends that can come to nothing.
///
/// A mapping tries for as long as it takes. A bench whose function does nothing but fail would measure pauses for hours.
final class FunctionHealth: Sendable {
    /// A run ends when for each shard that was sent anything so many invocations have failed one after the other, and
    /// nothing was done meanwhile. One bad record at the head of the largest batch takes this many: fourteen until it is
    /// alone, and its five retries.
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

    /// The run is to end: the function does nothing but fail, or does not answer.
    var isHopeless: Bool { state.withLock { $0.isHopeless } }
    /// Why the last invocation that failed did so.
    var failure: String? { state.withLock { $0.failure } }
    /// Invocations that have ended.
    var endedCount: Int { state.withLock { $0.ended } }

    /// An invocation begins; of one shard at one mapping's the first, or not.
    func begins(isNewShard: Bool) {
        state.withLock { state in
            state.running += 1
            if isNewShard { state.shards += 1 }
        }
    }

    /// An invocation has ended, and has done so many of its records.
    func ended(done: Int, failure: String?) {
        let isOver = state.withLock { state in
            state.running -= 1
            state.ended += 1
            // What fails from now on does so because the run ends.
            guard !state.isHopeless else { return false }
            if let failure { state.failure = failure }
            state.failedInARow = done > 0 ? 0 : state.failedInARow + 1
            guard state.failedInARow >= Self.allowedFailures * state.shards else { return false }
            state.isHopeless = true
            return true
        }
        if isOver { giveUp.finish() }
    }

    /// Nothing has happened for `patience`: where an invocation is running, it is the function that does not answer.
    func nothingHappens(for patience: Duration) {
        state.withLock { state in
            guard state.running > 0 else { return }
            state.failure = "no answer for \(patience.optionText)"
            state.isHopeless = true
        }
    }

    /// Returns when the function is found to do nothing but fail, or the task is cancelled.
    func waitUntilHopeless() async { for await _ in hopeless {} }
}
