import DiskAccess
import Foundation
import StreamModel
import TestSupport
import Testing

@testable import SegmentStorage

/// STORE-D1, STORE-D2: what is damaged is named and never served; everything else goes on.
@Suite struct SegmentDamageTests {
    private let directory = TestDirectory()

    /// A store of two shards in several blocks, and where their slices lie.
    private func store() throws -> (JournalStandIn, [ShardCursor.Found]) {
        var numbers = SeededRandom(4)
        var journal = JournalStandIn()
        journal.createStream("a", shards: 2)
        let backing = try SegmentBacking.new(in: directory)
        for _ in 0..<2 {
            for shard in 0..<2 as Range<UInt32> {
                for _ in 0..<3 {
                    journal.put((0..<20).map { _ in noise(2_500, &numbers) }, in: "a", shard: shard, at: 5)
                }
            }
            try backing.flush(journal.memtable())
        }
        let archive = try #require(backing.archive)
        var found: [ShardCursor.Found] = []
        for key in 1...2 as ClosedRange<UInt32> {
            var cursor = ShardCursor(archive.set.all, stream: 1, shardKey: key, reader: archive.reader)
            while let next = try cursor.next() { found.append(next) }
        }
        try backing.close()
        return (journal, found)
    }

    private var path: String { directory.path + "/segments/000000000001.segment" }

    private func reopened() throws -> SegmentBacking {
        let backing = SegmentBacking.inDirectory(directory)
        _ = try backing.load()
        return backing
    }

    private func flip(_ offset: UInt64) throws {
        let file = try POSIXFileSystem().open(path, .readWrite)
        let byte = try file.bytes(at: Int(offset), count: 1)
        try file.writeAll([byte[0] ^ 0x40], at: Int(offset))
    }

    @Test func `a damaged block is named with file, offset, shard and numbers, and all others are served`() async throws
    {
        let (journal, slices) = try store()
        let bad = slices.filter { $0.slice.shardKey == 1 }[1].slice
        try flip(bad.blockOffset + UInt64(bad.blockBytes) / 2)
        let backing = try reopened()
        let shard = journal.shard("a", 0)
        let expected = try #require(journal.records[shard.key])
        // Everything in front of it.
        let whole = try await backing.read(
            shard, SequenceNumber(1)...SequenceNumber.max, maximumRecords: 1_000, maximumBytes: 1 << 30)
        #expect(whole.batch.last?.sequenceNumber.rawValue == bad.firstSequence - 1)
        // Itself.
        do {
            _ = try await backing.read(
                shard, SequenceNumber(bad.firstSequence)...SequenceNumber.max, maximumRecords: 10, maximumBytes: 1 << 20
            )
            Issue.record("damage was served")
        } catch let error as ShardlineError {
            #expect(error.code == .corrupt)
            for part in [
                path, "offset \(bad.blockOffset)", "shard key 1", "\(bad.firstSequence) to \(bad.lastSequence)",
            ] {
                #expect(error.message.contains(part), "\(error.message)")
            }
        }
        // What comes after it.
        let behind = expected.filter { $0.sequence > bad.lastSequence }
        #expect(try await backing.all(of: shard, from: bad.lastSequence + 1) == behind)
        let other = journal.shard("a", 1)
        #expect(try await backing.all(of: other) == journal.records[other.key])
    }

    @Test func `numbers that were given up are passed and told`() async throws {
        let (journal, slices) = try store()
        let bad = slices.filter { $0.slice.shardKey == 1 }[1].slice
        try flip(bad.blockOffset + UInt64(bad.blockBytes) / 2)
        let metadata = try SQLiteMetadata(path: directory.path + "/metadata.sqlite")
        try metadata.apply([
            .put(
                MetadataRow(
                    .lostRange, [.number(1), .bits(bad.firstSequence), .bits(bad.lastSequence), .text("damaged block")])
            )
        ])
        try metadata.close()
        let backing = try reopened()
        let shard = journal.shard("a", 0)
        let front = try await backing.read(
            shard, SequenceNumber(1)...SequenceNumber.max, maximumRecords: 1_000, maximumBytes: 1 << 30)
        #expect(front.batch.last?.sequenceNumber.rawValue == bad.firstSequence - 1)
        #expect(front.lost == nil)
        let next = try await backing.read(
            shard, SequenceNumber(bad.firstSequence)...SequenceNumber.max, maximumRecords: 1_000, maximumBytes: 1 << 30)
        #expect(next.lost == SequenceNumber(bad.firstSequence)...SequenceNumber(bad.lastSequence))
        #expect(next.batch.first?.sequenceNumber.rawValue == bad.lastSequence + 1)
    }

