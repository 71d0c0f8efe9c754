import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import Testing

/// `splitShard`, `mergeShards` and `updateShardCount` on every kind of store, and several seals in one commit.
@Suite(.timeLimit(.minutes(1)))
struct ScalingContractTests {
    private static func seal(_ parents: [UInt32], _ children: [HashKeyRange]) -> Change {
        .seal(Seal(stream: "s", parents: parents.map { ShardID($0) }, children: children))
    }

    private static func open(_ stream: StreamDescription) -> [ShardDescription] {
        stream.openShards.sorted { $0.hashKeyRange.first < $1.hashKeyRange.first }
    }

    /// Every shard but the first ones has one parent or two neighbours, and the open ones own each hash key once.
    private static func expectWhole(_ stream: StreamDescription, first: Int = 1) {
        var next: UInt128 = 0
        let open = open(stream)
        for (index, shard) in open.enumerated() {
            #expect(shard.hashKeyRange.first.value == next)
            if index + 1 == open.count {
                #expect(shard.hashKeyRange.last.value == .max)
            } else {
                next = shard.hashKeyRange.last.value + 1
            }
        }
        let byID = Dictionary(uniqueKeysWithValues: stream.shards.map { ($0.id, $0) })
        for shard in stream.shards where shard.id.number >= first {
            #expect((1...2).contains(shard.parents.count))
            for parent in shard.parents.compactMap({ byID[$0] }) {
                #expect(parent.id < shard.id && parent.creationSecond < shard.creationSecond)
                #expect(parent.closedAt != nil && parent.closedAt! <= shard.openedAt)
                #expect(parent.tip <= shard.origin)
            }
        }
    }

    /// The open shards divide the hash keys evenly.
    private static func expectEven(
        _ stream: StreamDescription, _ count: Int, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let ranges = open(stream).map(\.hashKeyRange)
        #expect(ranges.count == count, sourceLocation: sourceLocation)
        for (range, even) in zip(ranges, HashKeyRange.even(count)) {
            let (one, other) = (range.first.value, even.first.value)
            #expect(max(one, other) - min(one, other) <= 10_000, sourceLocation: sourceLocation)
        }
    }

    // MARK: Several seals in one commit

