import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// Shards are closed in favour of their children, and taken over.
@Suite(.timeLimit(.minutes(1)))
struct ReshardContractTests {
    private static func halves(of range: HashKeyRange) -> [HashKeyRange] {
        let middle = range.first.value + (range.last.value - range.first.value) / 2
        return [
            HashKeyRange(first: range.first, last: HashKey(middle)),
            HashKeyRange(first: HashKey(middle + 1), last: range.last),
        ]
    }

    private static func split(_ store: any StoreEngine, _ id: ShardID) async throws -> [ShardID] {
        let range = try await store.describeStream("s").shards[Int(id.number)].hashKeyRange
        let receipts = try await store.committed(
            .seal(Seal(stream: "s", parents: [id], children: halves(of: range))))
        guard case .sealed(let children) = receipts.first else {
            Issue.record("no seal: \(receipts)")
            return []
        }
        return children
    }

    @Test(arguments: StoreKind.all) func `a split closes the parent and opens its children (API-Q-5)`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 2) { store, time in
            try await store.put(["a", "b", "c"])
            #expect(try await Self.split(store, shard0) == [ShardID(2), ShardID(3)])
            let shards = try await store.describeStream("s").shards
            #expect(shards.count == 4)
            #expect(shards[0].closedAt != nil)
            #expect(shards[1].closedAt == nil)
            for child in shards[2...] {
                #expect(child.parents == [shard0])
                #expect(child.closedAt == nil)
                #expect(child.creationSecond > shards[0].creationSecond)
                #expect(child.tip == 3 && child.trimHorizon == 3)
            }
            #expect(shards[2].hashKeyRange.first == shards[0].hashKeyRange.first)
            #expect(shards[3].hashKeyRange.last == shards[0].hashKeyRange.last)
            time.advance(by: .seconds(2))
            for (number, hash) in [(2, shards[2].hashKeyRange.last), (3, shards[3].hashKeyRange.first)] {
                let receipt = try await store.stream("s").put("x", partitionKey: "k", explicitHashKey: hash)
                #expect(receipt.shard.number == number)
                #expect(receipt.sequenceNumber > 3)
            }
        }
    }

    @Test(arguments: StoreKind.all) func `an append to a closed shard is told its children`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            let children = try await Self.split(store, shard0)
            let outcome = try await store.commit([.append(["x"], shard: children[0]), .append(["a"])])
            guard case .sealed(change: 1, let named) = outcome else {
                Issue.record("not sealed: \(outcome)")
                return
            }
            #expect(named == children)
            #expect(try await store.texts(shard: children[0]) == [])
        }
    }

    @Test(arguments: StoreKind.all) func `the end of a shard is told after its last record`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.put(["a", "b"])
            let children = try await Self.split(store, shard0)
            var request = ReadRequest(stream: "s", shard: shard0, after: .zero, maximumRecords: 1)
            let first = try await store.read(request)
            #expect(first.batch.count == 1)
            #expect(first.endOfShard == nil)
            request.after = 2
            for wait in [ReadRequest.Wait.no, .untilAvailable] {
                request.wait = wait
                let end = try await store.read(request)
                #expect(end.batch.isEmpty)
                #expect(end.endOfShard == children)
            }
            request.after = .max
            #expect(try await store.read(request).endOfShard == children)
        }
    }

    @Test(arguments: StoreKind.all) func `a child has no gap before its first record`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.put(["a", "b"])
            let child = try await Self.split(store, shard0)[0]
            let result = try await store.read(ReadRequest(stream: "s", shard: child, after: .zero))
            #expect(result.batch.isEmpty && result.expired == nil && result.endOfShard == nil)
            try await store.put(["c"], shard: child)
            let read = try await store.read(ReadRequest(stream: "s", shard: child, after: .zero))
            #expect(read.expired == nil)
            #expect(read.batch.map(\.sequenceNumber) == [3])
            #expect(try await store.texts(from: .trimHorizon, shard: child) == ["c"])
        }
    }

    @Test(arguments: StoreKind.all) func `a merge has both parents, and both name it`(kind: StoreKind) async throws {
        try await kind.test(shards: 2) { store, _ in
            try await store.put(["a"])
            try await store.put(["b", "c", "d"], shard: shard1)
            let whole = HashKeyRange(first: HashKey(0), last: HashKey(.max))
            try await store.committed(.seal(Seal(stream: "s", parents: [shard0, shard1], children: [whole])))
            let child = try await store.describeStream("s").shards[2]
            #expect(child.parents == [shard0, shard1])
            #expect(child.tip == 3)
            for (parent, last) in [(shard0, 1), (shard1, 3)] {
                let end = try await store.read(
                    ReadRequest(stream: "s", shard: parent, after: SequenceNumber(UInt64(last))))
                #expect(end.endOfShard == [child.id])
            }
            let receipt = try await store.stream("s").put("e", partitionKey: "k")
            #expect(receipt.shard == child.id && receipt.sequenceNumber == 4)
        }
    }

    @Test(arguments: StoreKind.all) func `a seal that loses or doubles keys is refused`(kind: StoreKind) async throws {
        try await kind.test(shards: 3) { store, _ in
            let ranges = HashKeyRange.even(3)
            let halves = Self.halves(of: ranges[0])
            let wrong = [
                Seal(stream: "s", parents: [shard0], children: [halves[0]]),
                Seal(stream: "s", parents: [shard0], children: [halves[0], halves[0]]),
                Seal(stream: "s", parents: [shard0], children: [halves[0], ranges[1]]),
                Seal(stream: "s", parents: [], children: []),
                Seal(
                    stream: "s", parents: [shard0, ShardID(2)],
                    children: [HashKeyRange(first: ranges[0].first, last: ranges[2].last)]),
                Seal(stream: "s", parents: [shard0, shard0], children: [ranges[0]]),
            ]
            for seal in wrong { await expect(.invalidArgument) { try await store.commit([.seal(seal)]) } }
            await expect(.shardNotFound) {
                try await store.commit([.seal(Seal(stream: "s", parents: [ShardID(3)], children: halves))])
            }
            let shards = try await store.describeStream("s").shards
            #expect(shards.count == 3)
        }
    }

    @Test(arguments: StoreKind.all) func `one key's order holds across a split`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for key in 0..<4 {
                    group.addTask {
                        for index in 0..<40 {
                            try await store.stream("s").put("\(key) \(index)", partitionKey: "\(key)")
                        }
                    }
                }
                group.addTask {
                    let children = try await Self.split(store, shard0)
                    _ = try await Self.split(store, children[0])
                }
                try await group.waitForAll()
            }
            var all: [String] = []
            for id in 0..<5 { all += try await store.texts(shard: ShardID(UInt32(id))) }
            for key in 0..<4 {
                #expect(all.filter { $0.hasPrefix("\(key) ") } == (0..<40).map { "\(key) \($0)" })
            }
        }
    }

    @Test(arguments: StoreKind.all) func `who was overtaken writes nothing more`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, _ in
            try await store.put(["a", "b"])
            let first = try await store.committed(.takeOver(stream: "s", shard: shard0, epoch: 3))
            guard case .reserved(let receipt) = first.first, receipt.last == 2 else {
                Issue.record("the take-over answers \(first)")
                return
            }
            try await store.committed(.append(["c"], epoch: 3))
            try await store.committed(.takeOver(stream: "s", shard: shard0, epoch: 4))
            await expect(.fenced) { try await store.commit([.append(["x"], epoch: 3)]) }
            await expect(.fenced) { try await store.commit([.takeOver(stream: "s", shard: shard0, epoch: 3)]) }
            try await store.committed(.append(["d"], epoch: 4))
            #expect(try await store.texts() == ["a", "b", "c", "d"])
        }
    }
}
