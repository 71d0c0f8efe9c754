import DiskAccess
import Foundation
import GRDB
import StreamModel
import StreamStorage
import Testing

@testable import SegmentStorage

/// Repair makes a damaged store whole again: what is whole is served, what is not is told as a gap (section 8).
@Suite(.timeLimit(.minutes(2))) struct RepairTests {
    private func repair(
        _ directory: TemporaryDirectory, _ clock: HandClock, applies: Bool = true
    ) async throws -> RepairReport {
        try await SegmentStore.repair(at: directory.path, applies: applies, timeSource: clock, logger: silent)
    }

    /// Repairs, and expects that every record is served or told to be lost, and that all is whole then.
    @discardableResult
    private func expectMended(
        _ directory: TemporaryDirectory, _ clock: HandClock, lost count: UInt64?, total: Int? = 200,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> RepairReport {
        let before = try directory.contents()
        let plan = try await repair(directory, clock, applies: false)
        #expect(try directory.contents() == before, "saying it changes something", sourceLocation: sourceLocation)
        #expect(plan.isNeeded && !plan.isApplied && !plan.steps.isEmpty, sourceLocation: sourceLocation)
        let report = try await repair(directory, clock)
        #expect(report.isApplied, sourceLocation: sourceLocation)
        #expect(report.steps == plan.steps, sourceLocation: sourceLocation)
        #expect(report.lost == plan.lost, sourceLocation: sourceLocation)
        if let count {
            #expect(report.lost.reduce(0) { $0 + $1.count } == count, "\(report)", sourceLocation: sourceLocation)
        }
        let check = try await SegmentStore.check(at: directory.path, timeSource: clock)
        #expect(check.verdict == .whole, "\(check.findings)", sourceLocation: sourceLocation)
        #expect(check.givenUp.reduce(0) { $0 + $1.count } == report.lost.reduce(0) { $0 + $1.count })
        // Nothing is left to do.
        let again = try await repair(directory, clock)
        #expect(!again.isNeeded && again.steps.isEmpty, "\(again)", sourceLocation: sourceLocation)
        let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        let found = try await store.everything(of: "orders")
        let lost = found.lost.reduce(0) { $0 + $1.count }
        if let total {
            #expect(found.texts.count + lost == total, "\(report)", sourceLocation: sourceLocation)
        }
        let all = Set((0..<200).map(UsedStore.text))
        #expect(Set(found.texts).isSubset(of: all) && Set(found.texts).count == found.texts.count)
        // It goes on, in front of nothing that anybody has seen.
        let tips = try await store.describeStream("orders").shards.map(\.tip)
        let receipt = try await store.stream("orders").put("new", partitionKey: "customer 1")
        #expect(receipt.sequenceNumber > tips.max()!, sourceLocation: sourceLocation)
        #expect(try await store.everything(of: "orders").texts.last == "new", sourceLocation: sourceLocation)
        try await store.close()
        let end = try await SegmentStore.check(at: directory.path, timeSource: clock)
        #expect(end.verdict == .whole, "\(end.findings)", sourceLocation: sourceLocation)
        return report
    }

    @Test func `a store that is whole stays as it is`() async throws {
        let used = try await UsedStore()
        let before = try used.directory.contents()
        let report = try await repair(used.directory, used.clock)
        #expect(!report.isNeeded && !report.isApplied)
        #expect(try used.directory.contents().filter { $0.key != "lock" } == before.filter { $0.key != "lock" })
    }

    @Test func `a damaged commit head keeps the store shut, and is passed: later commits say what is lost (J8)`()
        async throws
    {
        let (directory, clock) = try await UsedStore.killed()
        let (journal, block) = try directory.commit(beforeLast: 8)
        try directory.flip(journal, at: block * 4_096 + 9)
        await expectError(.corrupt) {
            try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
        }
        let report = try await expectMended(directory, clock, lost: 1)
        #expect(report.found.findings.first?.file == journal)
        // The damaged bytes are kept.
        let kept = try directory.contents().filter { $0.key.hasPrefix("quarantine/") }
        #expect(kept.keys.contains { $0.contains("\(block * 4_096)") }, "\(kept.keys)")
    }

    @Test func `a commit whose head is whole keeps its other entries and names its records exactly`() async throws {
        let (directory, clock) = try await UsedStore.killed()
        let (journal, block) = try directory.commit(beforeLast: 8)
        let bytes = try #require(try directory.contents()[journal])
        let header = try CommitHeader(bytes[block * 4_096..<block * 4_096 + 80])
        try directory.flip(journal, at: block * 4_096 + header.headCount + 2)
        let report = try await expectMended(directory, clock, lost: 1)
        #expect(report.found.findings.first?.lost.count == 1)
    }

    @Test func `a file of the journal that is gone costs its records and nothing else`() async throws {
        let (directory, clock) = try await UsedStore.killed()
        let (newest, _) = try directory.commit(beforeLast: 1)
        for journal in try directory.files(in: "journal") {
            let copy = try directory.copy()
            try FileManager.default.removeItem(atPath: "\(copy.path)/\(journal)")
            guard try await SegmentStore.check(at: copy.path, timeSource: clock).verdict == .damaged else { continue }
            // What was lost at the end can't be known, if nothing saved says it.
            let report = try await expectMended(copy, clock, lost: nil, total: journal == newest ? nil : 200)
            #expect(!report.unknown.isEmpty)
        }
    }

    @Test func `damage in segments: blocks are given up, indexes made anew`() async throws {
        let used = try await UsedStore()
        for segment in try used.directory.files(in: "segments") {
            let bytes = try #require(try used.directory.contents()[segment])
            for offset in [0, 4_096, 4_200, bytes.count - 1, bytes.count - 100, bytes.count / 2 + 2_048] {
                let copy = try used.directory.copy()
                try copy.flip(segment, at: offset)
                guard try await SegmentStore.check(at: copy.path, timeSource: used.clock).verdict == .damaged else {
                    continue
                }
                let report = try await expectMended(copy, used.clock, lost: nil)
                if offset == 0 || offset >= bytes.count - 100 { #expect(report.lost.isEmpty) }
                if offset == 4_200 { #expect(!report.lost.isEmpty) }
            }
            let copy = try used.directory.copy()
            let file = try POSIXFileSystem().open("\(copy.path)/\(segment)", .readWrite)
            try file.truncate(to: bytes.count / 2 + 2_048)
            try await expectMended(copy, used.clock, lost: nil)
            let other = try used.directory.copy()
            try FileManager.default.removeItem(atPath: "\(other.path)/\(segment)")
            try await expectMended(other, used.clock, lost: nil)
        }
    }

    @Test func `metadata that are gone are made of segments and journal`() async throws {
        let used = try await UsedStore()
        let (killed, clock) = try await UsedStore.killed()
        for directory in [used.directory, killed] {
            for suffix in ["", "-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: "\(directory.path)/metadata.sqlite\(suffix)")
            }
            let report = try await expectMended(directory, clock, lost: 0)
            #expect(!report.unknown.isEmpty)
            let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
            let orders = try await store.describeStream("orders")
            #expect(orders.retention == .seconds(365 * 86_400))
            #expect(orders.shards.map(\.hashKeyRange) == HashKeyRange.even(2))
            try await store.close()
        }
    }

    @Test func `a row of any table that was changed is made anew, and nothing is lost`() async throws {
        let (directory, clock) = try await UsedStore.killed()
        try SQLiteMetadata(path: directory.path + "/metadata.sqlite").close()
        for table in MetadataTable.allCases {
            let copy = try directory.copy()
            let queue = try DatabaseQueue(path: copy.path + "/metadata.sqlite")
            let changed = try await queue.write { database -> Int in
                try database.execute(sql: "UPDATE \(table.rawValue) SET crc = crc + 1")
                return database.changesCount
            }
            try queue.close()
            guard changed > 0 else { continue }
            try await expectMended(copy, clock, lost: 0)
            let store = try await SegmentStore.open(at: copy.path, timeSource: clock, logger: silent)
            // Its name is nowhere else as long as it has no records.
            let audit = table == .stream ? "recovered-2" : "audit"
            #expect(try await store.listStreams().map(\.name).sorted() == [audit, "orders"].sorted(), "\(table)")
            if ![.mapping, .stream].contains(table) {
                #expect(try await store.listMappings(of: nil).count == 1, "\(table)")
            }
            try await store.close()
        }
    }

    @Test func `where nothing says what store it is, nothing is done`() async throws {
        let used = try await UsedStore(count: 5)
        for name in try used.directory.files(in: "journal") + ["metadata.sqlite"] {
            let count = try #require(try used.directory.contents()[name]?.count)
            try Data(repeating: 7, count: count).write(to: URL(fileURLWithPath: "\(used.directory.path)/\(name)"))
        }
        let before = try used.directory.contents()
        await expectError(.corrupt) { try await repair(used.directory, used.clock) }
        #expect(try used.directory.contents().filter { $0.key != "lock" } == before.filter { $0.key != "lock" })
    }
}
