/// Consecutive encoded records and the offset of each; the runs of a journal frame share one chunk.
///
/// A class, so that a run holds one reference. With a record or two to a run, as streams of many shards have them, most
/// of a run's cost is reference counting.
@usableFromInline package final class RecordChunk: Sendable {
    /// The encoded records (``RecordEncoding``).
    @usableFromInline package let bytes: [UInt8]
    /// The start of every record in `bytes`, and as the last element the end.
    @usableFromInline package let offsets: [UInt32]
    /// The address of `bytes`, for ``Prefetch`` only.
    package let address: UInt

    package init(bytes: [UInt8], offsets: [UInt32]) {
        self.bytes = bytes
        self.offsets = offsets
        address = bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
    }
}

/// Consecutive records of one shard in one chunk of bytes: the form in which stores keep and return records.
///
/// A copy shares the chunk. The records' numbers are dense: the i-th has `firstSequence + i`.
@usableFromInline package struct RecordRun: Sendable {
    /// The run's records, and possibly those of other runs.
    @usableFromInline package let chunk: RecordChunk
    // Half the size of a range of integers: stores keep runs of single records.
    @usableFromInline var lower: UInt32
    @usableFromInline var upper: UInt32
    @usableFromInline package let shard: ShardID
    // Stored, because the chunk's offsets are elsewhere in memory and a read needs this number of every run.
    @usableFromInline var bytesOfAll: UInt32
    @usableFromInline package let shardCreationSecond: UInt64
    @usableFromInline package internal(set) var firstSequence: SequenceNumber
    /// The arrival of the run; a record's own is this plus its delta.
    @usableFromInline package let arrival: Timestamp

    @inlinable package init(
        _ chunk: RecordChunk, _ range: Range<Int>, shard: ShardID, shardCreationSecond: UInt64,
        firstSequence: SequenceNumber, arrival: Timestamp
    ) {
        precondition(range.upperBound < chunk.offsets.count && !range.isEmpty)
        self.chunk = chunk
        lower = UInt32(range.lowerBound)
        upper = UInt32(range.upperBound)
        self.shard = shard
        bytesOfAll = chunk.offsets[range.upperBound] - chunk.offsets[range.lowerBound]
        self.shardCreationSecond = shardCreationSecond
        self.firstSequence = firstSequence
        self.arrival = arrival
    }

    /// A run in a chunk of its own.
    package init(
        bytes: [UInt8], offsets: [UInt32], range: Range<Int>, shard: ShardID, shardCreationSecond: UInt64,
        firstSequence: SequenceNumber, arrival: Timestamp
    ) {
        self.init(
            RecordChunk(bytes: bytes, offsets: offsets), range, shard: shard,
            shardCreationSecond: shardCreationSecond, firstSequence: firstSequence, arrival: arrival)
    }

    /// The chunk's bytes.
    package var bytes: [UInt8] { chunk.bytes }
    /// The chunk's offsets.
    package var offsets: [UInt32] { chunk.offsets }
    // Inlined in other modules, because a call would retain the chunk.

    /// Which records of the chunk belong to this run.
    @inlinable @inline(__always) package var range: Range<Int> { Int(lower)..<Int(upper) }
    @inlinable @inline(__always) package var count: Int { Int(upper - lower) }
    @inlinable @inline(__always) package var lastSequence: SequenceNumber { firstSequence.advanced(by: count - 1) }
    /// The encoded bytes of the run's records.
    @inlinable @inline(__always) package var byteCount: Int { Int(bytesOfAll) }

    package subscript(index: Int) -> Record {
        Record(
            bytes: chunk.bytes, at: Int(chunk.offsets[Int(lower) + index]), shard: shard,
            shardCreationSecond: shardCreationSecond, sequenceNumber: firstSequence.advanced(by: index),
            runArrival: arrival)
    }

    /// The record's sequence number as Kinesis writes it.
    package func kinesisSequenceNumber(at index: Int) -> KinesisSequenceNumber {
        KinesisSequenceNumber(
            shard: shard, shardCreationSecond: shardCreationSecond, sequenceNumber: firstSequence.advanced(by: index),
            arrivalSecond: arrival(at: index).second)
    }

    /// When the store accepted the record at this place.
    package func arrival(at index: Int) -> Timestamp {
        Timestamp(milliseconds: arrival.milliseconds + Int64(layout(of: index).arrivalDelta))
    }

    /// The places in ``bytes`` of a record's parts, so that a record can be examined without making a ``Record``.
    package func layout(of index: Int) -> RecordEncoding.Layout {
        // Stores return only chunks that were validated when they were made or read.
        let bytes = chunk.bytes
        return RecordEncoding.layout(in: bytes.span, at: Int(chunk.offsets[Int(lower) + index]))!
    }

    /// The records at these places of the run; the range must not be empty.
    package func extracting(_ bounds: Range<Int>) -> RecordRun {
        var part = self
        precondition(bounds.lowerBound >= 0 && bounds.upperBound <= count && !bounds.isEmpty)
        part.lower = lower + UInt32(bounds.lowerBound)
        part.upper = lower + UInt32(bounds.upperBound)
        part.bytesOfAll = chunk.offsets[Int(part.upper)] - chunk.offsets[Int(part.lower)]
        part.firstSequence = firstSequence.advanced(by: bounds.lowerBound)
        return part
    }

    /// The same records in a chunk of their own.
    package var alone: RecordRun {
        let start = chunk.offsets[Int(lower)]
        return RecordRun(
            bytes: Array(chunk.bytes[Int(start)..<Int(chunk.offsets[Int(upper)])]),
            offsets: chunk.offsets[Int(lower)...Int(upper)].map { $0 - start }, range: 0..<count, shard: shard,
            shardCreationSecond: shardCreationSecond, firstSequence: firstSequence, arrival: arrival)
    }

    /// The records with a number greater than `position`; nil where there are none.
    package func after(_ position: SequenceNumber) -> RecordRun? {
        if position < firstSequence { return self }
        guard position < lastSequence else { return nil }
        return extracting(Int(position.rawValue - firstSequence.rawValue) + 1..<count)
    }
}
