import DiskAccess
import Foundation
import Logging
import StreamModel
import TestSupport
import Testing

@testable import SegmentStorage

/// STORE-P9 to STORE-P16: a crash between any two acts of the flush, the seal and retention leaves the store as it
/// was before or as it is after. The files are real; a crash is a copy of the directory at that moment, WAL and all.
@Suite struct CrashWindowTests {
    private static let options = SegmentBacking.Options(ownSegmentFrom: 20_000, sealFrom: 60_000)

    /// A store with something flushed, and the next memtable: into a registered segment and into a new one.
    private static func prepared(_ directory: TestDirectory, records: Int = 30) throws -> (
        SegmentBacking, JournalStandIn, Memtable
    ) {
        var numbers = SeededRandom(5)
        var journal = JournalStandIn()
        journal.createStream("a", shards: 2)
        journal.createStream("b")
        let backing = try SegmentBacking.new(in: directory, options: options)
        for shard in 0..<2 as Range<UInt32> { journal.put([[1], [2]], in: "a", shard: shard, at: 1_000_000) }
        try backing.flush(journal.memtable())
        for shard in 0..<2 as Range<UInt32> {
            journal.put((0..<5).map { _ in noise(900, &numbers) }, in: "a", shard: shard, at: 1_000_001)
        }
        journal.put((0..<records).map { _ in noise(1_000, &numbers) }, in: "b", at: 1_000_001)
        return (backing, journal, journal.memtable())
    }

    /// Opens what the crash left; answers how far it is, after checking that it is the one or the other.
    private static func reopen(
        _ directory: TestDirectory, _ journal: JournalStandIn, _ memtable: Memtable
    ) async throws -> (SegmentBacking, isFlushed: Bool) {
        let backing = SegmentBacking.inDirectory(directory, options: options)
        let snapshot = try #require(try backing.load())
        let start = try #require(snapshot.start)
        let isFlushed = start == memtable.next
        #expect(isFlushed || start.commit == memtable.firstCommit)
        for shard in journal.catalogue.shards.values {
            let records = journal.records[shard.key] ?? []
            // What is after the start is in the journal: it is not served from here, and not twice.
            let isOld = { (record: JournalStandIn.Expected) in record.arrival == 1_000_000 }
            #expect(try await backing.all(of: shard) == (isFlushed ? records : records.filter(isOld)))
        }
        let archive = try #require(backing.archive)
        for name in try FileManager.default.contentsOfDirectory(atPath: directory.path + "/segments") {
            let id = try #require(StoreLayout.segment(ofFile: name))
            let registered = try #require(archive.set.segment(id), "\(name) is not registered")
            let size = try POSIXFileSystem().status(archive.files.path(of: id))?.size
            #expect(size == Int(registered.row.bytes), "\(name) is longer than what is registered")
        }
        return (backing, isFlushed)
    }

    @Test func `a crash between any two acts of a flush`() async throws {
        var stops: [FlushMachine.Step] = []
        var step = 0
        while true {
            let directory = TestDirectory()
            // More than is written at once.
            let (backing, journal, memtable) = try Self.prepared(directory, records: 1_080)
            var flush = try #require(backing.flushMachine(memtable))
            var last: FlushMachine.Step?
            for _ in 0..<step { last = try flush.step() }
            if step > 0, last == nil { break }
            if let last { stops.append(last) }
            let crashed = try directory.copy()
            let (reopened, isFlushed) = try await Self.reopen(crashed, journal, memtable)
            let isRegistered = last == .registered || last == .published
            #expect(isFlushed == isRegistered, "stopped after \(String(describing: last))")
            if !isFlushed {
                // The journal gives the same memtable again.
                try reopened.flush(memtable)
                for shard in journal.catalogue.shards.values {
                    #expect(try await reopened.all(of: shard) == journal.records[shard.key] ?? [])
                }
            }
            step += 1
        }
        let expected: [FlushMachine.Step] = [
            .wroteIndex(1), .synced(1), .created(2), .wroteBlocks(2), .wroteIndex(2), .synced(2), .syncedDirectory,
            .registered, .published,
        ]
        #expect(stops == expected)
    }

