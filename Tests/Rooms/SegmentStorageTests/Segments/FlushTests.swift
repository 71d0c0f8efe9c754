import DiskAccess
import Foundation
import StreamModel
import Synchronization
import TestSupport
import Testing

@testable import SegmentStorage

/// STORE-F1, STORE-F2, STORE-F5 and reading: what is flushed is found again, whole and in order.
@Suite struct FlushTests {
    private let directory = TestDirectory()

    private func files() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: directory.path + "/segments").sorted()
    }

    @Test func `flushed records are read back, before and after opening again`() async throws {
        var numbers = SeededRandom(1)
        var journal = JournalStandIn()
        journal.createStream("a", shards: 3)
        journal.createStream("b")
        var backing = try SegmentBacking.new(in: directory)
        for number in 0..<6 {
            for round in 0..<20 {
                let name = round % 4 == 0 ? "b" : "a"
                let data = (0..<Int.random(in: 1...40, using: &numbers)).map { _ in
                    noise(Int.random(in: 0...400, using: &numbers), &numbers)
                }
                journal.put(
                    data, in: name, shard: name == "a" ? UInt32(round % 3) : 0, at: Int64(number * 1_000 + round),
                    stored: round % 5 == 0)
            }
            try backing.flush(journal.memtable())
            if number == 3 {
                try backing.close()
                backing = SegmentBacking.inDirectory(directory)
                let snapshot = try #require(try backing.load())
                #expect(snapshot.start?.commit == journal.commit + 1)
                #expect(snapshot.catalogue == journal.catalogue)
            }
        }
        for shard in journal.catalogue.shards.values {
            let expected = try #require(journal.records[shard.key])
            #expect(try await backing.all(of: shard) == expected)
            #expect(try await backing.all(of: shard, maximumRecords: 1_000) == expected)
            let middle = expected[expected.count / 2].sequence
            #expect(try await backing.all(of: shard, from: middle) == expected.filter { $0.sequence >= middle })
        }
        #expect(try files() == ["000000000001.segment"])
    }

    @Test func `a read keeps its limits and its range`() async throws {
        var journal = JournalStandIn()
        journal.createStream("a")
        let backing = try SegmentBacking.new(in: directory)
        journal.put((0..<100).map { _ in Array(repeating: 1, count: 100) }, in: "a", at: 5)
        journal.put((0..<100).map { _ in Array(repeating: 2, count: 100) }, in: "a", at: 6)
        try backing.flush(journal.memtable())
        let shard = journal.shard("a")
        func read(_ range: ClosedRange<UInt64>, _ records: Int, _ bytes: Int) async throws -> [UInt64] {
            try await backing.read(
                shard, SequenceNumber(range.lowerBound)...SequenceNumber(range.upperBound), maximumRecords: records,
                maximumBytes: bytes
            ).batch.map(\.sequenceNumber.rawValue)
        }
        #expect(try await read(95...104, 1_000, 1 << 20) == Array(95...104))
        #expect(try await read(95...500, 10, 1 << 20) == Array(95...104))
        #expect(try await read(1...500, 1_000, 1) == [1])
        let some = try await read(1...500, 1_000, 1_050)
        #expect((9...11).contains(some.count))
        #expect(try await read(201...500, 10, 1 << 20).isEmpty)
    }

    @Test func `a thousand tiny streams share one file`() async throws {
        var journal = JournalStandIn()
        let backing = try SegmentBacking.new(in: directory)
        for index in 0..<1_000 { journal.createStream("s\(index)") }
        for index in 0..<1_000 { journal.put([[UInt8(index % 256)]], in: "s\(index)", at: 5) }
        try backing.flush(journal.memtable())
        #expect(try files() == ["000000000001.segment"])
        let size = try #require(try POSIXFileSystem().status(directory.path + "/segments/000000000001.segment")?.size)
        #expect(size < 300_000)
        for index in stride(from: 0, to: 1_000, by: 97) {
            #expect(try await backing.all(of: journal.shard("s\(index)")).map(\.data) == [[UInt8(index % 256)]])
        }
    }

    @Test func `a stream with much gets its own segment, classes of retention theirs`() throws {
        var journal = JournalStandIn()
        journal.createStream("big")
        journal.createStream("small")
        journal.createStream("old", retention: .seconds(7 * 86_400))
        let backing = try SegmentBacking.new(in: directory)
        let mebibyte = Array(repeating: 7 as UInt8, count: 1 << 20)
        journal.put(Array(repeating: mebibyte, count: 4), in: "big", at: 5)
        journal.put([[1]], in: "small", at: 5)
        journal.put([[1]], in: "old", at: 5)
        try backing.flush(journal.memtable())
        let segments = try #require(backing.archive).set.all
        #expect(segments.map { $0.streams.keys.sorted() } == [[1], [2], [3]])
        #expect(segments.map(\.row.grouping.isOwn) == [true, false, false])
        #expect(segments.map(\.row.grouping.retentionClass) == [0, 0, 2])
    }

    @Test(arguments: 0..<12 as Range<UInt64>)
    func `the segments of a shard never interleave`(seed: UInt64) async throws {
        var numbers = SeededRandom(seed)
        var journal = JournalStandIn()
        for index in 0..<4 { journal.createStream("s\(index)", shards: 2) }
        let options = SegmentBacking.Options(cacheLimit: 40_000, ownSegmentFrom: 4_000, sealFrom: 12_000)
        let clock = HandClock(1_000)
        var backing = try SegmentBacking.new(in: directory, clock: clock, options: options)
        for number in 0..<25 {
            for index in 0..<4 {
                if Int.random(in: 0...3, using: &numbers) == 0 { continue }
                // Now and then enough for a segment of its own; now and then another class of retention.
                let size = Bool.random(using: &numbers) ? 60 : 900
                if Int.random(in: 0...9, using: &numbers) == 0 {
                    journal.change("s\(index)", retention: .seconds(Bool.random(using: &numbers) ? 86_400 : 300_000))
                }
                for shard in 0..<2 as Range<UInt32> {
                    let data = (0..<Int.random(in: 1...5, using: &numbers)).map { _ in noise(size, &numbers) }
                    journal.put(data, in: "s\(index)", shard: shard, at: Int64(1_000 + number))
                }
            }
            try backing.flush(journal.memtable())
            try backing.applyRetention(journal.catalogue, now: Timestamp(milliseconds: Int64(1_000 + number)))
            if Int.random(in: 0...5, using: &numbers) == 0 {
                try backing.close()
                backing = SegmentBacking.inDirectory(directory, clock: clock, options: options)
                #expect(try backing.load()?.catalogue == journal.catalogue)
            }
        }
        let archive = try #require(backing.archive)
        #expect(archive.set.all.contains { $0.row.state == .sealed })
        #expect(archive.set.all.contains { $0.row.grouping.isOwn })
        for shard in journal.catalogue.shards.values {
            guard let expected = journal.records[shard.key] else { continue }
            #expect(try await backing.all(of: shard) == expected)
            for expected in expected.filter({ $0.sequence % 7 == 0 }) {
                let number = SequenceNumber(expected.sequence)
                let one = try await backing.read(shard, number...number, maximumRecords: 9, maximumBytes: 9)
                #expect(one.batch.map(JournalStandIn.Expected.init) == [expected])
            }
            // In the order of the segments each shard's numbers rise.
            var last: UInt64 = 0
            for segment in archive.set.segments(of: UInt64(shard.stream.rawValue), shard: shard.id.number) {
                var cursor = ShardCursor(
                    [segment], stream: UInt64(shard.stream.rawValue), shardKey: shard.key.rawValue,
                    reader: archive.reader)
                while let slice = try cursor.next()?.slice {
                    #expect(slice.firstSequence == last + 1)
                    last = slice.lastSequence
                }
            }
        }
        #expect(archive.reader.cache.memory <= options.cacheLimit)
    }

    @Test func `a sealed segment is found through its footer alone`() async throws {
        var journal = JournalStandIn()
        journal.createStream("a", shards: 2)
        let options = SegmentBacking.Options(sealFrom: 5_000)
        var backing = try SegmentBacking.new(in: directory, options: options)
        for round in 0..<4 {
            journal.put([Array(repeating: UInt8(round), count: 40)], in: "a", shard: UInt32(round % 2), at: 1_000_000)
            try backing.flush(journal.memtable())
        }
        try backing.applyRetention(journal.catalogue, now: Timestamp(milliseconds: 1_000_001))
        let archive = try #require(backing.archive)
        let sealed = try #require(archive.set.all.first)
        #expect(sealed.row.state == .sealed)
        #expect(sealed.sections.isEmpty)
        try backing.close()
        backing = SegmentBacking.inDirectory(directory, options: options)
        _ = try backing.load()
        #expect(try await backing.all(of: journal.shard("a", 1)) == journal.records[journal.shard("a", 1).key])
        // The next flush opens another one.
        journal.put([[1]], in: "a", at: 1_000_002)
        try backing.flush(journal.memtable())
        #expect(try files() == ["000000000001.segment", "000000000002.segment"])
        #expect(try await backing.all(of: journal.shard("a")) == journal.records[journal.shard("a").key])
    }

    @Test func `a segment is sealed when it was open for an eighth of the retention`() throws {
        var journal = JournalStandIn()
        journal.createStream("a")
        let backing = try SegmentBacking.new(in: directory)
        journal.put([[1]], in: "a", at: 1_000_000)
        try backing.flush(journal.memtable())
        let due = 1_000_000 + 3 * 3_600_000 as Int64
        let archive = try #require(backing.archive)
        #expect(archive.dueForSealing(journal.catalogue, now: Timestamp(milliseconds: due - 1)).isEmpty)
        #expect(archive.dueForSealing(journal.catalogue, now: Timestamp(milliseconds: due)).count == 1)
    }

    @Test func `a time is found to the millisecond`() async throws {
        var journal = JournalStandIn()
        journal.createStream("a")
        let backing = try SegmentBacking.new(in: directory)
        for number in 0..<3 {
            for round in 0..<10 {
                journal.put([[1], [2], [3]], in: "a", at: Int64(number * 1_000 + round * 10))
            }
            try backing.flush(journal.memtable())
        }
        let shard = journal.shard("a")
        let records = try #require(journal.records[shard.key])
        for time in [-5, 0, 1, 9, 10, 11, 90, 91, 999, 1_000, 1_001, 2_089, 2_090] as [Int64] {
            let expected = records.first { $0.arrival >= time }?.sequence
            let found = try await backing.firstSequence(of: shard, arrivedAtOrAfter: Timestamp(milliseconds: time))
            #expect(found?.rawValue == expected, "time \(time)")
        }
        #expect(try await backing.firstSequence(of: shard, arrivedAtOrAfter: Timestamp(milliseconds: 2_091)) == nil)
    }

    @Test func `what is read stays within the cache's bound`() async throws {
        var numbers = SeededRandom(3)
        var journal = JournalStandIn()
        journal.createStream("a")
        let options = SegmentBacking.Options(cacheLimit: 300_000)
        let backing = try SegmentBacking.new(in: directory, options: options)
        for _ in 0..<40 { journal.put((0..<10).map { _ in noise(5_000, &numbers) }, in: "a", at: 5) }
        try backing.flush(journal.memtable())
        #expect(try await backing.all(of: journal.shard("a")) == journal.records[journal.shard("a").key])
        let memory = try #require(backing.archive).reader.cache.memory
        #expect(memory > 60_000 && memory <= options.cacheLimit)
    }

    @Test(arguments: 0..<8 as Range<UInt64>)
    func `a reader finds its place among many sections, most of which say nothing of its shard`(seed: UInt64)
        async throws
    {
        var numbers = SeededRandom(seed)
        var journal = JournalStandIn()
        journal.createStream("a", shards: 3)
        let backing = try SegmentBacking.new(in: directory)
        for section in 0..<30 {
            for shard in 0..<3 as Range<UInt32> where Int.random(in: 0...Int(shard) * 2, using: &numbers) == 0 {
                journal.put([[UInt8(section)], [1]], in: "a", shard: shard, at: Int64(section))
            }
            journal.createStream("other-\(section)")
            journal.put([[9]], in: "other-\(section)", at: Int64(section))
            try backing.flush(journal.memtable())
        }
        for number in 0..<3 as Range<UInt32> {
            let shard = journal.shard("a", number)
            let records = journal.records[shard.key] ?? []
            for first in 1...records.count {
                let found = try await backing.read(
                    shard, SequenceNumber(UInt64(first))...SequenceNumber(UInt64(records.count)),
                    maximumRecords: 3, maximumBytes: 1 << 20)
                #expect(found.batch.map { JournalStandIn.Expected($0) } == Array(records[(first - 1)...].prefix(3)))
            }
        }
    }

    @Test func `a few records that are read do not keep the block that they share with other shards`() async throws {
        var journal = JournalStandIn()
        journal.createStream("a", shards: 40)
        let backing = try SegmentBacking.new(in: directory)
        for shard in 0..<40 as Range<UInt32> {
            journal.put([Array(repeating: 65, count: 1_000), [7]], in: "a", shard: shard, at: 5)
        }
        try backing.flush(journal.memtable())
        let shard = journal.shard("a", 17)
        let found = try await backing.read(
            shard, SequenceNumber(1)...SequenceNumber(2), maximumRecords: 10, maximumBytes: 1 << 20)
        #expect(found.batch.map { JournalStandIn.Expected($0) } == journal.records[shard.key])
        #expect(found.batch.runs.reduce(0) { $0 + $1.bytes.count } < 1_100)
    }

    @Test func `a flush writes the rows of what it changed, not of all that shares the segment`() throws {
        let metadata = RecordingMetadata()
        let backing = SegmentBacking(
            fileSystem: POSIXFileSystem(), directory: directory.path, timeSource: HandClock(1_000), logger: silent,
            openMetadata: { metadata })
        #expect(try backing.load() == nil)
        try backing.create(JournalStandIn.store)
        var journal = JournalStandIn()
        for index in 0..<50 { journal.createStream("s\(index)") }
        for index in 0..<50 { journal.put([[1]], in: "s\(index)", at: 1_000) }
        try backing.flush(journal.memtable())
        #expect(metadata.takeRows().filter { $0 == .segmentStream }.count == 50)
        journal.put([[2]], in: "s7", at: 1_000)
        try backing.flush(journal.memtable())
        #expect(
            metadata.takeRows().sorted { $0.rawValue < $1.rawValue } == [
                .section, .segment, .segmentStream, .shard, .store,
            ])
    }
}

/// Remembers which rows are written.
private final class RecordingMetadata: MetadataStore {
    private let model = ModelMetadata()
    private let rows = Mutex<[MetadataTable]>([])

    func read() throws(MetadataError) -> MetadataContents { try model.read() }

    func apply(_ changes: [MetadataChange]) throws(MetadataError) {
        try model.apply(changes)
        rows.withLock { rows in
            for case .put(let row) in changes { rows.append(row.table) }
        }
    }

    func close() {}

    func takeRows() -> [MetadataTable] {
        rows.withLock { rows in
            defer { rows = [] }
            return rows
        }
    }
}