    @Test(arguments: StoreKind.all) func `STORE-R1 one commit seals many shards, and children of its own seals`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 2) { store, time in
            try await store.put(["a"])
            try await store.put(["b", "c"], shard: shard1)
            let quarters = HashKeyRange.even(4)
            let middle = HashKeyRange(first: quarters[1].first, last: quarters[2].last)
            let receipts = try await store.committed(
                Self.seal([0], Array(quarters[..<2])), Self.seal([1], Array(quarters[2...])),
                Self.seal([3, 4], [middle]))
            let children = receipts.map { receipt -> [UInt32] in
                guard case .sealed(let children) = receipt else { return [] }
                return children.map(\.number)
            }
            #expect(children == [[2, 3], [4, 5], [6]])
            let stream = try await store.describeStream("s")
            Self.expectWhole(stream, first: 2)
            #expect(Self.open(stream).map(\.id.number) == [2, 6, 5])
            #expect(stream.shards[6].parents == [ShardID(3), ShardID(4)])
            // Shards of one commit that never held a record end at once.
            for parent in [3, 4] as [UInt32] {
                let end = try await store.read(ReadRequest(stream: "s", shard: ShardID(parent), after: .zero))
                #expect(end.batch.isEmpty && end.endOfShard == [ShardID(6)])
            }
            time.advance(by: .seconds(3))
            let receipt = try await store.stream("s").put("d", partitionKey: "k", explicitHashKey: middle.first)
            #expect(receipt.shard.number == 6 && receipt.sequenceNumber == 3)
        }
    }

    @Test(arguments: StoreKind.all) func `of many seals all are done or none`(kind: StoreKind) async throws {
        try await kind.test(shards: 2) { store, _ in
            let quarters = HashKeyRange.even(4)
            let before = try await store.describeStream("s")
            let (left, right) = (Self.seal([0], Array(quarters[..<2])), Self.seal([1], Array(quarters[2...])))
            await expect(.invalidArgument) { try await store.commit([left, Self.seal([1], [quarters[2]])]) }
            await expect(.shardNotFound) {
                try await store.commit([left, Self.seal([7], Array(quarters[2...]))])
            }
            // Not in this order: the child is not there yet.
            await expect(.shardNotFound) {
                try await store.commit([Self.seal([3, 1], [quarters[1]]), left])
            }
            // Shard 0 is closed by the first of the two.
            let outcome = try await store.commit([left, right, left])
            guard case .sealed(change: 2, let children) = outcome else {
                Issue.record("not sealed: \(outcome)")
                return
            }
            #expect(children.map(\.number) == [2, 3])
            #expect(try await store.describeStream("s") == before)
            try await store.committed(left, right)
        }
    }

    // MARK: Splits and merges

    @Test(arguments: StoreKind.all) func `API-R-1 a split divides a shard in the middle, or at a hash key`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            let stream = store.stream("s")
            let first = try await stream.splitShard(shard0)
            #expect(first.closed == [shard0] && first.opened.map(\.number) == [1, 2])
            #expect(Self.open(first.stream).map(\.hashKeyRange) == HashKeyRange.even(2))
            let low = try await stream.splitShard(ShardID(1), at: HashKey(2))
            #expect(low.opened.map(\.number) == [3, 4])
            #expect(Self.open(low.stream).map { $0.hashKeyRange.first.value } == [0, 2, 1 << 127])
            let high = try await stream.splitShard(ShardID(2), at: HashKey(.max - 1))
            #expect(Self.open(high.stream).map { $0.hashKeyRange.last.value }.last == .max)
            Self.expectWhole(high.stream)
        }
    }

    @Test(arguments: StoreKind.all) func `API-R-1 a split that is not possible says why, and changes nothing`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 2) { store, _ in
            let stream = store.stream("s")
            let before = try await stream.describe()
            let (low, high) = (before.shards[1].hashKeyRange.first.value, before.shards[1].hashKeyRange.last.value)
            for key in [0, low - 1, low, low + 1, high] as [UInt128] {
                await expect(.invalidArgument) { try await stream.splitShard(shard1, at: HashKey(key)) }
            }
            for key in [0, 1, before.shards[0].hashKeyRange.last.value, .max] as [UInt128] {
                await expect(.invalidArgument) { try await stream.splitShard(shard0, at: HashKey(key)) }
            }
            await expect(.shardNotFound) { try await stream.splitShard(ShardID(2)) }
            await expect(.streamNotFound) { try await store.stream("none").splitShard(shard0) }
            #expect(try await stream.describe() == before)
            // Two hash keys, then three.
            try await stream.splitShard(shard0, at: HashKey(2))
            await expect(.invalidArgument) { try await stream.splitShard(ShardID(2)) }
            try await stream.splitShard(ShardID(3), at: HashKey(5))
            await expect(.invalidArgument) { try await stream.splitShard(ShardID(4)) }
        }
    }

    @Test(arguments: StoreKind.all) func `API-R-3 a shard that is closed already is refused, with its children`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 2) { store, _ in
            let stream = store.stream("s")
            try await stream.splitShard(shard0)
            for call in 0..<3 {
                do {
                    switch call {
                    case 0: try await stream.splitShard(shard0)
                    case 1: try await stream.mergeShards(shard0, shard1)
                    default: try await stream.mergeShards(shard1, shard0)
                    }
                    Issue.record("it was not refused")
                } catch let error as ShardlineError {
                    #expect(error.code == .shardClosed)
                    #expect(error.message.contains("\(ShardID(2)), \(ShardID(3))"), "\(error)")
                }
            }
        }
    }

    @Test(arguments: StoreKind.all) func `API-R-2 neighbours are merged in either order, others are refused`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 4) { store, _ in
            let stream = store.stream("s")
            let first = try await stream.mergeShards(shard0, shard1)
            #expect(first.closed == [shard0, shard1] && first.opened.map(\.number) == [4])
            let second = try await stream.mergeShards(ShardID(3), ShardID(2))
            #expect(second.stream.shards[5].parents == [ShardID(2), ShardID(3)])
            #expect(Self.open(second.stream).map(\.hashKeyRange) == HashKeyRange.even(2))
            await expect(.invalidArgument) { try await stream.mergeShards(ShardID(4), ShardID(4)) }
            await expect(.shardNotFound) { try await stream.mergeShards(ShardID(4), ShardID(6)) }
            try await stream.splitShard(ShardID(4))
            await expect(.invalidArgument) { try await stream.mergeShards(ShardID(5), ShardID(6)) }
            try await stream.mergeShards(ShardID(7), ShardID(5))
            let whole = try await stream.mergeShards(ShardID(6), ShardID(8))
            #expect(whole.stream.openShards.count == 1)
            Self.expectWhole(whole.stream, first: 4)
        }
    }

    // MARK: The shard count

    @Test(arguments: StoreKind.all) func `API-R-6 a stream is scaled to uniform ranges, and the same count is nothing`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            let stream = store.stream("s")
            for count in [4, 4, 6, 3, 16, 5, 1] {
                let before = try await stream.describe()
                let result = try await stream.updateShardCount(to: count)
                Self.expectEven(result.stream, count)
                Self.expectWhole(result.stream)
                if before.openShards.count == count {
                    #expect(result == ReshardingResult(closed: [], opened: [], passing: 0, stream: before))
                    continue
                }
                let (was, now) = (Set(before.openShards.map(\.id)), Set(result.stream.openShards.map(\.id)))
                #expect(result.closed == was.subtracting(now).sorted())
                #expect(Set(result.opened) == now.subtracting(was))
                #expect(result.opened == Self.open(result.stream).map(\.id).filter(result.opened.contains))
            }
            for count in [0, -1, 10_001] {
                await expect(.invalidArgument) { try await stream.updateShardCount(to: count) }
            }
            await expect(.streamNotFound) { try await store.stream("none").updateShardCount(to: 2) }
        }
    }

    @Test(arguments: StoreKind.all)
    func `API-R-5 from 1 to 1,024 shards and back nothing is lost, and each key is in order`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            let stream = store.stream("s")
            // As many rounds of puts as the scaling takes, from several callers at once.
            let isOver = OneWay()
            let counts = try await withThrowingTaskGroup(of: [String: Int].self) { group in
                for caller in 0..<4 {
                    group.addTask {
                        var counts: [String: Int] = [:]
                        var isLast = false
                        while true {
                            let keys = (0..<25).map { "\(caller).\($0)" }
                            try await stream.put(
                                contentsOf: keys.map { NewRecord("\(counts[$0, default: 0])", partitionKey: $0) })
                            for key in keys { counts[key, default: 0] += 1 }
                            if isLast { return counts }
                            isLast = isOver.isSet
                        }
                    }
                }
                for count in [1_024, 1] {
                    let result = try await stream.updateShardCount(to: count)
                    #expect(Self.open(result.stream).map(\.hashKeyRange) == HashKeyRange.even(count))
                }
                isOver.set()
                return try await group.reduce(into: [:]) { $0.merge($1) { left, _ in left } }
            }
            let described = try await stream.describe()
            #expect(described.shards.count == 1 + 1_024 + 1_023)
            Self.expectWhole(described)
            var next: [String: Int] = [:]
            for try await record in stream.records(follow: false) {
                let value = Int(String(decoding: record.bytes, as: UTF8.self))
                guard value == next[record.partitionKey, default: 0] else {
                    Issue.record("\(record.partitionKey): \(value ?? -1) after \(next[record.partitionKey] ?? 0)")
                    return
                }
                next[record.partitionKey, default: 0] += 1
            }
            #expect(next == counts)
        }
    }

    @Test(arguments: StoreKind.all) func `calls of many at once end as if one came after the other`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            let stream = store.stream("s")
            await withTaskGroup(of: Void.self) { group in
                for count in [2, 3, 5, 7, 8, 2] {
                    group.addTask {
                        do { try await stream.updateShardCount(to: count) } catch {
                            #expect((error as? ShardlineError)?.code == .shardsChanged)
                        }
                    }
                    group.addTask {
                        do {
                            if let shard = try await stream.describe().openShards.last {
                                try await stream.splitShard(shard.id)
                            }
                        } catch {
                            let code = (error as? ShardlineError)?.code
                            #expect([.shardsChanged, .shardClosed].contains(code), "\(error)")
                        }
                    }
                }
            }
            Self.expectWhole(try await stream.describe())
            try await stream.updateShardCount(to: 4)
            Self.expectEven(try await stream.describe(), 4)
        }
    }
}

/// Set once, by one task, and looked at by others.
private final class OneWay: Sendable {
    private let state = Mutex(false)
    var isSet: Bool { state.withLock { $0 } }
    func set() { state.withLock { $0 = true } }
}
