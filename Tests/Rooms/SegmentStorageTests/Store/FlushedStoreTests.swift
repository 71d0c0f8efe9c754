import DiskAccess
import Foundation
import StreamModel
import StreamStorage
import Synchronization
import TestSupport
import Testing

@testable import SegmentStorage

/// A whole store whose journal is flushed to segments while it works.
@Suite(.timeLimit(.minutes(2)))
struct FlushedStoreTests {
    private let directory = TestDirectory()
    private let clock = HandClock(1_700_000_000_000)

    private func text(_ index: Int) -> String { "record \(index) " + String(repeating: "x", count: index % 50) }

    @Test func `what was put is read back across flushes, and across opening again`() async throws {
        var open = try await FlushedStore.open(directory, clock: clock)
        try await open.store.createStream("s", shards: 3)
        var expected: [UInt32: [String]] = [:]
        var index = 0
        for round in 0..<3 {
            for _ in 0..<60 {
                let records = (0..<25).map { offset in
                    NewRecord(text(index + offset), partitionKey: "key \((index + offset) % 41)")
                }
                index += 25
                let receipts = try await open.store.stream("s").put(contentsOf: records)
                for (record, receipt) in zip(records, receipts) {
                    expected[receipt.shard.number, default: []].append(String(decoding: record.data, as: UTF8.self))
                }
            }
            try await open.flusher.reached(1)
            for shard in 0..<3 as Range<UInt32> {
                #expect(try await open.all(of: "s", shard: shard) == expected[shard] ?? [], "round \(round)")
            }
            try await open.store.close()
            open = try await FlushedStore.open(directory, clock: clock)
            for shard in 0..<3 as Range<UInt32> {
                #expect(try await open.all(of: "s", shard: shard, portion: 7) == expected[shard] ?? [])
            }
        }
        #expect(try !FileManager.default.contentsOfDirectory(atPath: directory.path + "/segments").isEmpty)
        try await open.store.close()
    }

    @Test func `files of the ring are used again, so the journal does not grow`() async throws {
        var numbers = SeededRandom(6)
        let open = try await FlushedStore.open(directory, clock: clock)
        try await open.store.createStream("s", shards: 1)
        // Many times what the ring's files hold.
        for _ in 0..<80 {
            try await open.store.stream("s").put(noise(16_000, &numbers), partitionKey: "k")
        }
        #expect(open.flusher.flushes > 10)
        #expect(try open.ringFiles(directory) <= 10)
        #expect(try await open.all(of: "s").count == 80)
        try await open.store.close()
        let again = try await FlushedStore.open(directory, clock: clock)
        #expect(try await again.all(of: "s").count == 80)
        try await again.store.close()
    }

    @Test func `a start after a flush replays only what comes after it`() async throws {
        let open = try await FlushedStore.open(directory, clock: clock)
        try await open.store.createStream("s", shards: 1)
        for index in 0..<100 {
            try await open.store.stream("s").put(text(index) + String(repeating: "y", count: 900), partitionKey: "k")
        }
        try await open.flusher.reached(3)
        try await open.store.close()
        let start = try #require(try SegmentBacking.inDirectory(directory).load()?.start)
        #expect(start.commit > 50)
        let again = try await FlushedStore.open(directory, clock: clock)
        #expect(again.store.core.memtables.unflushedBytes < 30_000)
        #expect(try await again.all(of: "s").count == 100)
        try await again.store.close()
    }

