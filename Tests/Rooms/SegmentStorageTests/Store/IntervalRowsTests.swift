import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import TestTraits
import Testing

@testable import SegmentStorage

/// STORE-C11: under `.interval` rows of the metadata are not ahead of what the journal has on the disk.
@Suite(.timeLimit(.minutes(1)), .restingExecutor)
struct IntervalRowsTests {
    private func open(_ disk: MemoryFileSystem, _ metadata: ModelMetadata) async throws -> SegmentStore {
        var internals = SegmentStore.Internals()
        internals.fileSystem = disk
        internals.ringFileSize = 64 << 10
        internals.newStore = StoreID(bytes: Array(1...16))
        internals.startsThreads = false
        let time = VirtualTime()
        internals.makeBacking = { directory in
            let backing = SegmentBacking(
                fileSystem: disk, directory: directory, timeSource: time, logger: silent, openMetadata: { metadata })
            return Backing(metadata: backing, flusher: backing, past: backing, close: { try backing.close() })
        }
        var configuration = SegmentStore.Configuration()
        configuration.durability = .interval(.seconds(60))
        return try await SegmentStore.open(
            at: TestStore.directory, configuration: configuration, timeSource: time, logger: silent,
            internals: internals)
    }

    /// Takes the writer's steps until the call has ended.
    private func write<Result: Sendable>(
        _ store: SegmentStore, _ call: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let isDone = Shared(false)
        return try await withThrowingTaskGroup(of: Result.self) { group in
            group.addTask {
                defer { isDone.withLock { $0 = true } }
                return try await call()
            }
            await RestingExecutor.current.rest {
                _ = store.core.writer.step(at: store.timeSource.monotonicTime)
                return isDone.withLock { $0 }
            }
            return try await group.next()!
        }
    }

    @Test(arguments: [false, true])
    func `a checkpoint that outlives a loss of power has what it says is done, and the document, before it`(
        flushes: Bool
    ) async throws {
        let (disk, metadata) = (MemoryFileSystem(), ModelMetadata())
        let store = try await open(disk, metadata)
        let mapping = MappingID(stream: "s", name: "m")
        _ = try await write(store) { try await store.createStream("s", shards: 1) }
        _ = try await write(store) { try await store.createStream("dead", shards: 1) }
        _ = try await write(store) {
            try await store.createMapping(MappingDefinition(key: mapping, startingPosition: .trimHorizon))
        }
        let epoch = try await write(store) { try await store.claimMapping(mapping).epoch }
        _ = try await write(store) {
            try await store.commit([.append(Append([NewRecord(Array("bad".utf8), partitionKey: "k")], to: "s"))])
        }
        if flushes { store.core.memtables.closeNow() }
        _ = try await write(store) {
            try await store.commit([
                .append(Append([NewRecord(Array("document".utf8), partitionKey: "k")], to: "dead")),
                .checkpoint(
                    CheckpointMove(
                        mapping: mapping, epoch: epoch,
                        checkpoint: ShardCheckpoint(shard: ShardID(0), position: SequenceNumber(1)))),
            ])
        }
        #expect(store.core.maintenance.stepNow())

        let again = try await open(disk.afterCrash(), metadata)
        let checkpoint = try await again.describeMapping(mapping).checkpoints.first?.position
        #expect(checkpoint == SequenceNumber(1))
        for stream in ["s", "dead"] {
            let read = try await again.read(ReadRequest(stream: stream, shard: ShardID(0), after: .zero))
            #expect(read.batch.count == 1, "\(stream)")
        }
    }

    /// STORE-C4: also where nothing but a flushed journal is left to tell that the store was used under an interval.
    @Test(arguments: [true, false])
    func `what was seen after the last flush and is lost with the power lends its numbers to nothing else`(
        endsOrderly: Bool
    ) async throws {
        let (disk, metadata) = (MemoryFileSystem(), ModelMetadata())
        let store = try await open(disk, metadata)
        func put(_ text: String, to store: SegmentStore) async throws -> SequenceNumber {
            try await write(store) {
                try await store.stream("s").put(Array(text.utf8), partitionKey: "k").sequenceNumber
            }
        }
        _ = try await write(store) { try await store.createStream("s", shards: 1) }
        #expect(try await put("flushed", to: store) == SequenceNumber(1))
        if endsOrderly {
            store.core.beginClosing()
            while store.core.writer.step(at: store.timeSource.monotonicTime) != .finished {}
            store.core.memtables.closeNow()
            #expect(store.core.maintenance.stepNow())
            let again = try await open(disk.afterCrash(), metadata)
            #expect(try await put("next", to: again) == SequenceNumber(2))
            return
        }
        store.core.memtables.closeNow()
        #expect(store.core.maintenance.stepNow())
        #expect(try await put("seen", to: store) == SequenceNumber(2))

        let again = try await open(disk.afterCrash(), metadata)
        #expect(try await again.read(ReadRequest(stream: "s", shard: ShardID(0), after: .zero)).batch.count == 1)
        #expect(try await put("another", to: again) == SequenceNumber(2 + 1 << 32))
    }

