import StreamModel

/// Records of one shard with rising numbers, copied out of the records of a parking stream that carry them. Those whose
/// numbers follow one another are one run, as they were when they were parked.
struct CarriedRecords {
    private struct Piece {
        var range: Range<Int>
        let first: ParkedRecord.Found
    }

    private var bytes: [UInt8] = []
    private var offsets: [UInt32] = []
    private var pieces: [Piece] = []
    private var last: ParkedRecord.Found?

    /// Whether a record may come next: of the same shard, with a higher number.
    func isFollowed(by next: ParkedRecord.Found) -> Bool {
        guard let last else { return true }
        return last.shard == next.shard && last.shardCreationSecond == next.shardCreationSecond
            && last.number < next.number
    }

    mutating func append(_ record: ParkedRecord.Found, of carrier: borrowing RecordRun) {
        if let last, last.number.advanced(by: 1) == record.number, last.arrival == record.arrival {
            pieces[pieces.count - 1].range = pieces[pieces.count - 1].range.lowerBound..<offsets.count + 1
        } else {
            pieces.append(Piece(range: offsets.count..<offsets.count + 1, first: record))
        }
        last = record
        offsets.append(UInt32(bytes.count))
        bytes.append(contentsOf: carrier.chunk.bytes[record.bytes])
    }

    /// The records; nil where there are none.
    consuming func batch() -> RecordBatch? {
        guard !pieces.isEmpty else { return nil }
        offsets.append(UInt32(bytes.count))
        let chunk = RecordChunk(bytes: bytes, offsets: offsets)
        var batch = RecordBatch()
        batch.reserve(runs: pieces.count)
        for piece in pieces {
            batch.append(
                RecordRun(
                    chunk, piece.range, shard: piece.first.shard,
                    shardCreationSecond: piece.first.shardCreationSecond, firstSequence: piece.first.number,
                    arrival: piece.first.arrival))
        }
        return batch
    }
}
