public import StreamModel

/// What an ``InMemoryStore`` is told to answer in place of the plain truth, so that what stands above a store is tested
/// against the answers that an engine across a network gives.
public enum CommitFault: Sendable {
    /// Nothing is written; the answer is `conflict`, with the last number of the shard that the first append names.
    case conflict
    /// The answer is `unknown`, whether or not the commit `written` is.
    case unknown(written: Bool)
    /// The commit is written at once; its answer comes this much later by the store's time source.
    case late(by: Duration)
    /// Nothing is written; the call throws this.
    case failure(ShardlineError)
}
