import DiskAccess
import Foundation
import Logging
import StreamModel
import Synchronization
import TestSupport

@testable import SegmentStorage

/// A wall clock that stands where it is put.
final class HandClock: TimeSource {
    private let now: Mutex<Int64>

    init(_ milliseconds: Int64) { now = Mutex(milliseconds) }

    var wallTime: Timestamp { Timestamp(milliseconds: now.withLock { $0 }) }
    var monotonicTime: MonotonicTime { MonotonicTime(sinceOrigin: .milliseconds(now.withLock { $0 })) }
    func sleep(until deadline: MonotonicTime) async throws { try Task.checkCancellation() }
    func set(_ milliseconds: Int64) { now.withLock { $0 = milliseconds } }
}

/// Plays the journal's part: makes streams and memtables, and remembers every record that it put in.
struct JournalStandIn {
    private(set) var catalogue = Catalogue()
    private(set) var commit: UInt64 = 0
    private var flushedThrough: UInt64 = 0
    private var memtables: UInt64 = 0
    private var frames: [Memtable.Frame] = []
    private var dirty = DirtyRows()
    /// What was put into each shard, in order.
    private(set) var records: [ShardNumber: [Expected]] = [:]

    struct Expected: Hashable, Sendable {
        var sequence: UInt64
        var arrival: Int64
        var key: String
        var data: [UInt8]

        init(sequence: UInt64, arrival: Int64, key: String, data: [UInt8]) {
            self.sequence = sequence
            self.arrival = arrival
            self.key = key
            self.data = data
        }

        init(_ record: Record) {
            self.init(
                sequence: record.sequenceNumber.rawValue, arrival: record.approximateArrivalTimestamp.milliseconds,
                key: record.partitionKey, data: Array(record.bytes))
        }
    }

    @discardableResult
    mutating func createStream(
        _ name: String, shards: Int = 1, retention: Duration = .seconds(86_400), at now: Int64 = 1_000
    ) -> StreamState {
        commit += 1
        let key = StreamNumber(catalogue.nextStream)
        let ranges = HashKeyRange.even(shards)
        let new = (0..<shards).map { index in
            NewShard(
                key: ShardNumber(catalogue.nextShard + UInt32(index)), id: ShardID(UInt32(index)), range: ranges[index],
                creationSecond: 1, origin: .zero)
        }
        catalogue.apply(
            .streamCreated(
                StreamCreatedEntry(
                    key: key, name: name, retention: retention, maximumRecordSize: 1 << 20, isFailureStream: false,
                    createdAt: Timestamp(milliseconds: now), shards: new)), commit: commit)
        dirty.streams.insert(key)
        dirty.shards.formUnion(new.map(\.key))
        return catalogue.streams[key]!
    }

    mutating func deleteStream(_ name: String) {
        commit += 1
        let stream = catalogue.streams[catalogue.names[UTF8Key(name)]!]!
        catalogue.apply(.streamDeleted(stream.key), commit: commit)
        dirty.streams.insert(stream.key)
        dirty.shards.formUnion(stream.shards.values)
    }

    mutating func change(_ name: String, retention: Duration) {
        commit += 1
        let stream = catalogue.streams[catalogue.names[UTF8Key(name)]!]!
        catalogue.apply(
            .streamChanged(
                StreamChangedEntry(
                    key: stream.key, retention: retention, maximumRecordSize: stream.maximumRecordSize,
                    isFailureStream: false)), commit: commit)
        dirty.streams.insert(stream.key)
    }

    func shard(_ name: String, _ number: UInt32 = 0) -> ShardState {
        catalogue.shards[catalogue.streams[catalogue.names[UTF8Key(name)]!]!.shards[ShardID(number)]!]!
    }