    @Test func `memory stays bounded while the flush stands still, and producers wait`() async throws {
        let open = try await FlushedStore.open(directory, clock: clock, memtableSize: 50_000)
        try await open.store.createStream("s", shards: 1)
        open.flusher.hold(true)
        let acknowledged = Counter()
        let most = try await withThrowingTaskGroup(of: Void.self) { group in
            for producer in 0..<4 {
                group.addTask {
                    for index in 0..<50 {
                        let data = Array(repeating: UInt8(truncatingIfNeeded: index), count: 5_000)
                        try await open.store.stream("s").put(data, partitionKey: "\(producer)")
                        acknowledged.add()
                    }
                }
            }
            // Nothing may be taken any more once two memtables are full; let go when that is so.
            let memtables = open.store.core.memtables
            await eventually { memtables.isBehind }
            let most = memtables.unflushedBytes
            #expect(acknowledged.value < 200)
            open.flusher.hold(false)
            try await group.waitForAll()
            return most
        }
        #expect(acknowledged.value == 200)
        // Two memtables, each over its size by a group at most, and a group that was in the queue when the second one was
        // full; a group is no more than a call of each producer, with what a run takes beside its bytes.
        #expect(most <= 2 * 50_000 + 3 * 4 * (5_010 + 320))
        #expect(try await open.all(of: "s").count == 200)
        try await open.store.close()
    }

