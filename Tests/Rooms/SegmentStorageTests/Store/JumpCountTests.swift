import DiskAccess
import GRDB
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// STORE-C4: numbers jump, records are counted all the same.
@Suite(.timeLimit(.minutes(1)))
struct JumpCountTests {
    private let directory = TestDirectory()
    private let clock = HandClock(1_700_000_000_000)

    private func open(jumps: Bool = false, flushes: Bool = false) async throws -> SegmentStore {
        try await JumpedStore.open(directory, clock: clock, jumps: jumps, flushes: flushes)
    }

    @Test(arguments: [false, true])
    func `several jumps in a row, in an empty shard, after the tip and at a checkpoint`(flushes: Bool) async throws {
        var store = try await open(flushes: flushes)
        try await store.createStream("jumped", shards: 3)
        try await store.createMapping(
            MappingDefinition(key: MappingID(stream: "jumped", name: "m"), startingPosition: .trimHorizon))
        var counts = [0, 0, 0]
        for round in [[4, 0, 0], [0, 0, 0], [3, 1, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0], [0, 2, 0]] {
            try await store.close()
            store = try await open(jumps: true, flushes: flushes)
            try await JumpedStore.expect(store, counts)
            try await JumpedStore.put(round, into: store)
            for (shard, count) in round.enumerated() { counts[shard] += count }
            try await JumpedStore.expect(store, counts, behind: counts)
            // A mapping goes on at the newest record, and nothing is behind.
            let key = MappingID(stream: "jumped", name: "m")
            try await store.seekMapping(key, to: .latest, shard: nil)
            try await JumpedStore.expect(store, counts, behind: [0, 0, 0])
            try await store.seekMapping(key, to: .trimHorizon, shard: nil)
        }
        // Also without a jump, and from metadata alone.
        for flushes in [true, false, true] {
            try await store.close()
            store = try await open(flushes: flushes)
            try await JumpedStore.expect(store, counts, behind: counts)
            try await JumpedStore.put([1, 1, 1], into: store)
            counts = counts.map { $0 + 1 }
        }
        try await store.close()
    }

    @Test func `a shard that is split after a jump, and its children that jump themselves`() async throws {
        var store = try await open(flushes: true)
        try await store.createStream("jumped", shards: 1)
        try await JumpedStore.put([5], into: store)
        try await store.close()
        store = try await open(jumps: true)
        let seal = Seal(stream: "jumped", parents: [ShardID(0)], children: HashKeyRange.even(2))
        guard case .committed = try await store.commit([.seal(seal)]) else { throw FormatDamage("not split") }
        try await JumpedStore.expect(store, [5, 0, 0])
        try await JumpedStore.put([0, 2], into: store)
        try await store.close()
        store = try await open(jumps: true, flushes: true)
        try await JumpedStore.put([0, 1, 4], into: store)
        try await JumpedStore.expect(store, [5, 3, 4])
        try await store.close()
        store = try await open()
        try await JumpedStore.expect(store, [5, 3, 4])
        try await store.close()
    }

    @Test func `a backup and its restored copy count the same`() async throws {
        var store = try await open(flushes: true)
        try await store.createStream("jumped", shards: 2)
        try await JumpedStore.put([5, 1], into: store)
        try await store.close()
        store = try await open(jumps: true, flushes: true)
        try await JumpedStore.put([2, 0], into: store)
        let target = TestDirectory()
        try await store.backup(to: target.path + "/backup")
        try await store.close()
        try await SegmentStore.restore(
            target.path + "/backup", to: target.path + "/restored", timeSource: clock, logger: silent)
        let copy = try await SegmentStore.open(at: target.path + "/restored", timeSource: clock, logger: silent)
        try await JumpedStore.expect(copy, [7, 1])
        try await JumpedStore.put([1, 1], into: copy)
        try await JumpedStore.expect(copy, [8, 2])
        try await copy.close()
    }

    @Test func `where rows of jumps are damaged, or all metadata, a repair finds the jumps again`() async throws {
        var store = try await open(flushes: true)
        try await store.createStream("jumped", shards: 2, retention: .seconds(365 * 86_400))
        for counts in [[4, 1], [2, 0], [0, 0], [3, 2]] {
            try await JumpedStore.put(counts, into: store)
            try await store.close()
            store = try await open(jumps: true, flushes: true)
        }
        try await JumpedStore.put([1, 1], into: store)
        try await store.close()
        store = try await open()
        try await JumpedStore.put([1, 1], into: store)
        try await store.close()
        for table in [MetadataTable.skipped, .shard, .store, .retired, nil] {
            let copy = try directory.copy()
            let path = copy.path + "/metadata.sqlite"
            if let table {
                let queue = try DatabaseQueue(path: path)
                try await queue.write { try $0.execute(sql: "UPDATE \(table.rawValue) SET crc = crc + 1") }
                try queue.close()
            } else {
                for end in ["", "-wal", "-shm"] { try? POSIXFileSystem().remove(path + end) }
            }
            _ = try await SegmentStore.repair(at: copy.path, dryRun: false, timeSource: clock, logger: silent)
            let repaired = try await SegmentStore.open(at: copy.path, timeSource: clock, logger: silent)
            let counts = try await repaired.describeStream("jumped").shards.map(\.recordCount)
            #expect(counts == [11, 5], "\(table.map { $0.rawValue } ?? "all")")
            try await JumpedStore.put([1, 0], into: repaired)
            try await JumpedStore.expect(repaired, [12, 5])
            try await repaired.close()
        }
    }

