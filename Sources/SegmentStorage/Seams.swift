import DiskAccess
import StreamModel
import StreamStorage

/// A place in the journal at which replay can begin.
struct JournalPosition: Sendable, Hashable {
    /// The number of the file in its lap (STORE-J1), not its id.
    var fileNumber: UInt64
    var block: UInt32
    /// The commit that is there, or will be.
    var commit: UInt64
    /// The head CRC of the commit before.
    var chain: UInt32
}

/// What is known without the journal: the snapshot of the catalogue and where replay goes on from it.
struct MetadataSnapshot: Sendable {
    var store: StoreID
    /// Rows may be newer than ``start``; replay is monotone (STORE-F5).
    var catalogue: Catalogue
    /// Where replay begins; nil: at the oldest commit that the ring holds, because nothing was flushed yet.
    var start: JournalPosition?
    /// The last commit with entries that was known to be synced when this was saved: the journal must hold it.
    var lastCommit: UInt64 = 0
    /// By shard, what damage took and a repair has given up; ``catalogue`` is extended over it.
    var givenUp: [UInt32: [GivenUp]] = [:]
}

/// Which parts of the catalogue changed since the last snapshot.
struct DirtyRows: Sendable, Hashable {
    var streams: Set<StreamKey> = []
    var shards: ShardSet = []
    /// The shards whose numbers have jumped.
    var jumped: ShardSet = []
    var mappings: Set<MappingNumber> = []
    var checkpoints: Set<CheckpointPlace> = []
    var parked: Set<CheckpointPlace> = []

    struct CheckpointPlace: Sendable, Hashable {
        var mapping: MappingNumber
        var shard: ShardKey
    }

    var isEmpty: Bool {
        streams.isEmpty && shards.isEmpty && jumped.isEmpty && mappings.isEmpty && checkpoints.isEmpty
            && parked.isEmpty
    }

    mutating func formUnion(_ other: DirtyRows) {
        streams.formUnion(other.streams)
        shards.formUnion(other.shards)
        jumped.formUnion(other.jumped)
        mappings.formUnion(other.mappings)
        checkpoints.formUnion(other.checkpoints)
        parked.formUnion(other.parked)
    }
}

/// A part of the journal that is to become sections of segments: whole commits, all of them synced.
struct Epoch: Sendable {
    /// Records that a commit has in one body.
    struct Frame: Sendable {
        var commit: UInt64
        var chunk: RecordChunk
        var runs: [Run]
        /// The stored body, where a run is alone in it (STORE-F4).
        var stored: StoredBody?
    }

    /// Consecutive records of one shard in a frame. Plain values: there may be one for every record or two.
    struct Run: Sendable {
        var shard: ShardKey
        var id: ShardID
        var creationSecond: UInt64
        /// Which of the chunk's records.
        var records: Range<Int>
        var firstSequence: SequenceNumber
        var arrival: Timestamp

        var lastSequence: SequenceNumber { firstSequence.advanced(by: records.count - 1) }
    }

    /// 1 for the first of this opening.
    var number: UInt64
    var firstCommit: UInt64
    var lastCommit: UInt64
    /// In the order of the commits.
    var frames: [Frame]
    /// What changed since the epoch before; what was deleted is here too, and is no longer in the catalogue.
    var dirty: DirtyRows
    /// All as of ``lastCommit``, or a little later.
    var catalogue: Catalogue
    /// Where replay begins once this is registered.
    var next: JournalPosition
}

extension Epoch.Frame {
    /// A frame with one run.
    init(_ records: RecordRun, of shard: ShardKey, commit: UInt64, stored: StoredBody?) {
        self.init(
            commit: commit, chunk: records.chunk,
            runs: [
                Epoch.Run(
                    shard: shard, id: records.shard, creationSecond: records.shardCreationSecond,
                    records: records.range, firstSequence: records.firstSequence, arrival: records.arrival)
            ],
            stored: stored)
    }

    /// The records of a run of this frame.
    func records(of run: Epoch.Run) -> RecordRun {
        RecordRun(
            chunk, run.records, shard: run.id, shardCreationSecond: run.creationSecond,
            firstSequence: run.firstSequence, arrival: run.arrival)
    }

    /// Encoded bytes of a run's records.
    func byteCount(of run: Epoch.Run) -> Int {
        Int(chunk.offsets[run.records.upperBound] - chunk.offsets[run.records.lowerBound])
    }

    /// Bytes of the records and of their stored body.
    var byteCount: Int { chunk.bytes.count + (stored?.bytes.count ?? 0) }
}