    @Test func `a reader sees retention to the millisecond, in segments and in memory`() async throws {
        let open = try await FlushedStore.open(directory, clock: clock, memtableSize: 4_000)
        try await open.store.createStream("s", shards: 1, retention: .seconds(10))
        let start = 1_700_000_000_000 as Int64
        for index in 0..<40 {
            clock.set(start + Int64(index) * 10)
            try await open.store.stream("s").put(String(repeating: "z", count: 400), partitionKey: "k")
        }
        try await open.flusher.reached(3)
        // The thirty-second record's age is below its retention, at it, and beyond.
        for (now, expired) in [(309, 31), (310, 32), (311, 32), (389, 39)] as [(Int64, UInt64)] {
            clock.set(start + 10_000 + now)
            let result = try await open.store.read(ReadRequest(stream: "s", shard: ShardID(0), after: .zero))
            #expect(result.expired == SequenceNumber(1)...SequenceNumber(expired), "at \(now)")
            #expect(result.batch.first?.sequenceNumber.rawValue == expired + 1)
            #expect(
                try await open.store.position(of: .trimHorizon, in: "s", shard: ShardID(0)).rawValue == expired)
        }
        clock.set(start + 10_000 + 390)
        let result = try await open.store.read(ReadRequest(stream: "s", shard: ShardID(0), after: .zero))
        #expect(result.batch.isEmpty)
        #expect(result.expired == SequenceNumber(1)...SequenceNumber(40))
        #expect(result.next.rawValue == 40)
        try await open.store.close()
    }

    @Test func `a time is found in segments and in memory`() async throws {
        let open = try await FlushedStore.open(directory, clock: clock, memtableSize: 4_000)
        try await open.store.createStream("s", shards: 1)
        let start = 1_700_000_000_000 as Int64
        for index in 0..<40 {
            clock.set(start + Int64(index) * 10)
            try await open.store.stream("s").put(String(repeating: "z", count: 400), partitionKey: "k")
        }
        try await open.flusher.reached(3)
        for index in 0..<40 as Range<Int64> {
            let position = try await open.store.position(
                of: .atTimestamp(Timestamp(milliseconds: start + index * 10 - 3)), in: "s", shard: ShardID(0))
            #expect(position.rawValue == UInt64(index))
        }
        try await open.store.close()
    }

    @Test func `a deleted stream is gone from segments, and its records in the journal hurt nobody`() async throws {
        var open = try await FlushedStore.open(directory, clock: clock)
        try await open.store.createStream("old", shards: 1)
        try await open.store.createStream("other", shards: 1)
        for index in 0..<60 {
            try await open.store.stream("old").put(String(repeating: "o", count: 900) + "\(index)", partitionKey: "k")
        }
        try await open.flusher.reached(2)
        // Not flushed yet when the stream goes.
        try await open.store.stream("old").put("last", partitionKey: "k")
        try await open.store.stream("other").put("stays", partitionKey: "k")
        try await open.store.deleteStream("old")
        try await open.store.createStream("old", shards: 1)
        #expect(try await open.all(of: "old").isEmpty)
        try await open.store.close()
        open = try await FlushedStore.open(directory, clock: clock)
        #expect(try await open.all(of: "old").isEmpty)
        #expect(try await open.all(of: "other") == ["stays"])
        try await open.store.stream("old").put("new", partitionKey: "k")
        #expect(try await open.all(of: "old") == ["new"])
        try await open.store.close()
        let backing = SegmentBacking.inDirectory(directory)
        let catalogue = try #require(try backing.load()).catalogue
        try backing.applyRetention(catalogue, now: clock.wallTime)
        let live = Set(catalogue.streams.keys.map { UInt64($0.rawValue) })
        #expect(try #require(backing.archive).set.all.allSatisfy { !live.isDisjoint(with: $0.streams.keys) })
    }

    @Test func `mappings and checkpoints outlive the journal they were written in`() async throws {
        var open = try await FlushedStore.open(directory, clock: clock)
        try await open.store.createStream("s", shards: 1)
        let key = MappingID(stream: "s", name: "m")
        try await open.store.createMapping(
            MappingDefinition(key: key, startingPosition: .trimHorizon, configuration: [1, 2]))
        let claim = try await open.store.claimMapping(key, with: MappingClaim(configuration: [3]))
        for index in 0..<80 {
            try await open.store.stream("s").put(text(index) + String(repeating: "c", count: 900), partitionKey: "k")
            let move = CheckpointMove(
                mapping: key, epoch: claim.epoch,
                checkpoint: ShardCheckpoint(
                    shard: ShardID(0), position: SequenceNumber(UInt64(index + 1)),
                    state: [UInt8(index)]))
            guard case .committed = try await open.store.commit([.checkpoint(move)]) else {
                Issue.record("the checkpoint was refused")
                return
            }
        }
        try await open.flusher.reached(3)
        let before = try await open.store.describeMapping(key)
        #expect(before.checkpoints.map(\.position) == [SequenceNumber(80)])
        try await open.store.close()
        open = try await FlushedStore.open(directory, clock: clock)
        let after = try await open.store.describeMapping(key)
        #expect(after.checkpoints == before.checkpoints)
        #expect(after.epoch == before.epoch)
        #expect(after.configuration == [3])
        try await open.store.close()
    }

    @Test func `a process killed at any step of a flush loses nothing and doubles nothing`() async throws {
        let open = try await FlushedStore.open(directory, clock: clock, options: .init(ownSegmentFrom: 10_000))
        try await open.store.createStream("a", shards: 2)
        try await open.store.createStream("b", shards: 1)
        open.flusher.takeSnapshots()
        var expected: [String: [String]] = [:]
        var flushes = 0
        for round in 0..<4 {
            for index in 0..<12 {
                let data = "\(round)-\(index) " + String(repeating: "d", count: 1_000)
                try await open.store.stream("a").put(data, partitionKey: "same")
                expected["a", default: []].append(data)
            }
            // The one that fills the memtable: nothing is put while it is flushed, so every copy must hold all.
            let held = open.flusher.snapshots.count
            let data = "\(round) " + String(repeating: "e", count: 20_000)
            try await open.store.stream("b").put(data, partitionKey: "same")
            expected["b", default: []].append(data)
            flushes += 1
            try await open.flusher.reached(flushes)
            for (step, copy) in open.flusher.snapshots[held...] {
                let crashed = try await FlushedStore.open(copy, clock: clock)
                var found: [String] = []
                for shard in 0..<2 as Range<UInt32> { found += try await crashed.all(of: "a", shard: shard) }
                #expect(found == expected["a"], "killed after \(step) in round \(round)")
                #expect(try await crashed.all(of: "b") == expected["b"], "killed after \(step) in round \(round)")
                try await crashed.store.stream("b").put("more", partitionKey: "same")
                #expect(try await crashed.all(of: "b").last == "more")
                try await crashed.store.close()
            }
        }
        #expect(open.flusher.snapshots.count >= 4 * 6)
        try await open.store.close()
    }
}

private final class Counter: Sendable {
    private let count = Mutex(0)
    var value: Int { count.withLock { $0 } }
    func add() { count.withLock { $0 += 1 } }
}
