import DiskAccess
import Glibc
import Logging
import Metrics
import MetricsTestKit
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import TestTraits
import Testing

@testable import SegmentStorage

/// STORE-C9: what a store does when its disk is full, and when there is room again.
@Suite(.timeLimit(.minutes(2)), .restingExecutor)
struct FullDiskTests {
    // MARK: While it is full

    @Test func `checkpoints for an hour`() async throws {
        let full = try await FullDisk.filled()
        let before = full.written
        #expect(full.moveCheckpoint(to: 1) == nil)
        for half in 1...7_200 {
            full.time.advance(by: .milliseconds(500))
            #expect(full.moveCheckpoint(to: 1 + half * (full.count - 1) / 7_200) == nil)
            if half % 2 == 0 { full.runMaintenance() }
        }
        // Neither the journal nor a segment was touched, and nothing was tried over and over.
        #expect(full.written == before)
        #expect(try await full.position() == full.count)
        #expect(try await full.texts().count == full.count)
        // STORE-P22: the metadata are newer than the journal.
        let again = try await FullDisk.open(full.disk.afterCrash(), full.model, time: full.time)
        #expect(try await again.position() == full.count)
        #expect(try await again.texts().count == full.count)
    }

    @Test func `what is put is refused at once, with what is free and what is needed`() async throws {
        let full = try await FullDisk.filled()
        let error = await expectError(.diskFull) { try await full.store.stream("s").put("x", partitionKey: "k") }
        let message = try #require(error?.message)
        #expect(message.contains("the disk of '/store' is full (can't write '/store/segments/"))
        #expect(message.contains("KiB are free, 2 MiB are needed; no records are taken until there is room"))
        #expect(error?.isRetriable == true)
        // A server asks this before it is sent requests.
        #expect(await full.store.writeRefusal()?.code == .diskFull)
        // Nothing of it waits for the writer.
        #expect(full.store.core.queue.count == 0)
    }

    @Test func `calls that were in the queue are sorted: records are refused, checkpoints kept`() async throws {
        let full = try await FullDisk.filled(leavesHouse: true)
        async let put = full.store.stream("s").put("late", partitionKey: "k")
        await RestingExecutor.current.rest { full.store.core.queue.count >= 1 }
        let moved = Shared<(any Error)?>(nil)
        full.submit([full.checkpoint(at: 1)]) { result in
            if case .failure(let error) = result { moved.withLock { $0 = error } }
        }
        full.runMaintenance()
        #expect(full.store.core.space.refusal != nil)
        full.step()
        do {
            _ = try await put
            Issue.record("the record was taken")
        } catch let error as ShardlineError {
            #expect(error.code == .diskFull)
        }
        #expect(moved.withLock { $0 == nil })
        #expect(try await full.position() == 1)
    }

    @Test func `a large state and a document have to wait, a small state does not`() async throws {
        let full = try await FullDisk.filled()
        let large = full.checkpoint(at: 1, state: [UInt8](repeating: 1, count: (64 << 10) + 1))
        #expect((full.answer([large]) as? ShardlineError)?.code == .diskFull)
        let document = Change.append(Append([NewRecord("document", partitionKey: "k")], to: "s"))
        await expectError(.diskFull) { try await full.store.commit([document, full.checkpoint(at: 1)]) }
        #expect(full.answer([full.checkpoint(at: 1, state: [UInt8](repeating: 1, count: 64 << 10))]) == nil)
        let again = try await FullDisk.open(full.disk.afterCrash(), full.model, time: full.time)
        let found = try await again.store.describeMapping(FullDisk.key).checkpoints[0]
        #expect(found.position == SequenceNumber(1))
        #expect(found.state.count == 64 << 10)
    }

