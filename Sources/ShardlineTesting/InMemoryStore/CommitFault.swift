public import StreamModel

/// A fault that an ``InMemoryStore`` injects into a commit, so that code above a store can be tested with the answers
/// of an engine across a network.
public enum CommitFault: Sendable {
    /// Nothing is written; the answer is `conflict`, with the last number of the shard that the first append names.
    case conflict
    /// The answer is `unknown`; `written` says whether the commit is written.
    case unknown(written: Bool)
    /// The commit is written at once; its answer is delayed by this duration of the store's time source.
    case late(by: Duration)
    /// Nothing is written; the call throws this.
    case failure(ShardlineError)
}
