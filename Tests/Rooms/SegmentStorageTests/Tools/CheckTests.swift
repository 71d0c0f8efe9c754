import DiskAccess
import Foundation
import GRDB
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// `check` reads everything, says what is damaged and where, and changes nothing (STORE-D4).
@Suite(.timeLimit(.minutes(1))) struct CheckTests {
    @Test func `a store that was closed is whole, and stays as it is`() async throws {
        let used = try await UsedStore()
        let before = try used.directory.contents()
        let report = try await used.check()
        #expect(report.verdict == .whole)
        #expect(report.findings == [])
        #expect(report.counts.streams == 2)
        #expect(report.counts.shards == 3)
        #expect(report.counts.records == 200)
        #expect(report.counts.segments > 1)
        #expect(report.counts.blocks > 2)
        #expect(try used.directory.contents() == before)
    }

    @Test func `a store whose process was killed is whole, its write-ahead log is read and left as it is`() async throws
    {
        let (copy, clock) = try await UsedStore.killed()
        let before = try copy.contents()
        #expect((before["metadata.sqlite-wal"]?.count ?? 0) > 0)
        let report = try await SegmentStore.check(at: copy.path, timeSource: clock)
        #expect(report.verdict == .whole, "\(report.findings)")
        #expect(report.counts.commits > 10)
        #expect(report.counts.records == 200)
        #expect(try copy.contents() == before)
    }

    @Test func `the metadata read with the log are those that SQLite reads`() async throws {
        let (copy, _) = try await UsedStore.killed()
        let read = try #require(try MetadataImage.load(in: copy.path, POSIXFileSystem()))
        #expect(read.hasLog)
        let database = try SQLiteMetadata(path: copy.path + "/metadata.sqlite")
        let contents = try database.read()
        #expect(read.contents.rows == contents.rows)
        #expect(contents[.segment].count > 1)
        // Made of the same rows, another database says the same.
        let image = try MetadataImage.encode(contents)
        let other = TestDirectory()
        try Data(image).write(to: URL(fileURLWithPath: other.path + "/metadata.sqlite"))
        #expect(try SQLiteMetadata(path: other.path + "/metadata.sqlite").read().rows == contents.rows)
        #expect(try MetadataImage.load(in: other.path, POSIXFileSystem())?.contents.rows == contents.rows)
    }

    @Test func `of a store in use nothing is said but who uses it`() async throws {
        let used = try await UsedStore(count: 5)
        let open = try await SegmentStore.open(at: used.directory.path, timeSource: used.clock, logger: silent)
        let report = try await used.check()
        #expect(report.verdict == .undecided)
        #expect(report.findings.first?.message.contains("process \(ProcessInfo.processInfo.processIdentifier)") == true)
        try await open.close()
        #expect(try await used.check().verdict == .whole)
    }

    @Test func `no owner comes in between, and is not told a wrong one`() async throws {
        let used = try await UsedStore(count: 5)
        try Data("999999999\n".utf8).write(to: URL(fileURLWithPath: used.directory.path + "/lock"))
        guard case .acquired(let lock) = try POSIXFileSystem().lockForReading(used.directory.path + "/lock"),
            case .acquired(let second) = try POSIXFileSystem().lockForReading(used.directory.path + "/lock")
        else {
            Issue.record("readers keep each other out")
            return
        }
        let error = await expectError(.storeBusy) {
            try await SegmentStore.open(at: used.directory.path, timeSource: used.clock, logger: silent)
        }
        // The system knows who has it, whatever the file says; here it is this process.
        #expect(error?.message.contains("process \(ProcessInfo.processInfo.processIdentifier)") == true)
        #expect(error?.message.contains("999999999") == false)
        lock.release()
        second.release()
    }

    @Test func `a flipped byte of a block is named with its place and its records`() async throws {
        let used = try await UsedStore()
        let segment = try used.directory.files(in: "segments")[0]
        try used.directory.flip(segment, at: 4_096 + 100)
        let report = try await used.check()
        #expect(report.verdict == .damaged)
        let finding = try #require(report.findings.first)
        #expect(finding.file == segment)
        #expect(finding.bytes?.contains(4_196) == true)
        #expect(!report.lost.isEmpty)
        for lost in report.lost {
            #expect(lost.stream == "orders")
            #expect(lost.numbers.lowerBound == SequenceNumber(1))
        }
        // What can be read and what is lost is everything.
        #expect(report.counts.records + Int(report.lost.reduce(0) { $0 + $1.count }) == 200)
    }

    @Test func `a flipped byte of a commit is named with the commit, and later commits say what is lost`() async throws
    {
        let (directory, clock) = try await UsedStore.killed()
        let (journal, block) = try directory.commit(beforeLast: 6)
        for offset in [9, 90] {
            try directory.flip(journal, at: block * 4_096 + offset)
            let report = try await SegmentStore.check(at: directory.path, timeSource: clock)
            #expect(report.verdict == .damaged)
            let finding = try #require(report.findings.first)
            #expect(finding.file == journal)
            #expect(finding.bytes?.contains(block * 4_096) == true)
            #expect(report.lost.reduce(0) { $0 + $1.count } == 1, "\(report.findings)")
            #expect(report.counts.records == 199)
            try directory.flip(journal, at: block * 4_096 + offset)
        }
        #expect(try await SegmentStore.check(at: directory.path, timeSource: clock).verdict == .whole)
    }

    @Test
    func `a damaged header of a journal file is harmless where no commit can be in the file, and damage elsewhere`()
        async throws
    {
        let (killed, clock) = try await UsedStore.killed()
        func check(_ directory: TestDirectory) async throws -> StoreReport {
            try await SegmentStore.check(at: directory.path, timeSource: clock)
        }
        // As the maintenance makes one ahead: as long as the others, and nothing but zeros after its header.
        let used = try killed.files(in: "journal")[0]
        let bytes = try #require(try killed.contents()[used])
        let spare = "journal/000000000999.journal"
        let blank = Data(bytes.prefix(4_096)) + Data(count: bytes.count - 4_096)
        try blank.write(to: URL(fileURLWithPath: "\(killed.path)/\(spare)"))
        for offset in [5, 44] {
            let directory = try killed.copy()
            try directory.flip(spare, at: offset)
            let report = try await check(directory)
            #expect(report.verdict == .whole, "\(report.findings)")
            #expect(report.findings.map(\.file) == [spare] && report.findings.map(\.severity) == [.note])
            let repair = try await SegmentStore.repair(
                at: directory.path, dryRun: true, timeSource: clock, logger: silent)
            #expect(!repair.isNeeded && repair.steps == [])
            // Opening is of the same mind.
            let store = try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
            #expect(try await store.everything(of: "orders").texts == (0..<200).map(UsedStore.text))
            try await store.close()
            #expect(try await check(directory).findings == [])
        }
        // A file that has commits, one in which any byte is set, and one that was cut: there may have been more in them.
        for (file, change) in [
            (used, { (_: inout Data) in }), (spare, { $0[$0.count - 1] = 1 }), (spare, { $0.removeLast(4_096) }),
            (spare, { $0 = $0.prefix(40) }),
        ] as [(String, (inout Data) -> Void)] {
            let directory = try killed.copy()
            let url = URL(fileURLWithPath: "\(directory.path)/\(file)")
            var data = try Data(contentsOf: url)
            data[5] ^= 1
            change(&data)
            try data.write(to: url)
            #expect(try await check(directory).verdict == .damaged, "\(file)")
        }
    }

    @Test func `a row that was changed, and a database that is none, are damage`() async throws {
        let used = try await UsedStore()
        let path = used.directory.path + "/metadata.sqlite"
        do {
            let queue = try DatabaseQueue(path: path)
            try queue.inDatabase { try $0.execute(sql: "UPDATE shard SET last_sequence = last_sequence - 1") }
            try queue.close()
        }
        var report = try await used.check()
        #expect(report.findings.contains { $0.message.contains("table shard") }, "\(report.findings)")
        try Data("no database".utf8).write(to: URL(fileURLWithPath: path))
        report = try await used.check()
        #expect(report.verdict == .damaged)
        try FileManager.default.removeItem(atPath: path)
        report = try await used.check()
        #expect(report.findings.first?.message == "the file is missing")
    }

    @Test func `files that are missing are named with what they cost`() async throws {
        let used = try await UsedStore()
        let segments = try used.directory.files(in: "segments")
        for segment in segments {
            let copy = try used.directory.copy()
            try FileManager.default.removeItem(atPath: "\(copy.path)/\(segment)")
            let report = try await SegmentStore.check(at: copy.path, timeSource: used.clock)
            #expect(report.verdict == .damaged)
            #expect(report.findings.first?.file == segment)
            #expect(report.counts.records + Int(report.lost.reduce(0) { $0 + $1.count }) == 200, "\(report.findings)")
        }
        let (copy, clock) = try await UsedStore.killed()
        for journal in try copy.files(in: "journal") {
            try FileManager.default.removeItem(atPath: "\(copy.path)/\(journal)")
        }
        let report = try await SegmentStore.check(at: copy.path, timeSource: clock)
        #expect(report.verdict == .damaged)
    }

    @Test func `what retention has taken is not missing`() async throws {
        let used = try await UsedStore()
        let segments = try used.directory.files(in: "segments")
        used.clock.set(1_700_000_000_000 + 366 * 86_400_000)
        let store = try await used.open()
        try await store.store.stream("orders").put("late", partitionKey: "customer 1")
        try await store.store.close()
        // What was put last may have a segment by now.
        #expect(Set(segments).isDisjoint(with: try used.directory.files(in: "segments")))
        let report = try await used.check()
        #expect(report.verdict == .whole, "\(report.findings)")
    }
}
