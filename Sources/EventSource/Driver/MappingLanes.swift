import StreamModel
import StreamStorage

/// Which shards of a mapping run, are done, or wait for their parents (ESM-H1 to ESM-H5).
struct MappingLanes {
    /// A shard that can be driven now.
    struct Start: Sendable {
        let shard: ShardDescription
        let beginning: LaneCore.InitialState
        let goal: ShardDriver.Goal?
        /// Where the lane's state and counts are shown.
        let board: MappingStatusRegistry.Shard
    }

    private let session: MappingSession
    private let checkpoints: [ShardID: ShardCheckpoint]
    private let goals: [ShardID: ShardDriver.Goal]?
    private let resumed: Bool
    private var started: Set<ShardID> = []
    private var done: Set<ShardID> = []
    /// How many lanes run.
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

    /// The shards that can be driven now and aren't yet: those whose parents are done.
    mutating func ready() async throws -> [Start] {
        var shards = try await session.store.describeStream(session.key.stream).shards
        // Those that have left the list since are there too: what was not done of them has to be told (ESM-G4).
        let open = Set(shards.map(\.id))
        let expired = try await session.store.describeMapping(session.key).expiredShards.filter {
            !open.contains($0.id)
        }
        shards += expired
        let listed = open.union(expired.map(\.id))
        var starts: [Start] = []
        for shard in shards where !started.contains(shard.id) && !done.contains(shard.id) {
            // A parent that retention has removed was done, or expired: a child waits for it no longer.
            guard shard.parents.allSatisfy({ done.contains($0) || !listed.contains($0) }) else { continue }
            guard let start = try await start(of: shard, isExpired: !open.contains(shard.id)) else { continue }
            starts.append(start)
        }
        // Counted when all are known: one that nobody starts would be waited for.
        started.formUnion(starts.map(\.shard.id))
        running += starts.count
        return starts
    }

    /// - Parameter isExpired: whether the shard is listed no longer.
    private func start(of shard: ShardDescription, isExpired: Bool) async throws -> Start? {
        let position: SequenceNumber
        if let checkpoint = checkpoints[shard.id] {
            position = checkpoint.position
        } else {
            // A shard that came after the mapping is read from its first record (ESM-H3), and told of those that are
            // gone (ESM-G4).
            do {
                position = try await session.store.position(
                    of: .afterSequenceNumber(shard.origin), in: session.key.stream, shard: shard.id)
            } catch let error as ShardlineError where error.code == .shardNotFound {
                position = shard.origin
            }
        }
        var goal: ShardDriver.Goal?
        if let goals {
            // Shards that came later are not in the goal.
            guard let known = goals[shard.id] ?? (isExpired ? .shardEnd : nil) else { return nil }
            if case .position(let tip) = known, position >= tip { return nil }
            goal = known
        }
        let note = checkpoints[shard.id]?.attempts
        let board = session.board.began(
            shard.id, at: position, tip: shard.tip, sentBefore: note?.last ?? .zero)
        // How the process before ended is not known, so it is taken for unclean wherever there was one (ESM-A9).
        let beginning = LaneCore.InitialState(position: position, note: note, notesAttempts: resumed)
        return Start(shard: shard, beginning: beginning, goal: goal, board: board)
    }

    mutating func ended(_ shard: ShardID, _ end: LaneEnd) {
        running -= 1
        if case .shardEnd = end { done.insert(shard) }
    }
}