    /// STORE-C4: a stream of the same name that is recreated would begin with the same numbers.
    @Test func `a stream, a shard and a mapping that were acknowledged are there after a loss of power`() async throws {
        let (disk, metadata) = (MemoryFileSystem(), ModelMetadata())
        let store = try await open(disk, metadata)
        func put(to store: SegmentStore) async throws -> SequenceNumber {
            try await write(store) {
                try await store.stream("s").put(Array("seen".utf8), partitionKey: "k").sequenceNumber
            }
        }
        _ = try await write(store) { try await store.createStream("s", shards: 1) }
        #expect(try await put(to: store) == SequenceNumber(1))
        let second = disk.afterCrash()
        let again = try await open(second, metadata)
        #expect(try await put(to: again) == SequenceNumber(1 << 32 + 1))

        let middle = HashKey(UInt128.max / 2)
        _ = try await write(again) {
            try await again.commit([
                .seal(
                    Seal(
                        stream: "s", parents: [ShardID(0)],
                        children: [
                            HashKeyRange(first: HashKey(0), last: middle),
                            HashKeyRange(first: HashKey(middle.value + 1), last: HashKey(UInt128.max)),
                        ]))
            ])
        }
        let mapping = MappingID(stream: "s", name: "m")
        _ = try await write(again) {
            try await again.createMapping(MappingDefinition(key: mapping, startingPosition: .latest))
        }
        _ = try await put(to: again)
        let last = try await open(second.afterCrash(), metadata)
        let stream = try await last.describeStream("s")
        #expect(stream.shards.count == 3)
        #expect(try await last.describeMapping(mapping).checkpoints.isEmpty == false)
        #expect(try await put(to: last) > SequenceNumber(2 << 32))
    }

    /// STORE-C11: also where the writer finds new calls whenever it looks, and never comes to rest.
    @Test func `a sync comes after the interval under a load without pauses too`() async throws {
        let (disk, metadata) = (MemoryFileSystem(), ModelMetadata())
        let store = try await open(disk, metadata)
        let time = try #require(store.timeSource as? VirtualTime)
        _ = try await write(store) { try await store.createStream("s", shards: 1) }
        let writer = store.core.writer
        for number in 1...4 {
            async let receipt = store.stream("s").put([UInt8(number)], partitionKey: "k")
            await RestingExecutor.current.rest { store.core.queue.hasNews }
            #expect(writer.step(at: time.monotonicTime) == .worked)
            _ = try await receipt
            time.advance(by: .seconds(25))
        }
        // The first was 75 seconds old when the last was written.
        let again = try await open(disk.afterCrash(), metadata)
        let read = try await again.read(ReadRequest(stream: "s", shard: ShardID(0), after: .zero))
        #expect(read.batch.count == 4)
    }

    @Test func `of the journal only what was written since its last sync is synced again`() async throws {
        let store = try await open(MemoryFileSystem(), ModelMetadata())
        _ = try await write(store) { try await store.createStream("s", shards: 1) }
        let ring = store.core.ring
        func syncs() throws -> Int {
            let before = ring.syncs
            try ring.synchronizeAll()
            return ring.syncs - before
        }
        #expect(try syncs() == 0)
        // More than a file of the journal.
        for _ in 0..<3 {
            _ = try await write(store) { try await store.stream("s").put(noise(40 << 10), partitionKey: "k") }
        }
        #expect(ring.filesInUse > 2)
        #expect(try syncs() >= 2)
        #expect(try syncs() == 0)
        _ = try await write(store) { try await store.stream("s").put(noise(100), partitionKey: "k") }
        #expect(try syncs() == 1)
    }
}