    @Test(arguments: [false, true])
    func `what expired over several jumps is told as the number of its records`(flushes: Bool) async throws {
        var store = try await open(flushes: flushes)
        try await store.createStream("jumped", shards: 1, retention: .seconds(60))
        for count in [2, 3, 0, 4, 1] {
            try await JumpedStore.put([count], into: store)
            try await store.close()
            store = try await open(jumps: true, flushes: flushes)
        }
        clock.set(1_700_000_000_000 + 61_000)
        try await JumpedStore.put([1], into: store)
        #expect(try await store.describeStream("jumped").shards.map(\.recordCount) == [1])
        #expect(
            try await store.countRecords(in: [RecordSpan(shard: ShardID(0), after: SequenceNumber(2))], of: "jumped")
                == [9])
        var expired: [UInt64] = []
        var position = SequenceNumber.zero
        var found = 0
        while true {
            let result = try await store.read(ReadRequest(stream: "jumped", shard: ShardID(0), after: position))
            if let range = result.expired { expired.append(range.numberCount) }
            guard result.next > position else { break }
            found += result.batch.count
            position = result.next
        }
        #expect(expired == [2, 3, 4, 1] && found == 1)
        try await store.close()
    }

    @Test func `a position that records had which are lost is before all that come`() async throws {
        var store = try await open(flushes: true)
        try await store.createStream("jumped", shards: 1)
        try await JumpedStore.put([2], into: store)
        try await store.close()
        store = try await open(jumps: true)
        // Somebody has seen record 5, which the power took.
        let seen = SequenceNumber(5)
        #expect(try await store.position(of: .afterSequenceNumber(seen), in: "jumped", shard: ShardID(0)) == seen)
        #expect(try await store.read(ReadRequest(stream: "jumped", shard: ShardID(0), after: seen)).batch.isEmpty)
        try await JumpedStore.put([1], into: store)
        #expect(try await store.read(ReadRequest(stream: "jumped", shard: ShardID(0), after: seen)).batch.count == 1)
        #expect(
            try await store.countRecords(in: [RecordSpan(shard: ShardID(0), after: seen)], of: "jumped") == [1])
        #expect(
            try await store.lastRecords(
                in: [RecordSpan(shard: ShardID(0), after: .zero, through: seen)], of: "jumped") == [SequenceNumber(2)])
        try await store.close()
    }

    @Test func `ranges of jumps are as many as are kept, and counts never grow by a jump`() {
        var shard = ShardState(
            key: ShardNumber(1), stream: StreamNumber(1), id: ShardID(0), range: HashKeyRange.even(1)[0], parents: [],
            creationSecond: 0, openedAt: clock.wallTime, origin: .zero, lastSequence: .zero, floor: .zero,
            lastArrival: clock.wallTime, atCommit: 0)
        for _ in 0..<ShardState.mostSkippedRanges + 5 {
            shard.advance(to: shard.nextSequence.advanced(by: 1), at: clock.wallTime)
            shard.jump(over: OpenedEntry.jump)
            // Again, as replay may.
            shard.skip(shard.skipped[shard.skipped.count - 1])
        }
        #expect(shard.skipped.count == ShardState.mostSkippedRanges)
        let count = shard.recordCount(after: .zero, through: .max, lost: [])
        #expect(count == 2 * UInt64(ShardState.mostSkippedRanges))
        let middle = shard.skipped[500].upperBound
        #expect(shard.recordCount(after: middle, through: .max, lost: []) == 2 * 499)
    }

    @Test func `a second that a deleted stream had is taken permanently, also after the journal is gone`() async throws
    {
        var seen: Set<UInt64> = []
        for round in 0..<4 {
            let store = try await open(flushes: round % 2 == 0)
            for _ in 0..<3 {
                let made = try await store.createStream("jumped", shards: 1)
                #expect(seen.insert(made.shards[0].creationSecond).inserted)
                try await JumpedStore.put([1], into: store)
                try await store.deleteStream("jumped")
            }
            try await store.createStream("other \(round)".replacing(" ", with: "-"), shards: 1)
            try await store.stream("other-\(round)").put("x", partitionKey: "k")
            try await store.close()
            // The clock goes back.
            clock.set(1_700_000_000_000 - Int64(round) * 10_000)
        }
    }
}
