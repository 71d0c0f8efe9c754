import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestSupport
import Testing

@testable import SegmentStorage

/// What the embedded store answers without a task is what its other calls answer.
@Suite(.timeLimit(.minutes(1)))
struct DirectStoreTests {
    private func store(shards: Int = 1) async throws -> TestStore {
        let test = try await TestStore.open()
        try await test.store.createStream("s", shards: shards)
        return test
    }

    @Test func `a read at once finds what a read finds, with every limit`() async throws {
        let test = try await store()
        for text in ["a", "b", "c"] { try await test.put(text, text + text) }
        for after in 0...6 as ClosedRange<UInt64> {
            for (records, bytes) in [(1, 1 << 20), (2, 1 << 20), (10, 1), (10, 3), (10, 1 << 20)] {
                let request = ReadRequest(
                    stream: "s", shard: ShardID(0), after: SequenceNumber(after), maximumRecords: records,
                    maximumBytes: bytes)
                let direct = try #require(try test.store.readAtOnce(request))
                let other = try await test.store.read(request)
                #expect(direct.batch.map(\.sequenceNumber) == other.batch.map(\.sequenceNumber))
                #expect(direct.batch.map { Array($0.bytes) } == other.batch.map { Array($0.bytes) })
                #expect(direct.next == other.next && direct.tip == other.tip)
                #expect(direct.endOfShard == other.endOfShard && direct.expired == nil && direct.lost == nil)
            }
        }
        #expect(throws: ShardlineError.self) {
            try test.store.readAtOnce(ReadRequest(stream: "none", shard: ShardID(0), after: .zero))
        }
        try await test.store.close()
    }

    @Test func `a closed shard's end is told, and its last records before it`() async throws {
        let test = try await store()
        try await test.put("a")
        let whole = HashKeyRange(first: HashKey(0), last: HashKey(.max))
        let halves = [
            HashKeyRange(first: whole.first, last: HashKey(.max / 2)),
            HashKeyRange(first: HashKey(.max / 2 + 1), last: whole.last),
        ]
        _ = try await test.store.commit([.seal(Seal(stream: "s", parents: [ShardID(0)], children: halves))])
        let result = try test.store.readAtOnce(ReadRequest(stream: "s", shard: ShardID(0), after: .zero))
        #expect(result?.batch.count == 1)
        #expect(result?.endOfShard == [ShardID(1), ShardID(2)])
        try await test.store.close()
    }

    @Test func `what may have expired, or is in segments, is left to the other call`() async throws {
        let test = try await store()
        try await test.put("a")
        test.time.advance(by: .seconds(25 * 3600))
        #expect(try test.store.readAtOnce(ReadRequest(stream: "s", shard: ShardID(0), after: .zero)) == nil)
        try await test.store.close()
        let directory = TestDirectory()
        let flushed = try await FlushedStore.open(directory, clock: HandClock(1_700_000_000_000), memtableSize: 1)
        try await flushed.store.createStream("s", shards: 1)
        try await flushed.store.stream("s").put("a", partitionKey: "k")
        try await flushed.store.stream("s").put("b", partitionKey: "k")
        try await flushed.flusher.reached(2)
        #expect(try flushed.store.readAtOnce(ReadRequest(stream: "s", shard: ShardID(0), after: .zero)) == nil)
        try await flushed.store.close()
    }

    @Test func `what a reader in memory has not come to stays there for two memtables after its own`() async throws {
        let directory = TestDirectory()
        let flushed = try await FlushedStore.open(directory, clock: HandClock(1_700_000_000_000), memtableSize: 1)
        try await flushed.store.createStream("s", shards: 1)
        let stream = flushed.store.stream("s")
        func inMemory() throws -> Int? {
            try flushed.store.readAtOnce(ReadRequest(stream: "s", shard: ShardID(0), after: .zero))?.batch.count
        }
        flushed.flusher.hold(true)
        try await stream.put("a", partitionKey: "k")
        #expect(try inMemory() == 1)
        try await stream.put("b", partitionKey: "k")
        flushed.flusher.hold(false)
        try await flushed.flusher.reached(2)
        #expect(try inMemory() == 2)
        try await stream.put("c", partitionKey: "k")
        try await flushed.flusher.reached(3)
        // The store has done all about a flush when it begins the next one.
        try await stream.put("d", partitionKey: "k")
        try await flushed.flusher.reached(4)
        #expect(try inMemory() == nil)
        try await flushed.store.close()
    }

    @Test func `who waits is called once: at once where something is there, else when it comes`() async throws {
        let test = try await store(shards: 2)
        let calls = Mutex<[String]>([])
        try await test.put("a")
        let shard = try await test.store.describeStream("s").shards.first { $0.tip > .zero }!.id
        func watch(_ name: String, after position: UInt64) throws {
            try test.store.directShard(shard, of: "s").whenAvailable(after: SequenceNumber(position)) {
                calls.withLock { $0.append(name) }
            }
        }
        try watch("there", after: 0)
        #expect(calls.withLock { $0 } == ["there"])
        try watch("next", after: 1)
        #expect(calls.withLock { $0 } == ["there"])
        try await test.put("b")
        try await test.put("c")
        #expect(calls.withLock { $0 } == ["there", "next"])
        try watch("end", after: 3)
        try await test.store.close()
        #expect(calls.withLock { $0 } == ["there", "next", "end"])
    }

    @Test func `a submitted checkpoint is durable when it is answered, a fenced one is refused`() async throws {
        let test = try await store()
        let mapping = MappingID(stream: "s", name: "m")
        try await test.put("a", "b")
        try await test.store.createMapping(MappingDefinition(key: mapping, startingPosition: .trimHorizon))
        let claim = try await test.store.claimMapping(mapping)
        #expect(try test.store.summary(of: mapping).epoch == claim.epoch)
        func submit(_ position: UInt64, epoch: UInt64) async throws -> CommitOutcome {
            let checkpoint = ShardCheckpoint(shard: ShardID(0), position: SequenceNumber(position))
            return try await withCheckedThrowingContinuation { continuation in
                test.store.submit(
                    [.checkpoint(CheckpointMove(mapping: mapping, epoch: epoch, checkpoint: checkpoint))],
                    urgency: .now
                ) { continuation.resume(with: $0) }
            }
        }
        guard case .committed = try await submit(2, epoch: claim.epoch) else {
            Issue.record("the checkpoint was not taken")
            return
        }
        let image = test.disk.afterCrash()
        await expectError(.fenced) { try await submit(2, epoch: claim.epoch - 1) }
        try await test.store.close()
        await expectError(.closed) { try await submit(2, epoch: claim.epoch) }
        let again = try await TestStore.open(image)
        #expect(try await again.store.describeMapping(mapping).checkpoints.map(\.position) == [SequenceNumber(2)])
        try await again.store.close()
    }
}

extension SegmentStore {
    fileprivate func readAtOnce(_ request: ReadRequest) throws -> ReadResult? {
        try directShard(request.shard, of: request.stream).read(
            after: request.after, maximumRecords: request.maximumRecords, maximumBytes: request.maximumBytes)
    }
}