    @Test func `a checkpoint from before, still in the journal, does not take a later one back`() async throws {
        let full = try await FullDisk.filled { open in
            for position in 1...3 { #expect(open.moveCheckpoint(to: position) == nil) }
        }
        #expect(full.moveCheckpoint(to: 5) == nil)
        for losing in [true, false] {
            let again = try await FullDisk.open(
                full.disk.afterCrash(losingUnsynced: losing), full.model, time: full.time)
            #expect(try await again.position() == 5)
        }
    }

    @Test func `a metadata without room answers that, and forgets nothing`() async throws {
        let full = try await FullDisk.filled()
        full.model.fail(with: MetadataError(.noSpace, "database or disk is full"))
        #expect((full.answer([full.checkpoint(at: 4)]) as? ShardlineError)?.code == .diskFull)
        #expect(try await full.position() == 0)
        full.model.fail(with: nil)
        #expect(full.moveCheckpoint(to: 3) == nil)
        #expect(try await full.position() == 3)
    }

    // MARK: Opened while it is full

    /// A store that was closed in good order, with a reserve, on a disk that is filled by somebody else.
    private func closedOnFullDisk() async throws -> FullDisk {
        let full = try await FullDisk.open(MemoryFileSystem(), ModelMetadata(), time: VirtualTime())
        try await full.prepare()
        for index in 0..<12 { try await full.put("record \(index)") }
        full.runMaintenance()
        #expect(full.disk.contents["/store/reserve"]?.count == DiskSpace.reserveSize)
        return full
    }

    @Test func `a store that is opened on a full disk gives up the reserve, and does everything but take records`()
        async throws
    {
        let before = try await closedOnFullDisk()
        let disk = before.disk.afterCrash()
        disk.capacity = disk.usedBytes
        let full = try await FullDisk.open(disk, before.model, time: before.time, needsRoom: true)
        #expect(disk.contents["/store/reserve"] == nil)
        #expect(try await full.texts().count == 12)
        let epoch = try await full.stepping { try await full.store.claimMapping(FullDisk.key) }.epoch
        let move = Change.checkpoint(
            CheckpointMove(
                mapping: FullDisk.key, epoch: epoch,
                checkpoint: ShardCheckpoint(shard: ShardID(0), position: SequenceNumber(12))))
        let written = full.written
        #expect(full.answer([move]) == nil)
        #expect(full.written == written)
        let error = await expectError(.diskFull) { try await full.store.stream("s").put("x", partitionKey: "k") }
        #expect(
            error?.message.contains("the disk of '/store' is full (no room): 2 MiB are free") == true, "\(error as Any)"
        )
        try await full.stepping { try await full.store.deleteStream("s", force: true) }
        #expect(try await full.store.listStreams().isEmpty)
        #expect(full.lines.count { $0.contains("is full") } == 1)
        // And with room it is as any other.
        disk.capacity += 8 << 20
        full.runMaintenance()
        #expect(full.store.core.space.refusal == nil)
        #expect(disk.contents["/store/reserve"]?.count == DiskSpace.reserveSize)
    }