/// Where the catalogue's snapshot and the start position are kept. All calls block; one thread at a time.
protocol Metadata: Sendable {
    /// What was saved last; nil for a store that is new.
    func load() throws -> MetadataSnapshot?
    /// Begins a new store. Called once, before anything else is saved.
    func create(_ store: StoreID) throws
    /// Saves rows that changed, without moving the start position (STORE-F8).
    /// `lastCommit` is the last commit with entries that is known to be synced.
    func save(_ dirty: DirtyRows, of catalogue: Catalogue, lastCommit: UInt64) throws
    /// The numbers of the shard's records that are in segments. Called behind ``load()`` only.
    func flushedNumbers(of shard: ShardState) throws -> [ClosedRange<UInt64>]
}

/// Makes segments of epochs. Called by one thread, which may block.
protocol Flusher: Sendable {
    /// Returns when the epoch is in segments, registered together with the catalogue and the start position
    /// `epoch.next`, and is found by ``Past``. Then its runs leave the tails and its journal files are used again.
    func flush(_ epoch: Epoch) throws
    /// Housekeeping: retention, and with `seals` what takes room on the disk. Called about once a second.
    func tidy(_ catalogue: Catalogue, now: Timestamp, seals: Bool) throws
}

/// The records that have left memory. Calls may come from any task; what blocks runs on threads of its own.
protocol Past: Sendable {
    /// Records of `shard` with numbers in `range`, in order, beginning with the lowest that there is. Empty: there
    /// is none. Throws `corrupt`, `readFailed`.
    func read(_ shard: ShardState, _ range: ClosedRange<SequenceNumber>, maximumRecords: Int, maximumBytes: Int)
        async throws -> PastBatch
    /// The number of the first record that arrived at or after `time`; nil where the past has none.
    func firstSequence(of shard: ShardState, arrivedAtOrAfter time: Timestamp) async throws -> SequenceNumber?
    /// Where a reader of what arrived at or after `time` begins, if `kept` is the first record that is left of it, or
    /// would be the shard's next one: before what damage has taken from in front of it.
    func position(of shard: ShardState, before kept: SequenceNumber, arrivedAtOrAfter time: Timestamp)
        -> SequenceNumber
}

/// What ``Past/read(_:_:maximumRecords:maximumBytes:)`` found.
struct PastBatch: Sendable {
    var batch = RecordBatch()
    /// Numbers that were given up after damage; the batch ends before them or begins behind them.
    var lost: ClosedRange<SequenceNumber>?
}

/// The parts of a store that hold what is no longer in the journal alone.
struct Backing: Sendable {
    var metadata: any Metadata
    /// Nil: nothing is ever flushed, the journal grows.
    var flusher: (any Flusher)?
    var past: any Past
    /// Ends all of it; no call comes after.
    var close: @Sendable () throws -> Void
    /// What a backup copies; nil: there is nothing but the journal.
    var backup: (any BackupSource)?
}

/// The part of a store behind its journal, as a backup sees it. Calls may come from any thread.
protocol BackupSource: Sendable {
    /// Everything that the metadata hold, as of one moment.
    func contents() throws -> MetadataContents
    /// From now on no segment is removed, until ``letDelete()``.
    func holdDeletions()
    func letDelete()
}

/// Metadata that keeps nothing: the whole journal is replayed.
struct NoMetadata: Metadata {
    func load() throws -> MetadataSnapshot? { nil }
    func create(_ store: StoreID) throws {}
    func save(_ dirty: DirtyRows, of catalogue: Catalogue, lastCommit: UInt64) throws {}
    func flushedNumbers(of shard: ShardState) throws -> [ClosedRange<UInt64>] { [] }
}

/// No past: everything is in memory.
struct NoPast: Past {
    func read(
        _ shard: ShardState, _ range: ClosedRange<SequenceNumber>, maximumRecords: Int, maximumBytes: Int
    ) async throws -> PastBatch { PastBatch() }
    func firstSequence(of shard: ShardState, arrivedAtOrAfter time: Timestamp) async throws -> SequenceNumber? { nil }
    func position(of shard: ShardState, before kept: SequenceNumber, arrivedAtOrAfter time: Timestamp)
        -> SequenceNumber
    { GivenUp.position(of: shard, before: kept, arrivedAtOrAfter: time, []) }
}

extension Backing {
    /// Everything stays in the journal and in memory.
    static let journalOnly = Backing(metadata: NoMetadata(), flusher: nil, past: NoPast(), close: {})
}
