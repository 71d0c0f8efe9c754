import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// Reads that wait at the tip.
@Suite(.timeLimit(.minutes(1)))
struct WaitContractTests {
    private static func waiting(
        after: SequenceNumber = .zero, _ wait: ReadRequest.Wait = .untilAvailable
    ) -> ReadRequest {
        ReadRequest(stream: "s", shard: shard0, after: after, wait: wait)
    }

    @Test(arguments: StoreKind.all) func `a read that waits is woken by every commit, none is lost (STORE-M3)`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, _ in
            let count = 300
            try await withThrowingTaskGroup(of: [UInt64].self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        var seen: [UInt64] = []
                        while seen.count < count {
                            let position = SequenceNumber(UInt64(seen.count))
                            let result = try await store.read(Self.waiting(after: position))
                            #expect(!result.batch.isEmpty)
                            seen += result.batch.map(\.sequenceNumber.rawValue)
                        }
                        return seen
                    }
                }
                group.addTask {
                    for index in 0..<count { try await store.put(["\(index)"]) }
                    return Array(1...UInt64(count))
                }
                for try await seen in group { #expect(seen == Array(1...UInt64(count))) }
            }
        }
    }

    @Test(arguments: StoreKind.all) func `a wait ends at its time`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, time in
            try await withThrowingTaskGroup(of: ReadResult.self) { group in
                group.addTask { try await store.read(Self.waiting(.atMost(.seconds(3)))) }
                await time.sleepers(1)
                time.advance(by: .milliseconds(2999))
                #expect(time.sleeperCount == 1)
                time.advance(by: .milliseconds(1))
                let result = try await group.next()
                #expect(result?.batch.isEmpty == true)
                #expect(result?.next == .zero)
            }
        }
    }

    @Test(arguments: StoreKind.all) func `a wait with a time-out is woken by a commit too`(
        kind: StoreKind
    ) async throws {
        try await kind.test(shards: 1) { store, time in
            try await withThrowingTaskGroup(of: ReadResult.self) { group in
                group.addTask { try await store.read(Self.waiting(.atMost(.seconds(3)))) }
                await time.sleepers(1)
                try await store.put(["a"])
                #expect(try await group.next()?.batch.map(\.sequenceNumber) == [1])
            }
        }
    }

    @Test(arguments: StoreKind.all) func `a wait is woken by the end of the shard`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, time in
            try await withThrowingTaskGroup(of: ReadResult.self) { group in
                group.addTask { try await store.read(Self.waiting(.atMost(.seconds(3)))) }
                await time.sleepers(1)
                try await store.committed(
                    .seal(Seal(stream: "s", parents: [shard0], children: HashKeyRange.even(2))))
                #expect(try await group.next()?.endOfShard == [ShardID(1), ShardID(2)])
            }
        }
    }

    @Test(arguments: StoreKind.all) func `a wait ends with its stream`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, time in
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    await expect(.streamNotFound) { try await store.read(Self.waiting(.atMost(.seconds(3)))) }
                }
                await time.sleepers(1)
                await #expect(throws: Never.self) { try await store.deleteStream("s") }
            }
        }
    }

    @Test(arguments: StoreKind.all) func `a wait ends when the store is closed`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, time in
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    await expect(.closed) { try await store.read(Self.waiting(.atMost(.seconds(3)))) }
                }
                await time.sleepers(1)
                await #expect(throws: Never.self) { try await store.close() }
            }
        }
    }

    @Test(arguments: StoreKind.all) func `a cancelled wait throws CancellationError`(kind: StoreKind) async throws {
        try await kind.test(shards: 1) { store, time in
            for wait in [ReadRequest.Wait.untilAvailable, .atMost(.seconds(3))] {
                for waitsFirst in [true, false] {
                    await withTaskGroup(of: Void.self) { group in
                        group.addTask {
                            await #expect(throws: CancellationError.self) { try await store.read(Self.waiting(wait)) }
                        }
                        if waitsFirst, wait != .untilAvailable { await time.sleepers(1) }
                        group.cancelAll()
                    }
                }
            }
            // Nothing of the cancelled reads is left in the way.
            try await store.put(["a"])
            #expect(try await store.texts() == ["a"])
        }
    }
}
