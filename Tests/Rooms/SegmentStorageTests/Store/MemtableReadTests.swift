import StreamModel
import TestSupport
import Testing

@testable import SegmentStorage

/// Reading and trimming a shardMemtable against a list of its records (STORE-M1, STORE-M2).
@Suite struct MemtableReadTests {
    private struct Kept {
        var number: UInt64
        var commit: UInt64
        /// Of its key and data, and as it is encoded.
        var (bytes, encoded): (Int, Int)
    }

    /// Few runs at once, so that reads take several.
    private let shardMemtable = ShardMemtable(flushedThrough: .zero, horizon: .zero, runsAtOnce: 4)
    private var kept: [Kept] = []
    private var next: UInt64 = 1

    /// Puts a run of records that lies within a chunk of others.
    private mutating func put(_ sizes: [Int], commit: UInt64) {
        var bytes: [UInt8] = []
        var offsets: [UInt32] = [0]
        for size in [3] + sizes + [3] {
            RecordEncoding.append(NewRecord([UInt8](repeating: 1, count: size), partitionKey: "key"), to: &bytes)
            offsets.append(UInt32(bytes.count))
        }
        let chunk = RecordChunk(bytes: bytes, offsets: offsets)
        shardMemtable.append(
            RecordRun(
                chunk, 1..<sizes.count + 1, shard: ShardID(0), shardCreationSecond: 1,
                firstSequence: SequenceNumber(next), arrival: Timestamp(milliseconds: 1)), commit: commit)
        for (index, size) in sizes.enumerated() {
            kept.append(
                Kept(
                    number: next, commit: commit, bytes: size + 3,
                    encoded: Int(offsets[index + 2] - offsets[index + 1])))
            next += 1
        }
    }

    private mutating func fill(_ numbers: inout SeededRandom) {
        for commit in 1...UInt64.random(in: 1...12, using: &numbers) {
            let count = Int.random(in: 1...5, using: &numbers)
            put((0..<count).map { _ in Int.random(in: 0...200, using: &numbers) }, commit: commit)
        }
    }

    @Test(arguments: 0..<60 as Range<UInt64>)
    mutating func `a read gives what is visible after the position, as far as both limits let it`(seed: UInt64) {
        var numbers = SeededRandom(seed)
        fill(&numbers)
        for _ in 0..<200 {
            let position = UInt64.random(in: 0..<next, using: &numbers)
            let watermark = UInt64.random(in: 0...13, using: &numbers)
            let visible = kept.filter { $0.number > position && $0.commit <= watermark }
            // Around what would be all, and anything.
            let records = max(
                1,
                [visible.count + Int.random(in: -1...1, using: &numbers), 1, 7, .max].randomElement(using: &numbers)!)
            let all = visible.reduce(0) { $0 + $1.encoded }
            let bytes = max(
                1, [all + Int.random(in: -1...1, using: &numbers), all / 2, 1, .max].randomElement(using: &numbers)!)
            switch shardMemtable.read(
                after: SequenceNumber(position), watermark: watermark, maximumRecords: records, maximumBytes: bytes)
            {
            case .past: Issue.record("nothing was trimmed")
            case .nothing: #expect(visible.isEmpty)
            case .records(let batch, let last):
                let got = batch.map(\.sequenceNumber.rawValue)
                #expect(got == visible.prefix(got.count).map(\.number))
                #expect(got.last == last.rawValue && got.count <= records)
                let taken = visible.prefix(got.count)
                // The record that reaches the limit is the last.
                #expect(taken.dropLast().reduce(0) { $0 + $1.bytes } < bytes)
                let isAll = got.count == visible.count || got.count == records
                #expect(isAll || taken.reduce(0) { $0 + $1.encoded } >= bytes)
                #expect(batch.byteCount == taken.reduce(0) { $0 + $1.encoded })
            }
        }
    }

    @Test(arguments: 0..<30 as Range<UInt64>)
    mutating func `trimming keeps the runs that have a record after the number, and only those`(seed: UInt64) {
        var numbers = SeededRandom(seed)
        var trimmed: UInt64 = 0
        for _ in 0..<4 {
            fill(&numbers)
            // Within a run, at its end, after all, and not beyond the last time.
            let last = UInt64.random(in: 0...next, using: &numbers)
            shardMemtable.trim(through: SequenceNumber(last))
            trimmed = max(trimmed, last)
            #expect(shardMemtable.flushedThrough == SequenceNumber(trimmed))
            // A record that comes after a trim for more than there was has a higher number.
            next = max(next, trimmed + 1)
            let left = kept.filter { $0.number > trimmed }.map(\.number)
            switch shardMemtable.read(
                after: SequenceNumber(trimmed), watermark: .max, maximumRecords: .max, maximumBytes: .max)
            {
            case .past: Issue.record("nothing after \(trimmed) was trimmed")
            case .nothing: #expect(left.isEmpty)
            case .records(let batch, _): #expect(batch.map(\.sequenceNumber.rawValue) == left)
            }
        }
    }

    @Test func `a chunk knows where its bytes lie, and a part of a run its own bytes`() {
        var bytes: [UInt8] = []
        var offsets: [UInt32] = [0]
        for size in [10, 20, 30] {
            RecordEncoding.append(NewRecord([UInt8](repeating: 1, count: size), partitionKey: "key"), to: &bytes)
            offsets.append(UInt32(bytes.count))
        }
        let chunk = RecordChunk(bytes: bytes, offsets: offsets)
        #expect(chunk.bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } == chunk.address)
        let run = RecordRun(
            chunk, 0..<3, shard: ShardID(0), shardCreationSecond: 1, firstSequence: SequenceNumber(1),
            arrival: Timestamp(milliseconds: 1))
        #expect(run.byteCount == bytes.count)
        #expect(run.extracting(1..<2).byteCount == Int(offsets[2] - offsets[1]))
        #expect(run.after(SequenceNumber(1))?.byteCount == Int(offsets[3] - offsets[1]))
    }
}
