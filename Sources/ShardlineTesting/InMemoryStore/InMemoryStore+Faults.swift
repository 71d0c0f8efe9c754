public import StreamModel
public import StreamStorage
import Synchronization

extension InMemoryStore {
    /// Lets the next commit that nothing is queued for be answered so; more calls queue up.
    public func answerNextCommit(with fault: CommitFault) {
        state.withLock { $0.commitFaults.append(fault) }
    }

    /// Asks `decide` for every commit that nothing is queued for how to answer it; nil answers the truth.
    public func answerCommits(with decide: (@Sendable ([Change]) -> CommitFault?)?) {
        state.withLock { $0.commitFault = decide }
    }

    /// Lets the next read throw `error`, one that waits included; more calls queue up.
    public func failNextRead(with error: ShardlineError) {
        let waiters = state.withLock { state in
            state.readFaults.append(error)
            return state.takeWaiters()
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Asks `decide` with what error a position in a shard can't be found; nil answers the truth.
    public func failPositions(_ decide: (@Sendable (ShardID) -> ShardlineError?)?) {
        state.withLock { $0.positionFault = decide }
    }

    /// Lets the store fail as after a failed sync: every commit from now on throws `error`, reading goes on.
    public func fail(with error: ShardlineError) { signal.send(error) }

    /// As `StreamStore/failed()`: after ``fail(with:)``.
    public func waitForFailure() async throws -> ShardlineError { try await signal.wait() }

    /// Declares records damaged and given up: a reader that comes there is told the gap in `ReadResult/lost`.
    public func loseRecords(_ range: ClosedRange<SequenceNumber>, in stream: String, shard: ShardID) throws {
        try state.withLock { state in
            let place = try state.catalogue.stream(stream).place(of: shard)
            state.logs[place, default: MemoryLog()].lose(range)
        }
    }

    /// How many commits were asked for, answered or not.
    public var commitCount: Int { state.withLock { $0.commitCount } }

    /// What is parked of a mapping in one shard, by partition key.
    public func parkedKeys(of mapping: MappingID, shard: ShardID) throws -> [UTF8Key: [UInt8]] {
        try state.withLock { try $0.catalogue.mapping(mapping).parked[shard] ?? [:] }
    }

    /// How many reads wait at the tip of a shard.
    public func waitingReads(of stream: String, shard: ShardID) throws -> Int {
        try state.withLock { state in
            let place = try state.catalogue.stream(stream).place(of: shard)
            return state.logs[place]?.waiters.count ?? 0
        }
    }
}
