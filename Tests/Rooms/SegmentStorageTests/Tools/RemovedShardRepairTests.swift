import DiskAccess
import Foundation
import GRDB
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// Repair of a store whose segments describe shards of which no row is left, and no commit that says by what they were
/// closed: none comes back open beside the shards that took its keys (API-R-4).
@Suite(.timeLimit(.minutes(1)))
struct RemovedShardRepairTests {
    private let clock = HandClock(1_700_000_000_000)
    private static let children: [UInt32] = [3, 4, 5, 6]

    /// What of the metadata is damaged.
    enum Damage: CaseIterable {
        case everything
        /// The shards that were closed, and the stream.
        case someRows
    }

    /// The store, closed: shard 0 of "s" was split in two, and these again; 0 and its last children have records in
    /// segments. Nothing in the journal is older than the last flush.
    /// - Parameters:
    ///   - removes: whether retention has removed what was closed.
    ///   - flushes: whether there was a flush after that.
    private func used(removes: Bool, flushes: Bool) async throws -> TestDirectory {
        let directory = TestDirectory()
        let open = try await FlushedStore.open(directory, clock: clock)
        let store = open.store
        var flushCount = 0
        func flush() async throws {
            flushCount += 1
            store.core.memtables.closeNow()
            try await open.flusher.reached(flushCount)
        }
        try await store.createStream("s", shards: 1, retention: .seconds(100))
        try await store.createStream("kept", shards: 1, retention: .seconds(365 * 86_400))
        try await store.stream("s").put(contentsOf: (0..<50).map { NewRecord("\($0)", partitionKey: "k") })
        try await store.stream("kept").put("kept", partitionKey: "k")
        try await flush()
        let ranges = HashKeyRange.even(4)
        for (parent, children) in [
            (0, HashKeyRange.even(2)), (1, Array(ranges[..<2])), (2, Array(ranges[2...])),
        ] {
            _ = try await store.commit([
                .seal(Seal(stream: "s", parents: [ShardID(UInt32(parent))], children: children))
            ])
        }
        clock.set(1_700_000_002_000)
        for (shard, range) in zip(Self.children, ranges) {
            try await store.stream("s").put(
                contentsOf: [NewRecord("child \(shard)", partitionKey: "k", explicitHashKey: range.first)])
        }
        try await flush()
        if removes {
            clock.set(1_700_000_101_000)
            await eventually {
                store.core.memtables.ask()
                return store.core.visible.withState { $0.catalogue.shards.count } <= 5
            }
            if flushes {
                // So that there is something to flush.
                try await store.stream("kept").put("kept", partitionKey: "k")
                try await flush()
            }
        }
        try await store.close()
        try eraseFlushedCommits(directory)
        return directory
    }