    @Test func `a store that can't be opened without room says what is free and what is needed, and stays as it is`()
        async throws
    {
        let before = try await closedOnFullDisk()
        let disk = before.disk.afterCrash()
        disk.capacity = disk.usedBytes - DiskSpace.reserveSize
        let error = await expectError(.diskFull) {
            try await FullDisk.open(disk, before.model, time: before.time, needsRoom: true)
        }
        #expect(
            error?.message
                == "the disk of '/store' is full (no room): 0 KiB are free, 2 MiB are needed; the store can't be opened until there is room: remove other files from that disk"
        )
        disk.capacity += 1 << 30
        let again = try await FullDisk.open(disk, before.model, time: before.time, needsRoom: true)
        #expect(try await again.texts().count == 12)
    }

    @Test func `where no reserve is left it is not said that checkpoints are kept`() async throws {
        let full = try await FullDisk.filled(leavesHouse: true)
        // Somebody else has its place already.
        try full.disk.remove("/store/reserve")
        full.disk.capacity -= DiskSpace.reserveSize
        full.runMaintenance()
        #expect(full.store.core.space.refusal != nil)
        #expect(full.lines.count { $0.contains("is full") && $0.contains("checkpoints may have to wait") } == 1)
        #expect(!full.lines.contains { $0.contains("checkpoints are kept") })
    }

    @Test func `a disk that never has room for all that may wait has a reserve too`() async throws {
        let small = try await FullDisk.open(
            MemoryFileSystem(), ModelMetadata(), time: VirtualTime(), memtableSize: 32 << 20)
        small.disk.capacity = 24 << 20
        try await small.prepare()
        small.time.advance(by: .seconds(1))
        small.runMaintenance()
        #expect(small.disk.contents["/store/reserve"]?.count == DiskSpace.reserveSize)
    }

    @Test func `a journal file that does not go in is not begun for nothing`() async throws {
        let full = try await FullDisk.open(MemoryFileSystem(), ModelMetadata(), time: VirtualTime())
        try await full.prepare()
        full.disk.capacity = full.disk.usedBytes + (1 << 20)
        let before = full.written
        for _ in 0..<3 { full.runMaintenance() }
        #expect(full.written == before)
        #expect(full.store.core.space.refusal == nil)
    }

    // MARK: When there is room again

    @Test func `a folder in the place of the reserve is put aside`() async throws {
        let open = try await FullDisk.open(MemoryFileSystem(), ModelMetadata(), time: VirtualTime())
        try await open.prepare()
        for folder in ["/store/quarantine", "/store/quarantine/reserve-1", "/store/reserve"] {
            try open.disk.createDirectory(folder)
        }
        _ = try open.disk.open("/store/reserve/mine", .create)
        open.runMaintenance()
        #expect(open.disk.contents["/store/reserve"]?.count == DiskSpace.reserveSize)
        #expect(open.disk.contents["/store/quarantine/reserve-2/mine"] == [])
        #expect(open.lines.count { $0.contains("quarantine/reserve-2") } == 1)
        try await open.put("x")
    }

    @Test func `records are taken again when there is room, after everything from before`() async throws {
        let full = try await FullDisk.filled()
        #expect(full.disk.contents["/store/reserve"] == nil)
        #expect(full.moveCheckpoint(to: 7) == nil)
        // What the reserve had is free, but its place alone is not enough.
        full.disk.capacity += 50_000
        full.runMaintenance()
        #expect(full.store.core.space.refusal != nil)
        full.disk.capacity += 1 << 20
        full.runMaintenance()
        #expect(full.store.core.space.refusal == nil)
        #expect(full.disk.contents["/store/reserve"]?.count == DiskSpace.reserveSize)
        try await full.put("after")
        #expect(full.moveCheckpoint(to: 9) == nil)
        #expect(try await full.texts().last == "after")
        let again = try await FullDisk.open(full.disk.afterCrash(), full.model, time: full.time)
        #expect(try await again.texts().count == full.count)
        #expect(try await again.position() == 9)
        // One line when it began, one when it was over.
        #expect(full.lines.count { $0.hasPrefix("error the disk of '/store' is full") } == 1)
        #expect(full.lines.count { $0.hasPrefix("notice the disk of '/store' has room again") } == 1)
    }

    @Test func `a disk that only seems to have room is tried and left as it is, without a word`() async throws {
        let full = try await FullDisk.filled()
        full.disk.capacity += 8 << 20
        // As a quota does it.
        full.disk.onOperation { $0.kind == .write && $0.path.contains("/segments/") ? .error(ENOSPC) : nil }
        for _ in 0..<5 { full.runMaintenance() }
        #expect(full.store.core.space.refusal != nil)
        #expect(full.disk.contents["/store/reserve"] == nil)
        #expect(full.moveCheckpoint(to: 2) == nil)
        #expect(full.lines.count { $0.contains("full") } == 1)
        full.disk.onOperation(nil)
        full.runMaintenance()
        try await full.put("after")
        #expect(try await full.texts().count == full.count)
    }

    /// STORE-P23: the reserve is deleted, or half made.
    @Test(arguments: [nil, 0, 1 << 20]) func `the reserve is recreated when the store is opened`(
        length: Int?
    ) async throws {
        let full = try await FullDisk.filled()
        var contents = full.disk.afterCrash().contents
        contents["/store/reserve"] = length.map { [UInt8](repeating: 0, count: $0) }
        let disk = MemoryFileSystem(contents: contents)
        let again = try await FullDisk.open(disk, full.model, time: full.time)
        again.time.advance(by: .seconds(1))
        again.runMaintenance()
        #expect(again.disk.contents["/store/reserve"]?.count == DiskSpace.reserveSize)
        #expect(try await again.texts().count == full.count)
    }

    @Test func `no room for another journal file is a full disk too`() async throws {
        let open = try await FullDisk.open(
            MemoryFileSystem(), ModelMetadata(), time: VirtualTime(), memtableSize: 1 << 20)
        try await open.prepare()
        open.disk.capacity = open.disk.usedBytes
        var refused: (any Error)?
        for _ in 0..<60 where refused == nil {
            do { try await open.put("x") } catch { refused = error }
        }
        #expect((refused as? ShardlineError)?.code == .diskFull)
        let count = try await open.texts().count
        #expect(open.moveCheckpoint(to: count) == nil)
        #expect(try await open.position() == count)
        open.disk.capacity = 1 << 40
        open.runMaintenance()
        try await open.put("after")
        #expect(try await open.texts().count == count + 1)
    }

    @Test func `one metric says that the disk is full`() throws {
        let metrics = TestMetrics()
        let disk = MemoryFileSystem(contents: ["/store/reserve": []])
        let space = DiskSpace(
            fileSystem: disk, directory: "/store", unflushed: 0, admission: Admission(limit: 1), logger: silent,
            metrics: metrics)
        space.ranOut("no room")
        space.ranOut("no room")
        #expect(try metrics.expectGauge("shardline.DiskFull").values == [1])
        space.regained()
        #expect(try metrics.expectGauge("shardline.DiskFull").values == [1, 0])
    }
}
