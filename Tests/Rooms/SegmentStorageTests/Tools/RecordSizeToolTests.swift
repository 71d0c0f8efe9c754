import DiskAccess
import GRDB
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// Check, repair and backup of a store in which the record size of a stream was changed.
@Suite(.timeLimit(.minutes(2))) struct RecordSizeToolTests {
    private static let size = 2_000

    /// A store as a killed process leaves it, with the change in the journal alone; and one that was closed.
    private func stores() async throws -> (killed: TestDirectory, closed: TestDirectory, clock: HandClock) {
        let used = try await UsedStore()
        let open = try await used.open()
        let store = open.store
        try await store.updateStream("orders", retention: nil, maximumRecordSize: Self.size)
        try await store.stream("orders").put("after the change", partitionKey: "customer 1")
        try await open.flusher.stopped()
        let killed = try used.directory.copy()
        open.flusher.hold(false)
        try await store.close()
        return (killed, used.directory, used.clock)
    }

    private func expectSize(in directory: TestDirectory, _ clock: HandClock) async throws {
        let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        let orders = try await store.describeStream("orders")
        #expect(orders.maximumRecordSize == Self.size)
        #expect(orders.initialSettings.maximumRecordSize == Limits.defaultRecordSize)
        #expect(try await store.describeStream("audit").maximumRecordSize == Limits.defaultRecordSize)
        #expect(try await store.everything(of: "orders").texts.count == 201)
        let large = [UInt8](repeating: 7, count: Self.size + 1)
        await expectError(.recordTooLarge) { try await store.stream("orders").put(large, partitionKey: "k") }
        try await store.close()
    }

    @Test func `a changed size is whole for check, and in the backup`() async throws {
        let (killed, closed, clock) = try await stores()
        for directory in [killed, closed] {
            let check = try await SegmentStore.check(at: directory.path, timeSource: clock)
            #expect(check.verdict == .whole, "\(check.findings)")
            let place = TestDirectory()
            let (backup, restored) = (place.path + "/backup", TestDirectory())
            try await SegmentStore.backup(of: directory.path, to: backup, timeSource: clock)
            let summary = try await SegmentStore.restore(backup, to: restored.path, timeSource: clock, logger: silent)
            #expect(summary.files > 0)
            try await expectSize(in: restored, clock)
            try await expectSize(in: directory, clock)
        }
    }

    /// Rows of all tables but the stream's own: what is in no row is in no segment either.
    @Test func `a changed size outlives a repair`() async throws {
        let (killed, closed, clock) = try await stores()
        for directory in [killed, closed] {
            let queue = try DatabaseQueue(path: directory.path + "/metadata.sqlite")
            try await queue.write { try $0.execute(sql: "UPDATE shard SET crc = crc + 1") }
            try queue.close()
            let report = try await SegmentStore.repair(
                at: directory.path, dryRun: false, timeSource: clock, logger: silent)
            #expect(report.isNeeded && report.isApplied && report.lost.isEmpty, "\(report)")
            let check = try await SegmentStore.check(at: directory.path, timeSource: clock)
            #expect(check.verdict == .whole, "\(check.findings)")
            try await expectSize(in: directory, clock)
        }
    }
}
