import DiskAccess
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import SegmentStorage

/// STORE-M2: nobody sees a record before it is durable, and a commit becomes visible as a whole.
@Suite(.timeLimit(.minutes(1)))
struct VisibilityTests {
    @Test func `nothing is visible before its sync`() async throws {
        let test = try await TestStore.open()
        try await test.store.createStream("s", shards: 1)
        let visible = test.core.visible
        let key = ShardNumber(1)
        let seen = Shared<[Bool]>([])
        test.disk.onOperation { operation in
            // The writer is about to sync what it wrote: a reader must find nothing now.
            guard operation.kind == .synchronize else { return nil }
            var isEmpty = false
            if case .nothing? = visible.shardMemtable(of: key)?.read(
                after: .zero, watermark: visible.watermark, maximumRecords: 10, maximumBytes: 1000)
            {
                isEmpty = true
            }
            seen.withLock { $0.append(isEmpty && visible.catalogue.shards[key]?.lastSequence == .zero) }
            return nil
        }
        try await test.put("a")
        test.disk.onOperation(nil)
        #expect(seen.withLock { $0.first } == true)
        #expect(try await test.texts() == ["a"])
        try await test.store.close()
    }

    @Test func `a commit is visible over all shards and streams at once`() async throws {
        let test = try await TestStore.open()
        try await test.store.createStream("s", shards: 2)
        try await test.store.createStream("t", shards: 1)
        try await test.store.createMapping(
            MappingDefinition(key: MappingID(stream: "s", name: "m"), startingPosition: .trimHorizon))
        let epoch = try await test.store.claimMapping(MappingID(stream: "s", name: "m")).epoch
        try await withThrowingTaskGroup(of: Void.self) { group in
            let done = Shared(false)
            group.addTask {
                defer { done.withLock { $0 = true } }
                for round in 1...300 as ClosedRange<UInt64> {
                    _ = try await test.store.commit([
                        .append(Append([NewRecord("x", partitionKey: "k")], to: "s", target: .shard(ShardID(0)))),
                        .append(Append([NewRecord("x", partitionKey: "k")], to: "s", target: .shard(ShardID(1)))),
                        .append(Append([NewRecord("x", partitionKey: "k")], to: "t", target: .shard(ShardID(0)))),
                        .checkpoint(
                            CheckpointMove(
                                mapping: MappingID(stream: "s", name: "m"), epoch: epoch,
                                checkpoint: ShardCheckpoint(shard: ShardID(0), position: SequenceNumber(round)))),
                    ])
                }
            }
            group.addTask {
                while !done.withLock({ $0 }) {
                    // Looked at in turn: what is seen first is not ahead of what is seen later.
                    let first = try await test.store.describeStream("s").shards[0].tip
                    let second = try await test.store.read(
                        ReadRequest(stream: "s", shard: ShardID(1), after: .zero)
                    ).next
                    let third = try await test.store.describeStream("t").shards[0].tip
                    let moved = try await test.store.describeMapping(MappingID(stream: "s", name: "m")).checkpoints[0]
                    #expect(first <= second && second <= third && third <= moved.position)
                }
            }
            try await group.waitForAll()
        }
        try await test.store.close()
    }
}
