public import StreamModel

/// What a split, a merge or a change of the shard count has done.
public struct ReshardingResult: Hashable, Sendable {
    /// The shards that were open and are closed now, by number. They are read to their end before their children.
    public var closed: [ShardID]
    /// The shards that were opened, in the order of their hash keys.
    public var opened: [ShardID]
    /// How many shards were opened and closed at once, on the way to fewer shards: they hold no record.
    public var passing: Int
    /// The stream afterwards. It shows also what other calls have changed meanwhile.
    public var stream: StreamDescription

    /// A result with these facts.
    public init(closed: [ShardID], opened: [ShardID], passing: Int, stream: StreamDescription) {
        self.closed = closed
        self.opened = opened
        self.passing = passing
        self.stream = stream
    }
}

// Splits and merges happen while producers put and mappings run. No put fails: a record on its way to a shard that is
// closed goes to the child that owns its hash key. Readers and mappings come to the end of a shard before its children,
// so the records of a partition key keep their order. Each call is one commit, done whole or not at all.
extension RecordStream {
    /// How often a call begins again because another call has split or merged shards meanwhile.
    private static let attempts = 16

    /// Splits an open shard into two, which share its hash keys (API-R-1). Returns when the split is durable.
    ///
    /// - Parameters:
    ///   - shard: the shard to split.
    ///   - key: the first hash key of the second child: from the shard's first hash key + 2 to its last − 1. Default: the
    ///     middle.
    /// - Throws: `shardNotFound`; `shardClosed`, which names the children, if it was split or merged before;
    ///   `invalidArgument` for a key that is not allowed, and for more than 10,000 shards, closed ones included;
    ///   `shardsChanged`, `streamNotFound`, `outcomeUnknown`, `diskFull`, `storeFailed`, `ownerGone`, `closed`.
    @discardableResult
    public func splitShard(_ shard: ShardID, at key: HashKey? = nil) async throws -> ReshardingResult {
        try await reshard { try ReshardingPlan(splitting: shard, at: key, of: $0) }
    }

    /// Merges two open shards whose hash keys are neighbours into one (API-R-2). Returns when the merge is durable.
    ///
    /// - Parameters:
    ///   - shard: a shard to merge.
    ///   - other: its neighbour, below or above.
    /// - Throws: `shardNotFound`; `shardClosed`, which names the children, if one was split or merged before;
    ///   `invalidArgument` if they are no neighbours, and for more than 10,000 shards, closed ones included;
    ///   `shardsChanged`, `streamNotFound`, `outcomeUnknown`, `diskFull`, `storeFailed`, `ownerGone`, `closed`.
    @discardableResult
    public func mergeShards(_ shard: ShardID, _ other: ShardID) async throws -> ReshardingResult {
        try await reshard { try ReshardingPlan(merging: shard, other, of: $0) }
    }

    /// Divides the stream's hash keys evenly among `count` shards, as Kinesis' uniform scaling does (API-R-6): afterwards
    /// the open shards have the ranges of a stream that is created with `count` shards. Returns when that is durable.
    ///
    /// Shards that have such a range already stay as they are, so the same count again changes nothing. Kinesis allows at
    /// most twice and at least half as many shards, and 10 calls a day; neither is limited here. A shard has at most two
    /// parents, so fewer shards may take several generations, whose shards in between stay empty.
    ///
    /// Closed shards, those in between included, count against the limit of 10,000 until retention removes them
    /// (API-R-4).
    ///
    /// - Parameter count: 1 to 10,000.
    /// - Throws: `invalidArgument` for another count, and where there would be more than 10,000 shards, closed ones
    ///   included; `shardsChanged`, `streamNotFound`, `outcomeUnknown`, `diskFull`, `storeFailed`, `ownerGone`, `closed`.
    @discardableResult
    public func updateShardCount(to count: Int) async throws -> ReshardingResult {
        try await reshard { try ReshardingPlan(scaling: $0, to: count) }
    }

    /// Plans and commits; plans again where the shards changed in between.
    private func reshard(_ plan: (StreamDescription) throws -> ReshardingPlan) async throws -> ReshardingResult {
        for _ in 0..<Self.attempts {
            let before = try await describe()
            let plan = try plan(before)
            if let opened = try await commit(plan, madeOf: before) {
                return ReshardingResult(
                    closed: plan.closed, opened: opened, passing: plan.passing, stream: try await describe())
            }
        }
        throw ShardlineError(
            .shardsChanged,
            "other calls split or merged shards of '\(name)' at each of \(Self.attempts) attempts; nothing was done, try again"
        )
    }

    /// The shards that were opened; nil where the shards are not those of `before` any more, and nothing was done.
    private func commit(_ plan: ReshardingPlan, madeOf before: StreamDescription) async throws -> [ShardID]? {
        guard !plan.seals.isEmpty else { return [] }
        let outcome: CommitOutcome
        do {
            outcome = try await engine.commit(plan.seals.map(Change.seal))
        } catch let error as ShardlineError where [.invalidArgument, .shardNotFound].contains(error.code) {
            // A seal that was right for `before` is refused where another call was first.
            guard try await describe().hasOtherShards(than: before) else { throw error }
            return nil
        }
        switch outcome {
        case .committed(let receipts): return plan.opened(by: receipts)
        case .sealed, .conflict: return nil
        case .unknown(let cause):
            throw ShardlineError(
                .outcomeUnknown,
                "whether the shards of '\(name)' were split or merged is not known; look at them before trying again",
                cause: cause)
        }
    }
}

extension StreamDescription {
    /// The shards that are open, by number.
    public var openShards: [ShardDescription] { shards.filter { $0.closedAt == nil } }

    fileprivate func hasOtherShards(than other: StreamDescription) -> Bool {
        id != other.id || openShards.map(\.id) != other.openShards.map(\.id)
    }
}
