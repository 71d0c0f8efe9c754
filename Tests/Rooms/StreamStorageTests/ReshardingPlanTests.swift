import StreamModel
import StreamStorage
import TestSupport
import Testing

/// What a change of the shard count plans, for streams of any shape.
@Suite struct ReshardingPlanTests {
    private static func stream(
        _ open: [HashKeyRange], closed: Int = 0, retired: UInt32 = 0
    ) -> StreamDescription {
        func shard(_ number: Int, _ range: HashKeyRange, isClosed: Bool) -> ShardDescription {
            ShardDescription(
                id: ShardID(retired + UInt32(number)), hashKeyRange: range, parents: [], creationSecond: 0,
                openedAt: Timestamp(milliseconds: 0), closedAt: isClosed ? Timestamp(milliseconds: 1) : nil,
                trimHorizon: .zero, tip: .zero, recordCount: 0)
        }
        let shards =
            (0..<closed).map { shard($0, HashKeyRange.even(1)[0], isClosed: true) }
            + open.enumerated().map { shard(closed + $0, $1, isClosed: false) }
        return StreamDescription(
            name: "s",
            id: StreamID(store: Array(repeating: 1, count: 16), number: 1, createdAt: .init(milliseconds: 0)),
            createdAt: Timestamp(milliseconds: 0), retention: .seconds(60), maximumRecordSize: 1,
            isFailureStream: false, initialSettings: StreamSettings(), shards: shards)
    }

    /// The ranges after the plan. Every seal is one that a store accepts.
    private static func ranges(
        after plan: ReshardingPlan, of stream: StreamDescription
    ) throws -> (open: [HashKeyRange], generations: Int) {
        var open = Dictionary(uniqueKeysWithValues: stream.openShards.map { ($0.id, ($0.hashKeyRange, 0)) })
        var next = (stream.shards.map(\.id.number).max() ?? 0) + 1
        var check = SealCheck(nextNumber: next, listed: stream.shards.count)
        for seal in plan.seals {
            let refusal = try check.add(seal) { id in
                SealCheck.Parent(range: try #require(open[id]).0, children: nil)
            }
            #expect(refusal == nil && seal.stream == "s")
            let parents = seal.parents.compactMap { open.removeValue(forKey: $0) }
            #expect(parents.count == seal.parents.count)
            for range in seal.children {
                open[ShardID(next)] = (range, (parents.map(\.1).max() ?? 0) + 1)
                next += 1
            }
        }
        #expect(plan.openCount == open.count)
        #expect(Set(plan.opened.map(\.id) + stream.openShards.map(\.id)).subtracting(plan.closed) == Set(open.keys))
        for shard in plan.opened { #expect(open[shard.id]?.0 == shard.range) }
        return (open.values.map(\.0).sorted { $0.first < $1.first }, open.values.map(\.1).max() ?? 0)
    }

    @Test func `API-R-6 ranges of any kind become uniform, in few generations`() throws {
        var random = SeededRandom(7)
        for _ in 0..<300 {
            // Bounds anywhere, also next to each other and next to those that are wanted.
            var bounds: Set<UInt128> = [0]
            for _ in 0..<random.below(40) {
                switch random.below(3) {
                case 0: bounds.insert(UInt128(random.next()) << 64 | UInt128(random.next()))
                case 1: bounds.insert(UInt128(random.below(8)))
                default:
                    let wanted = random.pick(HashKeyRange.even(random.pick(1...20))).first.value
                    bounds.insert(wanted &+ UInt128(random.below(3)) &- 1)
                }
            }
            let firsts = bounds.sorted()
            let open = firsts.indices.map { index in
                HashKeyRange(
                    first: HashKey(firsts[index]),
                    last: HashKey(index + 1 < firsts.count ? firsts[index + 1] - 1 : .max))
            }
            let stream = Self.stream(open, closed: random.below(3), retired: UInt32(random.below(2) * 40))
            let count = random.pick([1, 2, 3, 5, 16, 20, 64])
            let plan = try ReshardingPlan(scaling: stream, to: count)
            let after = try Self.ranges(after: plan, of: stream)
            #expect(after.open.count == count)
            for (range, even) in zip(after.open, HashKeyRange.even(count)) {
                let (one, other) = (range.first.value, even.first.value)
                #expect(max(one, other) - min(one, other) <= ReshardingPlan.tolerance)
                // Near a bound that was there, it is that one.
                #expect(one == other || bounds.contains(one))
            }
            // One split, and as many merges as it takes to double up to the parts of one range: at most 41 here.
            #expect(after.generations <= 7)
            // What is right already stays.
            let right = Set(open).intersection(HashKeyRange.even(count))
            #expect(
                Set(stream.openShards.filter { right.contains($0.hashKeyRange) }.map(\.id)).isDisjoint(
                    with: plan.closed))
        }
    }

    @Test func `a split is one seal for each shard, a merge of two needs no shard in between`() throws {
        let up = try ReshardingPlan(scaling: Self.stream(HashKeyRange.even(4)), to: 1_024)
        #expect(up.seals.count == 4 && up.passing == 0)
        #expect(up.opened.map(\.id.number) == Array(4..<1_028))
        let half = try ReshardingPlan(scaling: Self.stream(HashKeyRange.even(1_024)), to: 512)
        #expect(half.seals.count == 512 && half.passing == 0)
        let down = try ReshardingPlan(scaling: Self.stream(HashKeyRange.even(1_024)), to: 1)
        #expect(down.seals.count == 1_023 && down.passing == 1_022)
        // The bounds of three shards are not exactly those of every second one of six.
        let twice = try ReshardingPlan(scaling: Self.stream(HashKeyRange.even(3)), to: 6)
        #expect(twice.seals.map(\.children.count) == [2, 2, 2] && twice.passing == 0)
        let third = try ReshardingPlan(scaling: Self.stream(HashKeyRange.even(3_000)), to: 1_000)
        #expect(third.seals.count == 2_000 && third.passing == 1_000)
        let odd = try ReshardingPlan(scaling: Self.stream(HashKeyRange.even(3)), to: 2)
        #expect(odd.seals.map(\.parents.count) == [1, 2, 2] && odd.passing == 2)
        #expect(try ReshardingPlan(scaling: Self.stream(HashKeyRange.even(7)), to: 7).seals == [])
    }

    @Test func `closed shards and those in between count against 10,000`() throws {
        let many = Self.stream(HashKeyRange.even(4), closed: 9_000)
        #expect(try ReshardingPlan(scaling: many, to: 996).openCount == 996)
        #expect { try ReshardingPlan(scaling: many, to: 1_000) } throws: { error in
            (error as? ShardlineError)?.code == .invalidArgument && "\(error)".contains("9004")
        }
    }
}
