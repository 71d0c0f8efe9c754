import StreamModel
import StreamStorage

/// The shards of a mapping that run, are done, or wait for their parents (ESM-H1 to ESM-H5).
struct MappingLanes {
    /// A shard that can be driven now.
    struct Start: Sendable {
        let shard: ShardDescription
        let beginning: ShardCore.InitialState
        let goal: ShardDriver.Goal?
        /// What operators have asked of parked keys, and is not durable yet.
        let requests: [MappingRequest.Numbered]
        /// Publishes the lane's state and counters.
        let board: MappingStatusRegistry.Shard
    }

    private let session: MappingSession
    private let checkpoints: [ShardID: ShardCheckpoint]
    private let goals: [ShardID: ShardDriver.Goal]?
    private let resumed: Bool
    /// The shards that the store has listed, and those that it no longer lists but this mapping has not done.
    private var known: [ShardID: Known] = [:]
    /// The known shards by their parents.
    private var children: [ShardID: [ShardID]] = [:]
    private var started: Set<ShardID> = []
    private var done: Set<ShardID> = []
    /// The number of running lanes.
    private(set) var running = 0
    /// The keys that are parked in shards that have not been started, by shard.
    private var parked: [ShardID: [ParkedKey]] = [:]
    /// Operators' requests that are not durable yet.
    var requests: [MappingRequest.Numbered] = []

    private struct Known {
        var shard: ShardDescription
        /// Whether retention has removed the shard from the list.
        var isExpired: Bool
    }

    init(
        session: MappingSession, claimed: MappingDescription, goals: [ShardID: ShardDriver.Goal]?, resumed: Bool
    ) {
        self.session = session
        self.goals = goals
        self.resumed = resumed
        checkpoints = Dictionary(claimed.checkpoints.map { ($0.shard, $0) }) { first, _ in first }
        for checkpoint in claimed.checkpoints where checkpoint.isShardEnd { done.insert(checkpoint.shard) }
    }

    /// The shards that can be started at the beginning of a session.
    mutating func first() async throws -> [Start] {
        try await look()
        try await lookForParkedKeys()
        return try begin(known.keys.sorted())
    }

    /// Reads which keys are parked: at the beginning, and after the end of shards that have handed some to their children.
    private mutating func lookForParkedKeys() async throws {
        let stream = ParkingStream(mapping: session.key, store: session.store, logger: session.logger)
        parked = Dictionary(grouping: try await stream.keys(), by: \.shard)
    }

    /// The shards that can be started now that these have come to their ends.
    ///
    /// The store is asked only where a shard was still open when it was last asked: a shard is closed and its children
    /// are opened by one commit. So a thousand children, and the generations after them, cost two calls.
    mutating func ready(after ended: [ShardID]) async throws -> [Start] {
        // Keys may have been parked by hand, or before the settings were changed.
        try await lookForParkedKeys()
        if ended.contains(where: { known[$0]?.shard.closedAt == nil }) {
            try await look()
            return try begin(known.keys.sorted())
        }
        return try begin(Set(ended.flatMap { children[$0] ?? [] }).sorted())
    }

    /// Asks the store for the stream's shards.
    private mutating func look() async throws {
        let listed = try await session.store.describeStream(session.key.stream).shards
        // Expired shards that are no longer listed are included: their undone records have to be given up (ESM-G4).
        let expired = try await session.store.describeMapping(session.key).expiredShards
        // A parent that retention has removed was done or has expired: its children don't wait for it.
        known = known.filter { started.contains($0.key) && !done.contains($0.key) }
        for shard in expired { known[shard.id] = Known(shard: shard, isExpired: true) }
        for shard in listed { known[shard.id] = Known(shard: shard, isExpired: false) }
        children = [:]
        for shard in known.keys.sorted() {
            for parent in known[shard]?.shard.parents ?? [] { children[parent, default: []].append(shard) }
        }
    }

    /// Those of `candidates` that can be started: not started yet, and their parents are done (ESM-H2).
    private mutating func begin(_ candidates: [ShardID]) throws -> [Start] {
        var starts: [Start] = []
        for id in candidates where !started.contains(id) && !done.contains(id) {
            guard let shard = known[id], shard.shard.parents.allSatisfy({ done.contains($0) || known[$0] == nil }),
                let start = try start(of: shard)
            else { continue }
            starts.append(start)
            started.insert(id)
        }
        running += starts.count
        return starts
    }

    private func start(of known: Known) throws -> Start? {
        let shard = known.shard
        // A shard that is newer than the mapping is read from its first record (ESM-H3), and its expired records are
        // given up (ESM-G4).
        let progress =
            try checkpoints[shard.id].map { try ShardProgress($0) } ?? ShardProgress(position: shard.origin)
        var goal: ShardDriver.Goal?
        if let goals {
            // Newer shards are not part of the goal.
            guard let known = goals[shard.id] ?? (known.isExpired ? .shardEnd : nil) else { return nil }
            // A shard that is caught up has still to do what was asked of its parked keys.
            let hasParked = !requests.isEmpty || parked[shard.id]?.contains { $0.state == .releasing } == true
            if case .position(let tip) = known, progress.position >= tip, !hasParked { return nil }
            goal = known
        }
        let board = session.board.began(
            shard.id, at: progress, tip: shard.tip, lanes: session.settings.value.lanes.parallelizationFactor)
        // How the previous process ended is unknown. A resumed mapping assumes an unclean end (ESM-A9).
        let beginning = ShardCore.InitialState(
            progress, notesAttempts: resumed, shard: shard.id, parkedKeys: parked[shard.id] ?? [])
        return Start(shard: shard, beginning: beginning, goal: goal, requests: requests, board: board)
    }

    mutating func ended(_ shard: ShardID, _ end: LaneEnd) {
        running -= 1
        if case .shardEnd = end { done.insert(shard) }
    }
}