    @Test func `a flush whose file ends anywhere`() async throws {
        let directory = TestDirectory()
        let (backing, journal, memtable) = try Self.prepared(directory)
        var flush = try #require(backing.flushMachine(memtable))
        while let step = try flush.step(), step != .syncedDirectory {}
        for id in [1, 2] as [UInt64] {
            let size = try #require(
                try POSIXFileSystem().status(directory.path + "/segments/00000000000\(id).segment")?.size)
            let registered = id == 1 ? Int(try #require(backing.archive?.set.segment(1)).row.bytes) : 0
            for length in stride(from: registered, through: size, by: 1_777) {
                let crashed = try directory.copy()
                let file = try POSIXFileSystem().open(crashed.path + "/segments/00000000000\(id).segment", .readWrite)
                try file.truncate(to: length)
                _ = try await Self.reopen(crashed, journal, memtable)
            }
        }
    }

    @Test func `a crash before the last of several transactions finds newer rows at the old start`() async throws {
        let directory = TestDirectory()
        var journal = JournalStandIn()
        let backing = try SegmentBacking.new(in: directory)
        journal.createStream("a")
        journal.put([[1]], in: "a", at: 1_000_000)
        try backing.flush(journal.memtable())
        let start = journal.commit + 1
        journal.createStream("many", shards: 6_000)
        journal.put([[2]], in: "a", at: 1_000_001)
        let memtable = journal.memtable()
        var flush = try #require(backing.flushMachine(memtable))
        while let step = try flush.step(), step != .wroteRows {}
        let crashed = try directory.copy()
        let reopened = SegmentBacking.inDirectory(crashed)
        let snapshot = try #require(try reopened.load())
        #expect(snapshot.start?.commit == start)
        #expect(snapshot.catalogue.streams.count == 2)
        #expect(try await reopened.all(of: journal.shard("a")).map(\.data) == [[1]])
        try reopened.flush(memtable)
        #expect(try await reopened.all(of: journal.shard("a")).map(\.data) == [[1], [2]])
        try reopened.close()
        let again = try #require(try SegmentBacking.inDirectory(crashed).load())
        #expect(again.catalogue == journal.catalogue)
        #expect(again.start == memtable.next)
    }

    @Test func `a crash between any two acts of a seal`() async throws {
        var step = 0
        var stops: [SealMachine.Step] = []
        while true {
            let directory = TestDirectory()
            let (backing, journal, memtable) = try Self.prepared(directory)
            try backing.flush(memtable)
            let archive = try #require(backing.archive)
            var seal = SealMachine(
                try #require(archive.set.segment(1)), now: Timestamp(milliseconds: 1_000_002), archive: archive)
            var last: SealMachine.Step?
            for _ in 0..<step { last = try seal.step() }
            if step > 0, last == nil { break }
            if let last { stops.append(last) }
            let crashed = try directory.copy()
            let (reopened, isFlushed) = try await Self.reopen(crashed, journal, memtable)
            #expect(isFlushed)
            let isSealed = reopened.archive?.set.segment(1)?.row.state == .sealed
            #expect(isSealed == (last == .registered || last == .published))
            // Whichever it is, what comes next goes well.
            var more = journal
            more.put([[9]], in: "a", at: 1_000_003)
            try reopened.flush(more.memtable())
            let shard = more.shard("a")
            #expect(try await reopened.all(of: shard) == more.records[shard.key])
            step += 1
        }
        #expect(stops == [.wroteFooter, .synced, .registered, .published])
    }

    @Test func `a crash between any two acts of retention is finished at the next opening`() async throws {
        var step = 0
        var stops = 0
        while true {
            let directory = TestDirectory()
            let (backing, journal, memtable) = try Self.prepared(directory)
            try backing.flush(memtable)
            let archive = try #require(backing.archive)
            let old = archive.deletable(journal.catalogue, now: Timestamp(milliseconds: 1_000_001 + 86_400_000))
            #expect(old.count == 2)
            var retention = RetentionMachine(old, archive: archive)
            var last: RetentionMachine.Step?
            for _ in 0..<step { last = try retention.step() }
            if step > 0, last == nil { break }
            stops += 1
            let crashed = try directory.copy()
            let reopened = SegmentBacking.inDirectory(crashed, options: Self.options)
            _ = try reopened.load()
            let files = try FileManager.default.contentsOfDirectory(atPath: crashed.path + "/segments")
            #expect(files.count == (step == 0 ? 2 : 0))
            let rows = try #require(reopened.archive).metadata.read()
            #expect(rows[.segment].count == (step == 0 ? 2 : 0))
            #expect(rows[.segmentStream].isEmpty == (step > 0))
            step += 1
        }
        #expect(stops == 6)
    }

    @Test func `records that the metadata does not know and the journal no longer holds are kept aside`() async throws {
        let directory = TestDirectory()
        let (backing, _, memtable) = try Self.prepared(directory)
        try backing.flush(memtable)
        try backing.close()
        // SQLite loses what it knew of a segment, but not the start position that was written with it.
        let metadata = try SQLiteMetadata(path: directory.path + "/metadata.sqlite")
        let key = [MetadataValue.bits(2)]
        try metadata.apply([
            .remove(.segment, key: key), .remove(.section, key: key), .remove(.segmentStream, key: key),
        ])
        try metadata.close()
        let bytes = try Data(contentsOf: URL(fileURLWithPath: directory.path + "/segments/000000000002.segment"))
        _ = try SegmentBacking.inDirectory(directory, options: Self.options).load()
        let kept = try FileManager.default.contentsOfDirectory(atPath: directory.path + "/quarantine")
        #expect(kept == ["000000000002.segment-0"])
        #expect(
            try Data(contentsOf: URL(fileURLWithPath: directory.path + "/quarantine/000000000002.segment-0")) == bytes)
    }

