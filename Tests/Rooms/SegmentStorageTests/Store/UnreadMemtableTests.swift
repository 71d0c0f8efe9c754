import StreamModel
import Testing

@testable import SegmentStorage

/// What a flush leaves in memory for readers that are a little behind (STORE-M4).
@Suite struct UnreadMemtableTests {
    private let shardMemtable = ShardMemtable(flushedThrough: .zero, horizon: .zero, runsAtOnce: 1)

    private func put(_ first: UInt64, _ count: Int, commit: UInt64) {
        var bytes: [UInt8] = []
        var offsets: [UInt32] = [0]
        for index in 0..<count {
            RecordEncoding.append(NewRecord("record \(index)", partitionKey: "k"), to: &bytes)
            offsets.append(UInt32(bytes.count))
        }
        shardMemtable.append(
            RecordRun(
                bytes: bytes, offsets: offsets, range: 0..<count, shard: ShardID(0), shardCreationSecond: 1,
                firstSequence: SequenceNumber(first), arrival: Timestamp(milliseconds: 1)), commit: commit)
    }

    private func read(after position: UInt64) -> [UInt64]? {
        switch shardMemtable.read(
            after: SequenceNumber(position), watermark: .max, maximumRecords: 100, maximumBytes: 1 << 20)
        {
        case .records(let batch, _): batch.map(\.sequenceNumber.rawValue)
        case .nothing: []
        case .past: nil
        }
    }

    @Test func `what a reader has not come to stays until it is trimmed permanently`() {
        put(1, 3, commit: 1)
        put(4, 2, commit: 2)
        #expect(read(after: 0) == [1, 2, 3, 4, 5])
        // It has been given them, but has not come back for what is after: it may be asked for them once more.
        #expect(!shardMemtable.trimIfRead(through: SequenceNumber(5)))
        #expect(read(after: 3) == [4, 5])
        #expect(!shardMemtable.trimIfRead(through: SequenceNumber(5)))
        shardMemtable.trim(through: SequenceNumber(5))
        #expect(shardMemtable.flushedThrough == SequenceNumber(5))
        #expect(read(after: 3) == nil)
    }

    @Test func `what was read goes at once, and what nobody reads`() {
        put(1, 3, commit: 1)
        #expect(shardMemtable.trimIfRead(through: SequenceNumber(3)))
        #expect(read(after: 0) == nil)
        put(4, 2, commit: 2)
        #expect(read(after: 3) == [4, 5])
        #expect(read(after: 5) == [])
        #expect(shardMemtable.trimIfRead(through: SequenceNumber(5)))
        #expect(shardMemtable.flushedThrough == SequenceNumber(5))
    }

    @Test func `a reader in segments keeps nothing in memory`() {
        put(1, 3, commit: 1)
        shardMemtable.trim(through: SequenceNumber(3))
        put(4, 2, commit: 2)
        #expect(read(after: 1) == nil)
        #expect(shardMemtable.trimIfRead(through: SequenceNumber(5)))
    }
}