    /// A commit with records of one shard.
    mutating func put(
        _ data: [[UInt8]], in name: String, shard number: UInt32 = 0, at arrival: Int64, stored: Bool = false,
        jump: UInt64 = 0
    ) {
        commit += 1
        let shard = shard(name, number)
        let first = shard.nextSequence.advanced(by: Int(jump))
        var bytes: [UInt8] = []
        for (index, item) in data.enumerated() {
            let record = NewRecord(
                item, partitionKey: "key-\(index % 3)", explicitHashKey: index % 4 == 3 ? HashKey(7) : nil)
            RecordEncoding.append(record, to: &bytes)
            records[shard.key, default: []].append(
                Expected(
                    sequence: first.rawValue + UInt64(index), arrival: arrival, key: record.partitionKey, data: item))
        }
        let run = RecordRun(
            bytes: bytes, offsets: RecordEncoding.offsets(of: data.count, in: bytes.span)!, range: 0..<data.count,
            shard: shard.id, shardCreationSecond: shard.creationSecond, firstSequence: first,
            arrival: Timestamp(milliseconds: arrival))
        let body = stored ? StoredBody(bytes, seed: Self.store.seed) : nil
        frames.append(Memtable.Frame(run, of: shard.key, commit: commit, stored: body))
        let entry = RecordsEntry.Run(
            shardKey: shard.key.rawValue, count: UInt32(data.count), firstSequence: first.rawValue, arrival: arrival,
            rawOffset: 0, rawBytes: UInt32(bytes.count))
        catalogue.apply(
            .records(
                RecordsEntry(
                    codec: .raw, bodyOffset: 0, storedBytes: UInt32(bytes.count), rawBytes: UInt32(bytes.count),
                    bodyChecksum: 0, runs: [entry])), commit: commit)
        dirty.shards.insert(shard.key)
    }

    /// All since the last memtable, as one.
    mutating func memtable() -> Memtable {
        memtables += 1
        defer {
            frames = []
            dirty = DirtyRows()
            flushedThrough = commit
        }
        return Memtable(
            number: memtables, firstCommit: flushedThrough + 1, lastCommit: commit, frames: frames, dirty: dirty,
            catalogue: catalogue,
            next: JournalPosition(fileNumber: 3, block: 7, commit: commit + 1, chain: UInt32(commit)))
    }

    static let store = StoreID(bytes: Array(1...16))
}

extension SegmentBacking {
    /// A backing on real files.
    static func inDirectory(
        _ directory: TestDirectory, clock: HandClock = HandClock(1_000_000), options: Options = Options()
    ) -> SegmentBacking {
        SegmentBacking(
            fileSystem: POSIXFileSystem(), directory: directory.path, timeSource: clock,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), options: options)
    }

    /// A new store on real files.
    static func new(
        in directory: TestDirectory, clock: HandClock = HandClock(1_000_000), options: Options = Options()
    ) throws -> SegmentBacking {
        let backing = inDirectory(directory, clock: clock, options: options)
        guard try backing.load() == nil else { throw FormatDamage("the directory is not empty") }
        try backing.create(JournalStandIn.store)
        return backing
    }

    /// All records of a shard, read in small portions as a slow reader would.
    func all(of shard: ShardState, maximumRecords: Int = 7, from first: UInt64 = 1) async throws
        -> [JournalStandIn.Expected]
    {
        var found: [JournalStandIn.Expected] = []
        var next = SequenceNumber(first)
        while true {
            let part = try await read(
                shard, next...SequenceNumber.max, maximumRecords: maximumRecords, maximumBytes: 1 << 20)
            guard let last = part.batch.last else { return found }
            found += part.batch.map(JournalStandIn.Expected.init)
            next = last.sequenceNumber.advanced(by: 1)
        }
    }
}

/// `count` bytes that LZ4 can't shorten.
func noise(_ count: Int, _ numbers: inout SeededRandom) -> [UInt8] {
    (0..<count).map { _ in UInt8.random(in: 0...255, using: &numbers) }
}

/// A run as a test makes it, with its own chunk.
struct FlushRun {
    var stream: UInt64
    var shardKey: UInt32
    var run: RecordRun
    var stored: StoredBody?
}

extension SectionRuns {
    /// These runs, those of one shard in the order of their numbers.
    init(_ runs: [FlushRun]) {
        self.init(runs.map { Memtable.Frame($0.run, of: ShardNumber($0.shardKey), commit: 1, stored: $0.stored) })
        for (frame, run) in runs.enumerated() {
            append(
                [Place(stream: run.stream, run: 0, of: frames[frame], number: frame)], of: run.stream,
                byteCount: run.run.byteCount)
        }
    }
}
