import DiskAccess
import Foundation
import StreamModel
import TestSupport
import Testing

@testable import SegmentStorage

/// STORE-F6, STORE-F7: what is deleted, when, and what is not.
@Suite struct SegmentRetentionTests {
    private let directory = TestDirectory()

    private func files() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path + "/segments").sorted()
    }

    private func applyRetention(_ backing: SegmentBacking, _ journal: JournalStandIn, at now: Int64) throws {
        try backing.applyRetention(journal.catalogue, now: Timestamp(milliseconds: now))
    }

    @Test func `a segment goes at the very millisecond at which its last record is too old`() async throws {
        var journal = JournalStandIn()
        journal.createStream("a", retention: .seconds(10))
        let backing = try SegmentBacking.new(in: directory)
        journal.put([[1], [2]], in: "a", at: 50_000)
        journal.put([[3]], in: "a", at: 50_007)
        try backing.flush(journal.memtable())
        try applyRetention(backing, journal, at: 60_006)
        #expect(try files() == ["000000000001.segment"])
        #expect(try await backing.all(of: journal.shard("a")).count == 3)
        try applyRetention(backing, journal, at: 60_007)
        #expect(try files().isEmpty)
        #expect(try await backing.all(of: journal.shard("a")).isEmpty)
        try backing.close()
        let metadata = try SQLiteMetadata(path: directory.path + "/metadata.sqlite")
        let contents = try metadata.read()
        for table in [MetadataTable.segment, .section, .segmentStream] { #expect(contents[table].isEmpty) }
    }

    @Test func `a longer retention keeps a shared segment, also for the others in it`() async throws {
        var journal = JournalStandIn()
        journal.createStream("a", retention: .seconds(10))
        journal.createStream("b", retention: .seconds(10))
        let backing = try SegmentBacking.new(in: directory)
        journal.put([[1]], in: "a", at: 50_000)
        journal.put([[2]], in: "b", at: 50_000)
        try backing.flush(journal.memtable())
        journal.change("b", retention: .seconds(20))
        try applyRetention(backing, journal, at: 60_000)
        #expect(try files() == ["000000000001.segment"])
        #expect(try await backing.all(of: journal.shard("b")).map(\.data) == [[2]])
        try applyRetention(backing, journal, at: 70_000)
        #expect(try files().isEmpty)
    }

    @Test func `the segments of a deleted stream go at once, shared ones when nothing else is in them`() async throws {
        var journal = JournalStandIn()
        journal.createStream("own")
        journal.createStream("shared")
        journal.createStream("other")
        let backing = try SegmentBacking.new(in: directory, options: .init(ownSegmentFrom: 1_000))
        journal.put([Array(repeating: 1, count: 2_000)], in: "own", at: 50_000)
        journal.put([[1]], in: "shared", at: 50_000)
        journal.put([[2]], in: "other", at: 50_000)
        try backing.flush(journal.memtable())
        #expect(try files().count == 2)
        journal.deleteStream("own")
        journal.deleteStream("shared")
        try applyRetention(backing, journal, at: 50_001)
        #expect(try files() == ["000000000002.segment"])
        #expect(try await backing.all(of: journal.shard("other")).map(\.data) == [[2]])
        journal.deleteStream("other")
        try applyRetention(backing, journal, at: 50_001)
        #expect(try files().isEmpty)
        // A stream recreated under the old name has another key, and sees nothing of the old one.
        journal.createStream("own")
        #expect(try await backing.all(of: journal.shard("own")).isEmpty)
    }

    @Test func `records of a stream that was deleted before the flush are not written`() throws {
        var journal = JournalStandIn()
        journal.createStream("a")
        journal.createStream("b")
        let backing = try SegmentBacking.new(in: directory)
        journal.put([[1]], in: "a", at: 5)
        journal.deleteStream("a")
        journal.put([[2]], in: "b", at: 5)
        try backing.flush(journal.memtable())
        #expect(try #require(backing.archive).set.all.map { Array($0.streams.keys) } == [[2]])
    }

    @Test func `a stream deleted at each step of a flush becomes garbage and is freed`() throws {
        var step = 0
        while true {
            let directory = TestDirectory()
            var journal = JournalStandIn()
            journal.createStream("a")
            let backing = try SegmentBacking.new(in: directory)
            journal.put([[1]], in: "a", at: 1_000_000)
            let memtable = journal.memtable()
            var flush = try #require(backing.flushMachine(memtable))
            for _ in 0..<step { _ = try flush.step() }
            journal.deleteStream("a")
            var rest = 0
            while try flush.step() != nil { rest += 1 }
            backing.finish(memtable)
            try backing.flush(journal.memtable())
            try applyRetention(backing, journal, at: 1_000_001)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path + "/segments").isEmpty)
            if rest == 0 { break }
            step += 1
        }
        #expect(step > 5)
    }

    @Test func `a reader that has a segment open reads on after it was deleted`() throws {
        var journal = JournalStandIn()
        journal.createStream("a", retention: .seconds(10))
        let backing = try SegmentBacking.new(in: directory)
        journal.put([[1], [2]], in: "a", at: 50_000)
        try backing.flush(journal.memtable())
        let archive = try #require(backing.archive)
        let file = try archive.files.file(of: 1)
        var cursor = ShardCursor(archive.set.all, stream: 1, shardKey: 1, reader: archive.reader)
        let slice = try #require(try cursor.next()?.slice)
        try applyRetention(backing, journal, at: 70_000)
        #expect(try files().isEmpty)
        let bytes = try file.bytes(at: Int(slice.blockOffset), count: Int(slice.blockBytes))
        #expect(try Block.decode(bytes, at: archive.reader.place(1, slice.blockOffset)).entry.runs[0].count == 2)
    }

    @Test func `a number is never given to a second segment`() throws {
        var journal = JournalStandIn()
        journal.createStream("a", retention: .seconds(10))
        var backing = try SegmentBacking.new(in: directory)
        for round in 1...3 as ClosedRange<Int64> {
            journal.put([[1]], in: "a", at: round * 50_000)
            try backing.flush(journal.memtable())
            #expect(try files() == ["00000000000\(round).segment"])
            try applyRetention(backing, journal, at: round * 50_000 + 10_000)
            try backing.close()
            backing = SegmentBacking.inDirectory(directory)
            _ = try backing.load()
        }
    }

    @Test func `that a shard was deleted is known until no replay can meet its records`() throws {
        var journal = JournalStandIn()
        journal.createStream("a")
        var backing = try SegmentBacking.new(in: directory)
        let key = journal.shard("a").key
        journal.put([[1]], in: "a", at: 5)
        try backing.flush(journal.memtable())
        journal.put([[2]], in: "a", at: 5)
        journal.deleteStream("a")
        // The rows go without a flush: the journal still begins before the deletion.
        let memtable = journal.memtable()
        try backing.save(memtable.dirty, of: memtable.catalogue, lastCommit: 0)
        try backing.close()
        backing = SegmentBacking.inDirectory(directory)
        #expect(try backing.load()?.catalogue.deletedShards == [key: journal.commit])
        try backing.flush(memtable)
        try backing.close()
        #expect(try SegmentBacking.inDirectory(directory).load()?.catalogue.deletedShards == [:])
    }
}