    @Test func `a damaged index is never taken for an empty shard`() async throws {
        let (journal, slices) = try store()
        let first = try #require(slices.map(\.slice).max { $0.blockOffset < $1.blockOffset })
        let size = try #require(try POSIXFileSystem().status(path)?.size)
        // Of the streams' descriptors only what rebuilds the catalogue depends.
        for offset in stride(from: first.blockOffset + UInt64(first.blockBytes) + 300, to: UInt64(size), by: 5) {
            try flip(offset)
            let backing = try reopened()
            await #expect(throws: ShardlineError.self, "byte \(offset)") {
                for shard in 0..<2 as Range<UInt32> { _ = try await backing.all(of: journal.shard("a", shard)) }
            }
            try backing.close()
            try flip(offset)
        }
    }

    @Test func `a section that is missing shows as a gap`() async throws {
        let (journal, slices) = try store()
        // As if the row of the first of three sections had been lost: the numbers tell.
        var more = journal
        more.put([[1]], in: "a", at: 9)
        let backing = try reopened()
        try backing.flush(more.memtable())
        try backing.close()
        let metadata = try SQLiteMetadata(path: directory.path + "/metadata.sqlite")
        let sections = try metadata.read()[.section]
        #expect(sections.count == 3)
        try metadata.apply([.remove(.section, key: sections[1].key)])
        try metadata.close()
        let damaged = try reopened()
        let shard = more.shard("a", 0)
        let last = try #require(slices.map(\.slice).filter { $0.shardKey == 1 }.map(\.lastSequence).max())
        await #expect {
            _ = try await damaged.all(of: shard)
        } throws: { error in
            guard let error = error as? ShardlineError else { return false }
            return error.code == .corrupt && error.message.contains("61 to \(last) are missing")
        }
    }

    @Test func `a jump of numbers is no damage`() async throws {
        var journal = JournalStandIn()
        journal.createStream("a")
        let backing = try SegmentBacking.new(in: directory)
        journal.put([[1], [2]], in: "a", at: 5)
        journal.put([[3]], in: "a", at: 6, jump: OpenedEntry.jump)
        try backing.flush(journal.memtable())
        #expect(try await backing.all(of: journal.shard("a"), maximumRecords: 1).map(\.data) == [[1], [2], [3]])
    }

    @Test func `a missing file is damage, and the other segments are served`() async throws {
        let (journal, _) = try store()
        try FileManager.default.removeItem(atPath: path)
        let backing = try reopened()
        await #expect {
            _ = try await backing.all(of: journal.shard("a"))
        } throws: { error in
            guard let error = error as? ShardlineError else { return false }
            return error.code == .corrupt && error.message.contains("the segment file '\(path)' is missing")
                && !error.message.contains("offset")
        }
    }

    @Test(arguments: [true, false]) func `a database that is none any more is named, with what to do`(
        isSchema: Bool
    ) throws {
        _ = try store()
        let path = directory.path + "/metadata.sqlite"
        // Only SQLite's own words for it differ.
        let file = try POSIXFileSystem().open(path, .readWrite)
        try file.writeAll([UInt8](repeating: 0x5A, count: 3000), at: isSchema ? 1000 : 0)
        #expect {
            _ = try reopened()
        } throws: { error in
            guard let error = error as? ShardlineError else { return false }
            return error.code == .corrupt && error.message.contains("the store's metadata is damaged, '\(path)': ")
                && error.message.contains("put a copy of the store's whole directory in its place")
        }
    }

    @Test func `a damaged row keeps the store closed and is named`() throws {
        _ = try store()
        let metadata = try SQLiteMetadata(path: directory.path + "/metadata.sqlite")
        let row = try #require(try metadata.read()[.segment].first)
        try metadata.overwriteChecksum(of: row)
        try metadata.close()
        #expect {
            _ = try reopened()
        } throws: { error in
            guard let error = error as? ShardlineError else { return false }
            return error.code == .corrupt && error.message.contains("segment")
        }
    }
}