    private func eraseFlushedCommits(_ directory: TestDirectory) throws {
        let queue = try DatabaseQueue(path: directory.path + "/metadata.sqlite")
        let start = try queue.read { try Int64.fetchOne($0, sql: "SELECT start_commit FROM store") }
        try queue.close()
        let first = UInt64(try #require(start))
        for (name, bytes) in try directory.contents() where name.hasPrefix("journal/") {
            let file = try POSIXFileSystem().open("\(directory.path)/\(name)", .readWrite)
            for block in 1..<bytes.count / 4_096 {
                let head = bytes[block * 4_096..<block * 4_096 + 80]
                guard let header = try? CommitHeader(head), header.number < first else { continue }
                try file.writeAll([UInt8](repeating: 0, count: 4_096), at: block * 4_096)
            }
        }
    }

    private func damage(_ directory: TestDirectory, _ damage: Damage) throws {
        switch damage {
        case .everything:
            for suffix in ["", "-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: "\(directory.path)/metadata.sqlite\(suffix)")
            }
        case .someRows:
            let queue = try DatabaseQueue(path: directory.path + "/metadata.sqlite")
            try queue.write { database in
                try database.execute(sql: "UPDATE shard SET crc = crc + 1 WHERE number < 3 AND stream = 1")
                try database.execute(sql: "UPDATE stream SET crc = crc + 1 WHERE name = 's'")
            }
            try queue.close()
        }
    }

    private func repair(_ directory: TestDirectory) async throws {
        let report = try await SegmentStore.repair(
            at: directory.path, dryRun: false, timeSource: clock, logger: silent)
        #expect(report.isApplied)
        let check = try await SegmentStore.check(at: directory.path, timeSource: clock)
        #expect(check.verdict == .whole && check.findings == [], "\(check.findings)")
        let again = try await SegmentStore.repair(
            at: directory.path, dryRun: true, timeSource: clock, logger: silent)
        #expect(!again.isNeeded)
    }

    private func expectGone(_ directory: TestDirectory, kept: [String]) async throws {
        let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        let shards = try await store.describeStream("s").shards
        #expect(shards.map(\.id.number) == Self.children)
        #expect(shards.allSatisfy { $0.closedAt == nil })
        #expect(shards.map(\.hashKeyRange) == HashKeyRange.even(4))
        let texts = try await store.everything(of: "s").texts
        #expect(Set(texts) == Set(Self.children.map { "child \($0)" }))
        #expect(try await store.everything(of: "kept").texts == kept)
        // Its number is not given out again, whatever else is.
        let children = [HashKeyRange(first: HashKeyRange.even(4)[0].first, last: HashKeyRange.even(4)[1].last)]
        guard
            case .committed = try await store.commit([
                .seal(Seal(stream: "s", parents: [ShardID(3), ShardID(4)], children: children))
            ])
        else { throw FormatDamage("the merge was refused") }
        #expect(try await store.describeStream("s").shards.map(\.id.number) == Self.children + [7])
        try await store.close()
    }

    @Test(arguments: Damage.allCases)
    func `shards that the journal says are removed do not come back, though their records would be kept by the clock`(
        damage: Damage
    ) async throws {
        let directory = try await used(removes: true, flushes: false)
        try self.damage(directory, damage)
        clock.set(1_700_000_003_000)
        try await repair(directory)
        try await expectGone(directory, kept: ["kept"])
    }

    @Test(arguments: Damage.allCases)
    func `a shard that others overlap, and whose records have expired, does not come back`(
        damage: Damage
    ) async throws {
        let directory = try await used(removes: true, flushes: true)
        try self.damage(directory, damage)
        try await repair(directory)
        try await expectGone(directory, kept: ["kept", "kept"])
    }

    @Test(arguments: Damage.allCases)
    func `one whose records are kept comes back closed, as the parent of what is left of its descendants`(
        damage: Damage
    ) async throws {
        let directory = try await used(removes: false, flushes: false)
        try self.damage(directory, damage)
        try await repair(directory)
        let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        let shards = try await store.describeStream("s").shards
        #expect(shards.map(\.id.number) == [0] + Self.children)
        #expect(shards.map { $0.closedAt != nil } == [true, false, false, false, false])
        #expect(shards.dropFirst().map { $0.parents.map(\.number) } == [[0], [0], [0], [0]])
        let all = (0..<50).map(String.init) + Self.children.map { "child \($0)" }
        #expect(Set(try await store.everything(of: "s").texts) == Set(all))
        let end = try await store.read(
            ReadRequest(stream: "s", shard: ShardID(0), after: try #require(shards.first).tip))
        #expect(end.endOfShard == Self.children.map { ShardID($0) })
        // What it gets goes to its children alone.
        let receipt = try await store.stream("s").put("new", partitionKey: "k")
        #expect(Self.children.contains(receipt.shard.number))
        try await store.close()
    }

    @Test func `a new shard gets no number that a removed one had, whose records may still be in a segment`() throws {
        var planner = Planner(Catalogue(), seed: 1, now: Timestamp(milliseconds: 1_700_000_000_000), commit: 1)
        _ = try planner.plan(.createStream(name: "s", settings: StreamSettings(shards: 2)))
        var catalogue = planner.catalogue
        let stream = try catalogue.stream("s").key
        let lost = try #require(catalogue.streams[stream]?.shards[ShardID(1)])
        catalogue.shards[lost] = nil
        catalogue.streams[stream]?.shards[ShardID(1)] = nil
        catalogue.deletedShards = [lost: 5, ShardNumber(lost.rawValue + 5): 5]
        catalogue.nextShard = 1
        let empty = try JournalSurvey("/nowhere", POSIXFileSystem(), store: nil)
        var rebuild = CatalogueRebuild(catalogue, now: Timestamp(milliseconds: 1_700_000_001_000))
        rebuild.replay(empty)
        rebuild.adopt([], empty)
        let keys = rebuild.catalogue.shards.values.filter { $0.id != ShardID(0) }.map(\.key)
        #expect(keys == [ShardNumber(lost.rawValue + 6)])
    }

    @Test func `only the name that the store writes is a segment's or a journal file's`() {
        #expect(StoreLayout.segment(ofFile: StoreLayout.segmentFile(1)) == 1)
        #expect(StoreLayout.id(ofJournalFile: StoreLayout.journalFile(12)) == 12)
        for number in ["1", "+1", "0000000000001", "00000000000x", ""] {
            #expect(StoreLayout.segment(ofFile: number + ".segment") == nil)
            #expect(StoreLayout.id(ofJournalFile: number + ".journal") == nil)
        }
    }
}
