import DiskAccess
public import StreamModel
public import StreamStorage
import Synchronization

extension InMemoryStore {
    /// Queues a fault for a commit. Each commit takes the first queued fault.
    public func answerNextCommit(with fault: CommitFault) {
        state.withLock { $0.commitFaults.append(fault) }
    }

    /// Sets a closure that chooses the fault of every commit without a queued fault; nil commits normally. `decide` is
    /// called under the store's lock and must not call the store.
    public func answerCommits(with decide: (@Sendable ([Change]) -> CommitFault?)?) {
        state.withLock { $0.commitFault = decide }
    }

    /// Queues an error for a read, which a waiting read throws at once. Each read takes the first queued error.
    public func failNextRead(with error: ShardlineError) {
        state.withLock { state in
            state.readFaults.append(error)
            state.wakeReads()
        }
    }

    /// Sets a closure that chooses the error of finding a position in a shard; nil finds it normally. `decide` is
    /// called under the store's lock and must not call the store.
    public func failPositions(_ decide: (@Sendable (ShardID) -> ShardlineError?)?) {
        state.withLock { $0.positionFault = decide }
    }

    /// Fails the store as a failed sync does: every later commit throws `error`; reads go on.
    public func fail(with error: ShardlineError) { signal.send(error) }

    /// As `StoreEngine/waitForFailure()`: returns after ``fail(with:)``.
    public func waitForFailure() async throws -> ShardlineError { try await signal.wait() }

    /// As `StreamStore/writeRefusal()`: the error of ``fail(with:)``.
    public func writeRefusal() async -> ShardlineError? { signal.value }

    /// Declares a lost range: a reader that reaches it gets the range in `ReadResult/lost`.
    public func loseRecords(_ range: ClosedRange<SequenceNumber>, in stream: String, shard: ShardID) throws {
        try state.withLock { state in
            let place = try state.catalogue.stream(stream).place(of: shard)
            state.logs[place, default: MemoryLog()].lose(range)
        }
    }

    /// The number of commits that the open store was asked for, including those with a fault.
    public var commitCount: Int { state.withLock { $0.commitCount } }

    /// The number of reads that wait at the tip of a shard.
    public func waitingReads(of stream: String, shard: ShardID) throws -> Int {
        try state.withLock { state in
            let place = try state.catalogue.stream(stream).place(of: shard)
            return state.logs[place]?.waiters.count ?? 0
        }
    }
}
