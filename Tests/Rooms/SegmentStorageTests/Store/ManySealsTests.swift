import DiskAccess
import Foundation
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import TestTraits
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// STORE-R1: a thousand seals in one commit, through replay, metadata, check, repair and backup.
@Suite(.timeLimit(.minutes(1)))
struct ManySealsTests {
    private let clock = HandClock(1_700_000_000_000)

    /// A store, closed, whose stream went from 1 to 64 shards and back while records were put.
    private func used(_ directory: TestDirectory, flushes: Bool) async throws -> StreamDescription {
        let open = try await FlushedStore.open(directory, clock: clock)
        let stream = open.store.stream("s")
        try await open.store.createStream("s", shards: 1, retention: .seconds(86_400))
        var flushed = 0
        for (round, count) in [64, 1, 3].enumerated() {
            let records = (0..<200).map { NewRecord("\(round) \($0)", partitionKey: "\($0)") }
            try await stream.put(contentsOf: records)
            try await stream.updateShardCount(to: count)
            guard flushes else { continue }
            open.store.core.memtables.closeNow()
            flushed += 1
            try await open.flusher.reached(flushed)
        }
        clock.set(1_700_000_060_000)
        try await stream.put("last", partitionKey: "k")
        let described = try await stream.describe()
        try await open.store.close()
        return described
    }

    /// The check finds nothing, and the store is as it was and goes on.
    private func expect(_ stream: StreamDescription, in directory: TestDirectory) async throws {
        let check = try await SegmentStore.check(at: directory.path, timeSource: clock)
        #expect(check.verdict == .whole && check.findings == [], "\(check.findings)")
        let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        #expect(try await store.describeStream("s") == stream)
        #expect(try await store.everything(of: "s").texts.count == 601)
        // The ranges are routed by, and the numbers go on.
        let put = try await store.stream("s").put("more", partitionKey: "k")
        #expect(stream.openShards.contains { $0.id == put.shard })
        #expect(try await store.stream("s").updateShardCount(to: 4).opened.min()?.number == UInt32(stream.shards.count))
        try await store.close()
    }

    @Test(arguments: [false, true]) func `are replayed, checked and opened`(flushes: Bool) async throws {
        let directory = TestDirectory()
        let stream = try await used(directory, flushes: flushes)
        #expect(stream.openShards.map(\.hashKeyRange).sorted { $0.first < $1.first } == HashKeyRange.even(3))
        try await expect(stream, in: directory)
    }

    @Test(arguments: [false, true]) func `are found by a repair without metadata`(flushes: Bool) async throws {
        let directory = TestDirectory()
        let stream = try await used(directory, flushes: flushes)
        for name in try FileManager.default.contentsOfDirectory(atPath: directory.path)
        where name.hasPrefix("metadata.sqlite") {
            try FileManager.default.removeItem(atPath: "\(directory.path)/\(name)")
        }
        let report = try await SegmentStore.repair(at: directory.path, dryRun: false, timeSource: clock)
        #expect(report.isApplied && report.lost.isEmpty)
        let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        let found = try await store.describeStream("s")
        #expect(
            found.openShards.map(\.hashKeyRange).sorted { $0.first < $1.first } == HashKeyRange.even(3)
                && found.openShards.map(\.id) == stream.openShards.map(\.id))
        #expect(try await store.everything(of: "s").texts.count == 601)
        try await store.close()
    }

    @Test func `are in a backup`() async throws {
        let directory = TestDirectory()
        let stream = try await used(directory, flushes: true)
        let backup = TestDirectory()
        let target = backup.path + "/copy"
        let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        _ = try await store.backup(to: target)
        try await store.close()
        let restored = backup.path + "/restored"
        _ = try await SegmentStore.restore(target, to: restored, timeSource: clock)
        let again = try await SegmentStore.open(at: restored, timeSource: clock, logger: silent)
        let found = try await again.describeStream("s")
        #expect(found.shards.map(\.id) == stream.shards.map(\.id))
        #expect(found.shards.map(\.parents) == stream.shards.map(\.parents))
        #expect(try await again.everything(of: "s").texts.count == 601)
        try await again.close()
    }
}

/// STORE-P18: a commit of many seals is there whole after a crash, or not at all.
@Suite(.timeLimit(.minutes(1)), .restingExecutor)
struct TornSealsTests {
    @Test func `after a crash all of a commit's seals are there, or none`() async throws {
        var machine = try SteppedMachine()
        try await machine.run { store in
            _ = try await store.createStream("s", settings: StreamSettings(shards: 2))
            _ = try await store.stream("s").put("a", partitionKey: "k")
            _ = try await store.stream("s").updateShardCount(to: 40)
        }
        machine = try machine.crashed()
        let stream = try await machine.run { try await $0.describeStream("s") }
        #expect(stream.openShards.count == 40 && stream.shards.count == 42)
        machine.flush()
        _ = try await machine.run { try await $0.stream("s").updateShardCount(to: 3) }
        machine = try machine.crashed()
        let after = try await machine.run { try await $0.describeStream("s") }
        #expect(after.openShards.map(\.hashKeyRange).sorted { $0.first < $1.first } == HashKeyRange.even(3))
        machine.maintain()
        machine = try machine.reopened()
        #expect(try await machine.run { try await $0.describeStream("s") } == after)
    }
}
