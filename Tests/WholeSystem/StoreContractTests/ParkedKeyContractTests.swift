import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import Testing

/// Partition keys that a mapping has parked.
@Suite(.timeLimit(.minutes(1)))
struct ParkedKeyContractTests {
    private static let key = MappingID(stream: "s", name: "m")
    private static let shard2 = ShardID(2)

    /// Runs `body` with a claimed mapping of a stream with two shards of three records.
    private func test(
        _ kind: StoreKind, _ body: @Sendable (any StoreEngine, _ epoch: UInt64, VirtualTime) async throws -> Void
    ) async throws {
        try await kind.test(shards: 2, retention: .seconds(100)) { store, time in
            for shard in [shard0, shard1] { try await store.put(["a", "b", "c"], shard: shard) }
            try await store.createMapping(MappingDefinition(key: Self.key, startingPosition: .trimHorizon))
            try await body(store, store.claimMapping(Self.key).epoch, time)
        }
    }

    private static func park(
        _ partitionKey: String, _ value: [UInt8]?, shard: ShardID = shard0, mapping: MappingID = key, epoch: UInt64
    ) -> Change {
        .park(
            ParkedKeyChange(mapping: mapping, shard: shard, partitionKey: partitionKey, value: value, epoch: epoch))
    }

    private static func end(_ shard: ShardID, at position: SequenceNumber, epoch: UInt64) -> Change {
        .checkpoint(
            CheckpointMove(
                mapping: key, epoch: epoch,
                checkpoint: ShardCheckpoint(shard: shard, position: position, isShardEnd: true)))
    }

    /// All parked keys as `shard key=value`, from pages of this size.
    private static func parked(
        _ store: any StoreEngine, mapping: MappingID = key, shard: ShardID? = nil, limit: Int = 1_000
    ) async throws -> [String] {
        var found: [String] = []
        var query = ParkedKeyQuery(mapping, shard: shard, limit: limit)
        while true {
            let page = try await store.parkedKeys(query)
            #expect(page.keys.count <= limit)
            found += page.keys.map { "\($0.shard.number) \($0.partitionKey)=\($0.value)" }
            guard let next = page.next else { return found }
            #expect(page.keys.count == limit)
            #expect(page.keys.last.map { .init(shard: $0.shard, partitionKey: $0.partitionKey) } == next)
            query.after = next
        }
    }

