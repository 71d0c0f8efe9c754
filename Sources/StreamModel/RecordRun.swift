/// Consecutive records of one shard that lie in one chunk of bytes: what stores keep and hand out.
///
/// A copy shares the chunk. The records' numbers are dense: the i-th has `firstSequence + i`.
package struct RecordRun: Sendable {
    /// The encoded records (``RecordEncoding``), and perhaps those of other runs beside them.
    package let bytes: [UInt8]
    /// The start of every record in `bytes`, and behind the last its end.
    package let offsets: [UInt32]
    /// Which of the records that `offsets` knows are this run's.
    package private(set) var range: Range<Int>
    package let shard: ShardID
    package let shardCreationSecond: UInt64
    package private(set) var firstSequence: SequenceNumber
    /// The arrival of the run; a record's own is this plus its delta.
    package let arrival: Timestamp

    package init(
        bytes: [UInt8], offsets: [UInt32], range: Range<Int>, shard: ShardID, shardCreationSecond: UInt64,
        firstSequence: SequenceNumber, arrival: Timestamp
    ) {
        precondition(range.upperBound < offsets.count && !range.isEmpty)
        self.bytes = bytes
        self.offsets = offsets
        self.range = range
        self.shard = shard
        self.shardCreationSecond = shardCreationSecond
        self.firstSequence = firstSequence
        self.arrival = arrival
    }

    package var count: Int { range.count }
    package var lastSequence: SequenceNumber { firstSequence.advanced(by: range.count - 1) }
    /// Encoded bytes of the run's records where they lie one behind the other.
    package var byteCount: Int { Int(offsets[range.upperBound] - offsets[range.lowerBound]) }

    package subscript(index: Int) -> Record {
        Record(
            bytes: bytes, at: Int(offsets[range.lowerBound + index]), shard: shard,
            shardCreationSecond: shardCreationSecond, sequenceNumber: firstSequence.advanced(by: index),
            runArrival: arrival)
    }

    /// Where in ``bytes`` the parts of a record lie: for looking at records without making them.
    package func layout(of index: Int) -> RecordEncoding.Layout {
        // Stores hand out only chunks that were checked when they were made or read.
        RecordEncoding.layout(in: bytes.span, at: Int(offsets[range.lowerBound + index]))!
    }

    /// The records at these places of the run, which must not be none.
    package func extracting(_ bounds: Range<Int>) -> RecordRun {
        var part = self
        part.range = range.lowerBound + bounds.lowerBound..<range.lowerBound + bounds.upperBound
        part.firstSequence = firstSequence.advanced(by: bounds.lowerBound)
        precondition(part.range.upperBound <= range.upperBound && !part.range.isEmpty)
        return part
    }

    /// The records with a number greater than `position`; nil where there are none.
    package func after(_ position: SequenceNumber) -> RecordRun? {
        if position < firstSequence { return self }
        guard position < lastSequence else { return nil }
        return extracting(Int(position.rawValue - firstSequence.rawValue) + 1..<count)
    }
}
