import StreamModel
import StreamStorage

/// The shards of a mapping that run, are done, or wait for their parents (ESM-H1 to ESM-H5).
struct MappingLanes {
    /// A shard that can be driven now.
    struct Start: Sendable {
        let shard: ShardDescription
        let beginning: LaneCore.InitialState
        let goal: ShardDriver.Goal?
        /// Publishes the lane's state and counters.
        let board: MappingStatusRegistry.Shard
    }

    private let session: MappingSession
    private let checkpoints: [ShardID: ShardCheckpoint]
    private let goals: [ShardID: ShardDriver.Goal]?
    private let resumed: Bool
    private var started: Set<ShardID> = []
    private var done: Set<ShardID> = []
    /// The number of running lanes.
    private(set) var running = 0

    init(
        session: MappingSession, claimed: MappingDescription, goals: [ShardID: ShardDriver.Goal]?, resumed: Bool
    ) {
        self.session = session
        self.goals = goals
        self.resumed = resumed
        checkpoints = Dictionary(claimed.checkpoints.map { ($0.shard, $0) }) { first, _ in first }
        for checkpoint in claimed.checkpoints where checkpoint.isShardEnd { done.insert(checkpoint.shard) }
    }

    /// The shards that can be started now: not started yet, and their parents are done.
    mutating func ready() async throws -> [Start] {
        var shards = try await session.store.describeStream(session.key.stream).shards
        // Expired shards that are no longer listed are included: their undone records have to be given up (ESM-G4).
        let open = Set(shards.map(\.id))
        let expired = try await session.store.describeMapping(session.key).expiredShards.filter {
            !open.contains($0.id)
        }
        shards += expired
        let listed = open.union(expired.map(\.id))
        var starts: [Start] = []
        for shard in shards where !started.contains(shard.id) && !done.contains(shard.id) {
            // A parent that retention has removed was done or has expired: its children don't wait for it.
            guard shard.parents.allSatisfy({ done.contains($0) || !listed.contains($0) }) else { continue }
            guard let start = try await start(of: shard, isExpired: !open.contains(shard.id)) else { continue }
            starts.append(start)
        }
        // Counted after all calls that can throw: a lane that is counted and never started would be waited for.
        started.formUnion(starts.map(\.shard.id))
        running += starts.count
        return starts
    }

    /// - Parameter isExpired: whether retention has removed the shard from the list.
    private func start(of shard: ShardDescription, isExpired: Bool) async throws -> Start? {
        let position: SequenceNumber
        if let checkpoint = checkpoints[shard.id] {
            position = checkpoint.position
        } else {
            // A shard that is newer than the mapping is read from its first record (ESM-H3), and its expired records
            // are given up (ESM-G4).
            do {
                position = try await session.store.position(
                    of: .afterSequenceNumber(shard.origin), in: session.key.stream, shard: shard.id)
            } catch let error as ShardlineError where error.code == .shardNotFound {
                position = shard.origin
            }
        }
        var goal: ShardDriver.Goal?
        if let goals {
            // Newer shards are not part of the goal.
            guard let known = goals[shard.id] ?? (isExpired ? .shardEnd : nil) else { return nil }
            if case .position(let tip) = known, position >= tip { return nil }
            goal = known
        }
        let note = checkpoints[shard.id]?.attempts
        let board = session.board.began(
            shard.id, at: position, tip: shard.tip, sentBefore: note?.last ?? .zero)
        // How the previous process ended is unknown. A resumed mapping assumes an unclean end (ESM-A9).
        let beginning = LaneCore.InitialState(position: position, note: note, notesAttempts: resumed)
        return Start(shard: shard, beginning: beginning, goal: goal, board: board)
    }

    mutating func ended(_ shard: ShardID, _ end: LaneEnd) {
        running -= 1
        if case .shardEnd = end { done.insert(shard) }
    }
}
