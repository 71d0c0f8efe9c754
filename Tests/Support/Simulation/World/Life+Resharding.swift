import SegmentStorage
import StreamModel
import StreamStorage

extension Life {
    /// The most open shards that single splits lead to.
    private static let mostByOne = 6

    func split(_ seed: UInt64) async {
        await reshard { stream in
            let open = stream.openShards
            guard open.count < Self.mostByOne else { return nil }
            let shard = open[Int(seed % UInt64(open.count))]
            let (first, last) = (shard.hashKeyRange.first.value, shard.hashKeyRange.last.value)
            guard last - first > 4 else { return nil }
            return try ReshardingPlan(splitting: shard.id, at: nil, of: stream)
        } change: { [store] plan in
            try await store.stream(World.stream).splitShard(plan.closed[0])
        }
    }

    func merge(_ seed: UInt64) async {
        await reshard { stream in
            let open = stream.openShards.sorted { $0.hashKeyRange.first < $1.hashKeyRange.first }
            guard open.count > 1 else { return nil }
            let index = Int(seed % UInt64(open.count - 1))
            return try ReshardingPlan(merging: open[index].id, open[index + 1].id, of: stream)
        } change: { [store] plan in
            try await store.stream(World.stream).mergeShards(plan.closed[0], plan.closed[1])
        }
    }

    func scale(to count: Int) async {
        await reshard { stream in
            try ReshardingPlan(scaling: stream, to: count)
        } change: { [store] _ in
            try await store.stream(World.stream).updateShardCount(to: count)
        }
    }

    /// Nobody else changes the shards, so what comes of it is known beforehand.
    private func reshard(
        _ plan: (StreamDescription) throws -> ReshardingPlan?,
        change: (ReshardingPlan) async throws -> ReshardingResult
    ) async {
        do {
            let before = try await store.describeStream(World.stream)
            guard let plan = try plan(before) else { return }
            world.tell { $0.willReshard(to: plan.opened.map(\.range) + before.kept(by: plan)) }
            let result = try await change(plan)
            world.tell { judge in
                judge.hasResharded()
                judge.sawOpenShards(result.stream.openShards.map(\.hashKeyRange))
            }
        } catch {
            if !isInDoubt(error) { world.tell { $0.hasNotResharded() } }
            failed(error, "splitting or merging shards")
        }
    }
}

extension StreamDescription {
    /// The ranges of the open shards that a plan leaves as they are.
    fileprivate func kept(by plan: ReshardingPlan) -> [HashKeyRange] {
        openShards.filter { !plan.closed.contains($0.id) }.map(\.hashKeyRange)
    }
}
