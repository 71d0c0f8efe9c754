import DiskAccess
import StreamModel

/// A part of the journal that a flush writes as sections of segments: whole commits, all of them synced.
package struct Memtable: Sendable {
    /// The records of a commit that share one body.
    package struct Frame: Sendable {
        package var commit: UInt64
        package var chunk: RecordChunk
        package var runs: [Run]
        /// The encoded body, where a run has the body to itself (STORE-F4).
        var stored: StoredBody?
    }

    /// Consecutive records of one shard in a frame. A plain value, since there may be one for every record or two.
    package struct Run: Sendable {
        package var shard: ShardNumber
        package var id: ShardID
        package var creationSecond: UInt64
        /// The indexes of its records in the chunk.
        package var records: Range<Int>
        package var firstSequence: SequenceNumber
        package var arrival: Timestamp

        package var lastSequence: SequenceNumber { firstSequence.advanced(by: records.count - 1) }
    }

    /// 1 for the first memtable of this opening.
    package var number: UInt64
    var firstCommit: UInt64
    package var lastCommit: UInt64
    /// In the order of the commits.
    package var frames: [Frame]
    /// The rows that changed since the previous memtable, including those of deleted objects, which ``catalogue`` no
    /// longer has.
    package var dirty: DirtyRows
    /// The catalogue as of ``lastCommit``, or a little later.
    package var catalogue: Catalogue
    /// Where replay begins once this memtable is registered.
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

    /// The encoded size of a run's records, in bytes.
    package func byteCount(of run: Memtable.Run) -> Int {
        Int(chunk.offsets[run.records.upperBound] - chunk.offsets[run.records.lowerBound])
    }

    /// The size of the records and of their stored body, in bytes.
    package var byteCount: Int { chunk.bytes.count + (stored?.bytes.count ?? 0) }
}
