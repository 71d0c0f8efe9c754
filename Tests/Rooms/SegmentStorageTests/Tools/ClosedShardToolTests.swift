import DiskAccess
import Foundation
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// Check, repair, backup and restore of a store that has forgotten a closed shard whose records a segment still holds.
@Suite(.timeLimit(.minutes(1)))
struct ClosedShardToolTests {
    private let clock = HandClock(1_700_000_000_000)

    /// The store, closed: "s" was split, and its first shard is gone; "kept" keeps the segment.
    private func used() async throws -> TestDirectory {
        let directory = TestDirectory()
        let open = try await FlushedStore.open(directory, clock: clock)
        let store = open.store
        try await store.createStream("s", shards: 1, retention: .seconds(100))
        try await store.createStream("kept", shards: 1, retention: .seconds(365 * 86_400))
        try await store.stream("s").put(contentsOf: (0..<50).map { NewRecord("\($0)", partitionKey: "k") })
        try await store.stream("kept").put("kept", partitionKey: "k")
        _ = try await store.commit([
            .seal(Seal(stream: "s", parents: [ShardID(0)], children: HashKeyRange.even(2)))
        ])
        clock.set(1_700_000_002_000)
        try await store.stream("s").put("child", partitionKey: "k")
        store.core.memtables.closeNow()
        try await open.flusher.reached(1)
        clock.set(1_700_000_101_000)
        await eventually {
            store.core.memtables.ask()
            return store.core.visible.withState { $0.catalogue.shards.count } <= 3
        }
        try await store.close()
        return directory
    }

    /// - Parameter wasDamaged: whether bytes are noted that were damaged and hold nothing any more.
    private func expectGone(_ directory: TestDirectory, wasDamaged: Bool = false) async throws {
        let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        #expect(try await store.describeStream("s").shards.map(\.id.number) == [1, 2])
        #expect(store.core.visible.withState { $0.catalogue.shards.count } == 3)
        #expect(try await store.everything(of: "s").texts == ["child"])
        #expect(try await store.everything(of: "kept").texts == ["kept"])
        try await store.close()
        let check = try await SegmentStore.check(at: directory.path, timeSource: clock)
        #expect(check.verdict == .whole && (wasDamaged || check.findings == []), "\(check.findings)")
    }

    @Test func `a check finds nothing missing, and the store goes on`() async throws {
        try await expectGone(try await used())
    }

    @Test func `metadata that are recreated do not bring it back`() async throws {
        let directory = try await used()
        for name in try FileManager.default.contentsOfDirectory(atPath: directory.path)
        where name.hasPrefix("metadata.sqlite") {
            try FileManager.default.removeItem(atPath: "\(directory.path)/\(name)")
        }
        let report = try await SegmentStore.repair(at: directory.path, dryRun: false, timeSource: clock)
        #expect(report.isApplied)
        try await expectGone(directory)
    }

    @Test(arguments: [false, true])
    func `a damaged index of a segment with records that nobody may read any more is recreated`(
        deletesStream: Bool
    ) async throws {
        let directory = try await used()
        if deletesStream {
            let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
            try await store.deleteStream("s")
            try await store.close()
        }
        let segment = try #require(try directory.files(in: "segments").first)
        let size = try #require(try directory.contents()[segment]?.count)
        // In the section's trailer, which is last.
        try directory.flip(segment, at: size - 40)
        #expect(try await SegmentStore.check(at: directory.path, timeSource: clock).verdict == .damaged)
        let report = try await SegmentStore.repair(
            at: directory.path, dryRun: false, timeSource: clock, logger: silent)
        #expect(report.isApplied && report.lost.isEmpty)
        if !deletesStream { return try await expectGone(directory, wasDamaged: true) }
        let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        #expect(try await store.everything(of: "kept").texts == ["kept"])
        try await store.close()
        let check = try await SegmentStore.check(at: directory.path, timeSource: clock)
        #expect(check.verdict == .whole, "\(check.findings)")
    }
}