    @Test func `a flush that finds the disk full leaves nothing behind and can be tried again`() async throws {
        let directory = TestDirectory()
        let model = ModelMetadata()
        var journal = JournalStandIn()
        journal.createStream("a")
        let backing = SegmentBacking(
            fileSystem: POSIXFileSystem(), directory: directory.path, timeSource: HandClock(1_000_000),
            logger: .init(label: "test"), openMetadata: { model })
        #expect(try backing.load() == nil)
        try backing.create(JournalStandIn.store)
        journal.put([[1]], in: "a", at: 1_000_000)
        try backing.flush(journal.memtable())
        let size = try POSIXFileSystem().status(directory.path + "/segments/000000000001.segment")?.size
        journal.put([[2]], in: "a", at: 1_000_001)
        let memtable = journal.memtable()
        model.fail(with: MetadataError(.noSpace, "the disk is full"))
        #expect { try backing.flush(memtable) } throws: { ($0 as? ShardlineError)?.code == .diskFull }
        #expect(try POSIXFileSystem().status(directory.path + "/segments/000000000001.segment")?.size == size)
        #expect(try await backing.all(of: journal.shard("a")).map(\.data) == [[1]])
        model.fail(with: nil)
        try backing.flush(memtable)
        #expect(try await backing.all(of: journal.shard("a")).map(\.data) == [[1], [2]])
    }

    @Test func `a power cut that takes SQLite's last transaction leaves the start where the journal is whole`()
        async throws
    {
        let directory = TestDirectory()
        let model = ModelMetadata()
        var journal = JournalStandIn()
        journal.createStream("a")
        func open() -> SegmentBacking {
            SegmentBacking(
                fileSystem: POSIXFileSystem(), directory: directory.path, timeSource: HandClock(1_000_000),
                logger: .init(label: "test"), openMetadata: { model })
        }
        let backing = open()
        #expect(try backing.load() == nil)
        try backing.create(JournalStandIn.store)
        journal.put([[1]], in: "a", at: 1_000_000)
        try backing.flush(journal.memtable())
        let start = journal.commit + 1
        journal.put([[2]], in: "a", at: 1_000_001)
        let memtable = journal.memtable()
        try backing.flush(memtable)
        model.loseLastTransaction()
        let reopened = open()
        #expect(try #require(try reopened.load()).start?.commit == start)
        #expect(try await reopened.all(of: journal.shard("a")).map(\.data) == [[1]])
        try reopened.flush(memtable)
        #expect(try await reopened.all(of: journal.shard("a")).map(\.data) == [[1], [2]])
    }
}