    @Test(arguments: StoreKind.all) func `keys are parked, changed and freed by who holds the claim (STORE-E1)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, epoch, _ in
            #expect(try await Self.parked(store) == [])
            try await store.committed(Self.park("k", [1, 2], epoch: epoch), Self.park("", [0], epoch: epoch))
            #expect(try await Self.parked(store) == ["0 =[0]", "0 k=[1, 2]"])
            try await store.committed(Self.park("k", [3], epoch: epoch))
            #expect(try await Self.parked(store) == ["0 =[0]", "0 k=[3]"])
            await expect(.fenced) { try await store.commit([Self.park("k", nil, epoch: epoch + 1)]) }
            // The last of several changes in one commit counts. What is not parked is freed without effect.
            try await store.committed(
                Self.park("", nil, epoch: epoch), Self.park("none", nil, epoch: epoch),
                Self.park("k", nil, epoch: epoch), Self.park("k", [4], epoch: epoch),
                Self.park("l", [5], epoch: epoch), Self.park("l", nil, epoch: epoch))
            #expect(try await Self.parked(store) == ["0 k=[4]"])
            // A seek, a newer claim and its release leave them.
            try await store.releaseMapping(Self.key, epoch: epoch)
            try await store.seekMapping(Self.key, to: .trimHorizon, shard: nil)
            let newer = try await store.claimMapping(Self.key).epoch
            await expect(.fenced) { try await store.commit([Self.park("k", nil, epoch: epoch)]) }
            #expect(try await Self.parked(store) == ["0 k=[4]"])
            try await store.committed(Self.park("k", nil, epoch: newer))
            #expect(try await Self.parked(store) == [])
        }
    }

    @Test(arguments: StoreKind.all) func `keys are told apart and ordered by their bytes (STORE-E1, STORE-E2)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, epoch, _ in
            let keys = ["caf\u{E9}", "cafe\u{301}", "nul\0", "nul", "", "\u{1F4A5}", "\u{FFFD}", "\u{212A}", "K"]
            for (shard, number) in [(shard1, UInt8(1)), (shard0, 0)] {
                for text in keys {
                    try await store.committed(Self.park(text, [number], shard: shard, epoch: epoch))
                }
            }
            let sorted = keys.sorted { UTF8Key($0) < UTF8Key($1) }
            let all = sorted.map { "0 \($0)=[0]" } + sorted.map { "1 \($0)=[1]" }
            for limit in [1, 2, 8, 9, 10, 17, 18, 19] {
                let found = try await Self.parked(store, limit: limit)
                #expect(found.map { UTF8Key($0) } == all.map { UTF8Key($0) }, "\(limit)")
            }
            #expect(Set(try await store.parkedKeys(ParkedKeyQuery(Self.key)).keys).count == 18)
        }
    }

    @Test(arguments: StoreKind.all) func `they are listed in pages, of one shard or all (STORE-E2)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, epoch, _ in
            let other = MappingID(stream: "s", name: "other")
            try await store.createMapping(MappingDefinition(key: other, startingPosition: .latest))
            let otherEpoch = try await store.claimMapping(other).epoch
            try await store.committed(Self.park("x", [9], mapping: other, epoch: otherEpoch))
            // Many in one commit.
            let changes = (0..<2_500).map { index in
                Self.park("\(10_000 + index)", [1], shard: index % 5 == 0 ? shard1 : shard0, epoch: epoch)
            }
            guard case .committed = try await store.commit(changes) else { return #expect(Bool(false)) }
            let all = (0..<2_500).map { (shard: $0 % 5 == 0 ? 1 : 0, text: "\(10_000 + $0)") }
                .sorted { ($0.shard, $0.text) < ($1.shard, $1.text) }.map { "\($0.shard) \($0.text)=[1]" }
            #expect(try await Self.parked(store) == all)
            #expect(try await Self.parked(store, limit: 999) == all)
            #expect(try await Self.parked(store, shard: shard0, limit: 500) == Array(all.prefix(2_000)))
            #expect(try await Self.parked(store, shard: shard1) == Array(all.suffix(500)))
            #expect(try await Self.parked(store, shard: ShardID(7)) == [])
            #expect(try await Self.parked(store, mapping: other) == ["0 x=[9]"])
            func page(_ after: String, in shard: ShardID, of only: ShardID? = nil) async throws -> ([String], Bool) {
                let page = try await store.parkedKeys(
                    ParkedKeyQuery(Self.key, shard: only, after: .init(shard: shard, partitionKey: after), limit: 2))
                return (page.keys.map { "\($0.shard.number) \($0.partitionKey)" }, page.next != nil)
            }
            // The place need not be one of a key.
            #expect(try await page("10001x", in: shard0) == (["0 10002", "0 10003"], true))
            #expect(try await page("12498", in: shard0) == (["0 12499", "1 10000"], true))
            #expect(try await page("12498", in: shard0, of: shard0) == (["0 12499"], false))
            #expect(try await page("zzz", in: shard0) == (["1 10000", "1 10005"], true))
            #expect(try await page("12485", in: shard1) == (["1 12490", "1 12495"], false))
            #expect(try await page("", in: Self.shard2) == ([], false))
            #expect(try await page("zzz", in: shard0, of: shard1) == (["1 10000", "1 10005"], true))
            #expect(try await page("", in: shard1, of: shard0) == ([], false))
        }
    }

    @Test(arguments: StoreKind.all) func `what there is not, and what no page has, is refused (STORE-E2)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, _, _ in
            for limit in [0, -1, 1_001, .max, .min] {
                await expect(.invalidArgument) { try await store.parkedKeys(ParkedKeyQuery(Self.key, limit: limit)) }
            }
            let none = MappingID(stream: "s", name: "none")
            await expect(.mappingNotFound) { try await store.parkedKeys(ParkedKeyQuery(none)) }
            let homeless = MappingID(stream: "none", name: "m")
            await expect(.streamNotFound) { try await store.parkedKeys(ParkedKeyQuery(homeless)) }
            try await store.close()
            await expect(.closed) { try await store.parkedKeys(ParkedKeyQuery(Self.key)) }
        }
    }

    @Test(arguments: StoreKind.all) func `values outside their limits are refused, and nothing is written (STORE-E1)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, epoch, _ in
            let largest = [UInt8](repeating: 7, count: 8_192)
            let longest = String(repeating: "\u{1F4A5}", count: 256)
            let others = [Self.park("k", [1], epoch: epoch), .append(["d"])]
            for (key, value, text) in [
                ("k", [], "a parked key has a value of 1 to 8,192 bytes, not 0"),
                ("k", largest + [7], "a parked key has a value of 1 to 8,192 bytes, not 8193"),
                (longest + "x", [1], "a parked partition key has at most 1,024 bytes of UTF-8, not 1025"),
                (longest + "x", nil, "a parked partition key has at most 1,024 bytes of UTF-8, not 1025"),
            ] as [(String, [UInt8]?, String)] {
                let refused = try await #require(throws: ShardlineError.self) {
                    _ = try await store.commit(others + [Self.park(key, value, epoch: epoch)])
                }
                #expect(refused.code == .invalidArgument && refused.message == text)
            }
            await expect(.commitTooLarge) {
                _ = try await store.commit((0...8_192).map { Self.park("\($0)", largest, epoch: epoch) })
            }
            #expect(try await Self.parked(store) == [])
            #expect(try await store.texts() == ["a", "b", "c"])
            try await store.committed(Self.park(longest, largest, epoch: epoch), others[0], others[1])
            #expect(try await Self.parked(store) == ["0 k=[1]", "0 \(longest)=\(largest)"])
        }
    }

    @Test(arguments: StoreKind.all) func `keys move to the children with the end of the shard, all or none (STORE-E4)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, epoch, _ in
            let parent = try await store.describeStream("s").shards[0].hashKeyRange
            let middle = parent.first.value + (parent.last.value - parent.first.value) / 2
            let children = [
                HashKeyRange(first: parent.first, last: HashKey(middle)),
                HashKeyRange(first: HashKey(middle + 1), last: parent.last),
            ]
            try await store.committed(
                Self.park("a", [1], epoch: epoch), Self.park("b", [2], epoch: epoch),
                Self.park("c", [3], shard: shard1, epoch: epoch))
            try await store.committed(.seal(Seal(stream: "s", parents: [shard0], children: children)))
            let move = [
                Self.end(shard0, at: 3, epoch: epoch), Self.park("a", nil, epoch: epoch),
                Self.park("a", [1], shard: ShardID(2), epoch: epoch), Self.park("b", nil, epoch: epoch),
                Self.park("b", [2], shard: ShardID(3), epoch: epoch),
            ]
            let before = ["0 a=[1]", "0 b=[2]", "1 c=[3]"]
            // Whichever change is refused, wherever it is.
            for (refused, code) in [
                (Self.park("b", [2], shard: ShardID(4), epoch: epoch), ShardlineError.Code.shardNotFound),
                (Self.park("b", [2], shard: ShardID(3), epoch: epoch - 1), .fenced),
                (Self.park("b", [], shard: ShardID(3), epoch: epoch), .invalidArgument),
            ] {
                for place in [0, 1, move.count] {
                    var changes = move
                    changes.insert(refused, at: place)
                    await expect(code) { _ = try await store.commit(changes) }
                    #expect(try await Self.parked(store) == before)
                    let checkpoint = try await store.describeMapping(Self.key).checkpoints.first
                    #expect(checkpoint == ShardCheckpoint(shard: shard0, position: .zero))
                }
            }
            guard case .committed(let receipts) = try await store.commit(move) else { return #expect(Bool(false)) }
            #expect(receipts.count == move.count)
            let mapping = try await store.describeMapping(Self.key)
            #expect(mapping.checkpoints.map(\.shard.number) == [0, 1] && mapping.checkpoints[0].isShardEnd)
            // The children have no checkpoint yet.
            #expect(try await Self.parked(store) == ["1 c=[3]", "2 a=[1]", "3 b=[2]"])
        }
    }

    @Test(arguments: StoreKind.all)
    func `a closed shard that has expired keeps them until its mapping is done (STORE-E4)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, epoch, time in
            try await store.committed(
                Self.park("a", [1], epoch: epoch), Self.park("b", [2], epoch: epoch),
                .checkpoint(Self.key, epoch: epoch, at: 3))
            // All of its records are done, but its end is not reached.
            try await store.committed(
                .seal(Seal(stream: "s", parents: [shard0, shard1], children: HashKeyRange.even(1))))
            try await store.releaseMapping(Self.key, epoch: epoch)
            time.advance(by: .seconds(110))
            #expect(try await store.describeStream("s").shards.map(\.id.number) == [2])
            #expect(try await Self.parked(store) == ["0 a=[1]", "0 b=[2]"])
            // A mapping with nothing to do there leaves them too.
            let idle = MappingID(stream: "s", name: "idle")
            try await store.createMapping(MappingDefinition(key: idle, startingPosition: .trimHorizon))
            #expect(try await Self.parked(store, shard: shard0) == ["0 a=[1]", "0 b=[2]"])
            let newer = try await store.claimMapping(Self.key).epoch
            try await store.committed(Self.park("b", [3], epoch: newer))
            try await store.committed(
                Self.end(shard0, at: 3, epoch: newer), Self.park("a", nil, epoch: newer),
                Self.park("b", nil, epoch: newer), Self.park("b", [3], shard: ShardID(2), epoch: newer))
            #expect(try await Self.parked(store) == ["2 b=[3]"])
            // Of a shard that is gone, or is going, nothing is kept, and nothing is refused.
            try await store.committed(Self.park("a", nil, epoch: newer))
            #expect(try await Self.parked(store) == ["2 b=[3]"])
        }
    }

    @Test(arguments: StoreKind.all) func `they go with their mapping and their stream (STORE-E4)`(
        kind: StoreKind
    ) async throws {
        try await test(kind) { store, epoch, _ in
            let other = MappingID(stream: "s", name: "other")
            try await store.createMapping(MappingDefinition(key: other, startingPosition: .trimHorizon))
            let otherEpoch = try await store.claimMapping(other).epoch
            try await store.committed(
                Self.park("a", [1], epoch: epoch), Self.park("a", [2], mapping: other, epoch: otherEpoch))
            try await store.releaseMapping(Self.key, epoch: epoch)
            try await store.deleteMapping(Self.key)
            await expect(.mappingNotFound) { try await Self.parked(store) }
            try await store.createMapping(MappingDefinition(key: Self.key, startingPosition: .trimHorizon))
            #expect(try await Self.parked(store) == [])
            #expect(try await Self.parked(store, mapping: other) == ["0 a=[2]"])
            try await store.deleteStream("s", force: true)
            await expect(.streamNotFound) { try await Self.parked(store, mapping: other) }
            try await store.createStream("s", shards: 1)
            try await store.createMapping(MappingDefinition(key: other, startingPosition: .trimHorizon))
            #expect(try await Self.parked(store, mapping: other) == [])
        }
    }

    /// For engines that park no keys.
    @Test func `by default there are none`() async throws {
        try await StoreKind.defaults.test(shards: 1) { store, _ in
            try await store.createMapping(MappingDefinition(key: Self.key, startingPosition: .trimHorizon))
            #expect(try await Self.parked(store) == [])
        }
    }
}
