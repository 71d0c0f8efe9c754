import DiskAccess
import StreamModel

/// A part of the journal that is to become sections of segments: whole commits, all of them synced.
package struct Memtable: Sendable {
    /// Records that a commit has in one body.
    package struct Frame: Sendable {
        package var commit: UInt64
        package var chunk: RecordChunk
        package var runs: [Run]
        /// The stored body, where a run is alone in it (STORE-F4).
        var stored: StoredBody?
    }

    /// Consecutive records of one shard in a frame. Plain values: there may be one for every record or two.
    package struct Run: Sendable {
        package var shard: ShardNumber
        package var id: ShardID
        package var creationSecond: UInt64
        /// Which of the chunk's records.
        package var records: Range<Int>
        package var firstSequence: SequenceNumber
        package var arrival: Timestamp

        package var lastSequence: SequenceNumber { firstSequence.advanced(by: records.count - 1) }
    }

    /// 1 for the first of this opening.
    package var number: UInt64
    var firstCommit: UInt64
    package var lastCommit: UInt64
    /// In the order of the commits.
    package var frames: [Frame]
    /// What changed since the memtable before; what was deleted is here too, and is no longer in the catalogue.
    package var dirty: DirtyRows
    /// All as of ``lastCommit``, or a little later.
    package var catalogue: Catalogue
    /// Where replay begins once this is registered.
    package var next: JournalPosition
}

extension Memtable.Frame {
    /// A frame with one run.
    package init(_ records: RecordRun, of shard: ShardNumber, commit: UInt64, stored: StoredBody?) {
        self.init(
            commit: commit, chunk: records.chunk,
            runs: [
                Memtable.Run(
                    shard: shard, id: records.shard, creationSecond: records.shardCreationSecond,
                    records: records.range, firstSequence: records.firstSequence, arrival: records.arrival)
            ],
            stored: stored)
    }

    /// The records of a run of this frame.
    package func records(of run: Memtable.Run) -> RecordRun {
        RecordRun(
            chunk, run.records, shard: run.id, shardCreationSecond: run.creationSecond,
            firstSequence: run.firstSequence, arrival: run.arrival)
    }

    /// Encoded bytes of a run's records.
    package func byteCount(of run: Memtable.Run) -> Int {
        Int(chunk.offsets[run.records.upperBound] - chunk.offsets[run.records.lowerBound])
    }

    /// Bytes of the records and of their stored body.
    package var byteCount: Int { chunk.bytes.count + (stored?.bytes.count ?? 0) }
}
