import DiskAccess
import Logging
import StreamModel
import Synchronization

/// The segments of a store on disk and the database that registers them.
///
/// Loading, saving, flushing and maintenance are called by one thread at a time; reads and backups by any task. The
/// lock of `holders` is held during removals; `state` is held only for a moment, never together with it.
package final class SegmentBacking: Metadata, Flusher, FlushedRecords, BackupSource {
    /// Sizes that tests reduce.
    package struct Options: Sendable {
        /// Bytes of decoded blocks and indexes that are cached for readers (STORE-M4).
        package var cacheLimit = PieceCache.defaultLimit
        /// Bytes of one stream in one flush from which it gets segments of its own (STORE-F1).
        package var ownSegmentFrom = FlushPlan.ownSegmentFrom
        /// Length in bytes at which a segment is sealed (STORE-F1).
        package var sealFrom = SegmentArchive.defaultSealFrom

        package init(
            cacheLimit: Int = PieceCache.defaultLimit, ownSegmentFrom: Int = FlushPlan.ownSegmentFrom,
            sealFrom: UInt64 = SegmentArchive.defaultSealFrom
        ) {
            self.cacheLimit = cacheLimit
            self.ownSegmentFrom = ownSegmentFrom
            self.sealFrom = sealFrom
        }
    }

    private struct State {
        var metadata: (any MetadataStore)?
        var row: StoreRow?
        var archive: SegmentArchive?
        var past: FlushedSegments?
        /// The deleted shards that still have a row.
        var deleted: Set<ShardNumber> = []
    }

    private let fileSystem: any FileSystem
    private let directory: String
    private let timeSource: any TimeSource
    private let logger: Logger
    private let options: Options
    private let threads: BlockingThreads
    private let openMetadata: @Sendable () throws -> any MetadataStore
    private let state = Mutex(State())
    /// The number of backups that copy segments; while it is above 0 no segment is removed. The lock is held while
    /// segments are removed.
    private let holders = Mutex(0)

    /// - Parameters:
    ///   - directory: the store's directory, which must exist. Segments are in its folder `segments`.
    ///   - threads: the threads on which reads block.
    ///   - openMetadata: opens or creates the database. Default: `metadata.sqlite` in the directory.
    package init(
        fileSystem: any FileSystem, directory: String, timeSource: any TimeSource, logger: Logger,
        options: Options = Options(), threads: BlockingThreads = .shared,
        openMetadata: (@Sendable () throws -> any MetadataStore)? = nil
    ) {
        self.fileSystem = fileSystem
        self.directory = directory
        self.timeSource = timeSource
        self.logger = logger
        self.options = options
        self.threads = threads
        self.openMetadata =
            openMetadata
            ?? {
                let path = "\(directory)/\(StoreLayout.metadataFile)"
                try describing("opening the store") { try Self.requireRights(path, fileSystem) }
                return try SQLiteMetadata(path: path)
            }
    }

    /// Throws where the database can't be written. SQLite would notice only after it made `-wal` and `-shm` with the
    /// same rights as the database; these would keep the store from opening once the database has its rights back.
    private static func requireRights(_ path: String, _ fileSystem: any FileSystem) throws(FileError) {
        guard try fileSystem.status(path) != nil else { return }
        _ = try fileSystem.open(path, .readWrite)
        for path in [path + "-wal", path + "-shm"] where try fileSystem.status(path) != nil {
            do throws(FileError) {
                _ = try fileSystem.open(path, .readWrite)
            } catch {
                guard error.isPermission else { throw error }
                // An earlier version left such files.
                try fileSystem.giveToOwner(path)
            }
        }
    }

    private static let remedy =
        "put a copy of the store's whole directory in its place, or let `shardline repair` say what can be had back"
    private var segmentsDirectory: String { "\(directory)/\(StoreLayout.segmentFolder)" }

    // MARK: Metadata

    package func load() throws -> MetadataSnapshot? {
        try translated {
            let metadata = try openMetadata()
            state.withLock { $0.metadata = metadata }
            let contents = try metadata.read()
            guard contents.damaged.isEmpty else {
                let rows = contents.damaged.map { "\($0.table.rawValue) (\($0.key))" }.joined(separator: ", ")
                throw ShardlineError(
                    .corrupt,
                    "'\(directory)/metadata.sqlite' is damaged in the rows \(rows); nothing was changed; \(Self.remedy)"
                )
            }
            guard let first = contents[.store].first else { return nil }
            let row = try StoreRow(first)
            guard row.format <= StoreRow.format else {
                throw ShardlineError(
                    .newerFormat,
                    "the store in '\(directory)' has format \(row.format); this program knows \(StoreRow.format): use a newer version"
                )
            }
            var catalogue = try Catalogue(contents, store: row)
            let lostRanges = try contents.lostRanges
            catalogue.extend(over: lostRanges)
            try openArchive(row, contents)
            state.withLock { $0.deleted = Set(catalogue.deletedShards.keys) }
            return MetadataSnapshot(
                store: StoreID(bytes: row.id), catalogue: catalogue, start: row.start,
                lastCommit: try contents.lastCommit, lostRanges: lostRanges)
        }
    }

    package func create(_ store: StoreID) throws {
        try translated {
            let row = StoreRow(id: store.bytes)
            // The store's row is written last: without it the store was not completely made.
            try openArchive(row, MetadataContents())
            try state.withLock { $0.metadata }?.apply([.put(row.row)])
        }
    }

    private func openArchive(_ row: StoreRow, _ contents: MetadataContents) throws {
        guard let metadata = state.withLock({ $0.metadata }) else { return }
        try fileSystem.createDirectory(segmentsDirectory)
        try fileSystem.synchronizeDirectory(directory)
        let archive = try SegmentArchive(
            store: StoreID(bytes: row.id), fileSystem: fileSystem, directory: segmentsDirectory, metadata: metadata,
            contents: contents, nextSegment: row.nextSegment, logger: logger, cacheLimit: options.cacheLimit,
            ownSegmentFrom: options.ownSegmentFrom, sealFrom: options.sealFrom)
        let cleanup = SegmentCleanup(
            archive: archive, quarantine: "\(directory)/\(StoreLayout.quarantineFolder)", startCommit: row.startCommit)
        for finding in try cleanup.run() { logger.error("\(finding)") }
        // The metadata of an abandoned repair is removed: a store that can be opened does not need it.
        let repaired = "\(directory)/\(StoreLayout.repairedMetadataFile)"
        if try fileSystem.status(repaired) != nil { try fileSystem.remove(repaired) }
        let past = FlushedSegments(
            set: archive.set, reader: archive.reader, lost: try contents.lostRanges, threads: threads)
        state.withLock { state in
            state.row = row
            state.archive = archive
            state.past = past
        }
    }

    package func save(_ dirty: DirtyRows, of catalogue: Catalogue, lastCommit: UInt64) throws {
        try translated {
            let (metadata, row) = state.withLock { ($0.metadata, $0.row) }
            guard let metadata, let row = row?.with(catalogue) else { return }
            var changes = catalogue.changes(dirty)
            changes.append(.put(row.row))
            changes.append(.put(MetadataRow(.journal, [.number(1), .bits(lastCommit)])))
            while !changes.isEmpty {
                try metadata.apply(Array(changes.prefix(FlushMachine.rowsAtOnce)))
                changes.removeFirst(min(changes.count, FlushMachine.rowsAtOnce))
            }
            state.withLock { state in
                state.row = row
                state.deleted.formUnion(dirty.shards.filter { catalogue.deletedShards[$0] != nil })
            }
        }
    }

    package func flushedNumbers(of shard: ShardState) throws -> [ClosedRange<UInt64>] {
        try translated { try state.withLock { $0.past }?.numbers(of: shard) ?? [] }
    }

    package func close() throws {
        let metadata = state.withLock { state in
            defer { state.metadata = nil }
            return state.metadata
        }
        try translated { try metadata?.close() }
    }

    // MARK: Flusher

    package func flush(_ memtable: Memtable) throws {
        guard var flush = flushMachine(memtable) else { return }
        do {
            try translated { while try flush.step() != nil {} }
        } catch let error as ShardlineError where error.code == .diskFull {
            flush.abandon()
            throw error
        }
        finish(memtable)
    }

    /// The steps of ``flush(_:)``; the caller calls ``finish(_:)`` after the last one.
    func flushMachine(_ memtable: Memtable) -> FlushMachine? {
        let (archive, row) = state.withLock { ($0.archive, $0.row) }
        guard let archive, let row else { return nil }
        let rows =
            memtable.catalogue.changes(memtable.dirty)
            + forgotten(memtable).sorted().map { .remove(.deletedShard, key: [.number($0.rawValue)]) }
        return FlushMachine(
            memtable, rows: rows, start: row.with(memtable.catalogue).with(memtable.next),
            now: timeSource.wallTime, archive: archive)
    }

    package func finish(_ memtable: Memtable) {
        let forgotten = forgotten(memtable)
        state.withLock { state in
            state.row = state.row?.with(memtable.catalogue).with(memtable.next)
            state.deleted.formUnion(memtable.dirty.shards.filter { memtable.catalogue.deletedShards[$0] != nil })
            state.deleted.subtract(forgotten)
        }
    }

    /// The deleted shards whose records are all before the start position that the memtable sets, so that no replay
    /// meets them.
    private func forgotten(_ memtable: Memtable) -> Set<ShardNumber> {
        func isForgotten(_ key: ShardNumber) -> Bool {
            (memtable.catalogue.deletedShards[key] ?? .max) < memtable.next.commit
        }
        return state.withLock { $0.deleted }.filter(isForgotten).union(memtable.dirty.shards.lazy.filter(isForgotten))
    }

    package func applyRetention(_ catalogue: Catalogue, now: Timestamp, seals: Bool = true) throws {
        guard let archive = state.withLock({ $0.archive }) else { return }
        try holders.withLock { holders in
            // Nothing is removed during a backup; a later call does it.
            guard holders == 0 else { return }
            try translated {
                let deletable = archive.deletable(catalogue, now: now)
                var retention = RetentionMachine(deletable, archive: archive)
                while try retention.step() != nil {}
                if !deletable.isEmpty {
                    logger.info(
                        "deleted segments that nobody may read any more", metadata: ["segments": "\(deletable.count)"])
                }
            }
        }
        guard seals else { return }
        for segment in archive.dueForSealing(catalogue, now: now) {
            do {
                try translated {
                    var seal = SealMachine(segment, now: now, archive: archive)
                    while try seal.step() != nil {}
                }
            } catch let error as ShardlineError where [.corrupt, .readFailed, .diskFull].contains(error.code) {
                // It stays open: its undamaged sections are found by their own indexes.
                logger.error("segment \(segment.row.id) can't be sealed: \(error)")
            }
        }
    }

    // MARK: Backup

    package func contents() throws -> MetadataContents {
        try translated {
            guard let metadata = state.withLock({ $0.metadata }) else {
                throw ShardlineError(.closed, "the store was closed")
            }
            return try metadata.read()
        }
    }

    package func holdDeletions() { holders.withLock { $0 += 1 } }
    package func letDelete() { holders.withLock { $0 -= 1 } }

    // MARK: FlushedRecords

    package func read(
        _ shard: ShardState, _ range: ClosedRange<SequenceNumber>, maximumRecords: Int, maximumBytes: Int
    ) async throws -> FlushedBatch {
        guard let past = state.withLock({ $0.past }) else { return FlushedBatch() }
        return try await past.read(shard, range, maximumRecords: maximumRecords, maximumBytes: maximumBytes)
    }

    package func firstSequence(of shard: ShardState, arrivedAtOrAfter time: Timestamp) async throws -> SequenceNumber? {
        try await state.withLock { $0.past }?.firstSequence(of: shard, arrivedAtOrAfter: time)
    }

    package func position(
        of shard: ShardState, before kept: SequenceNumber, arrivedAtOrAfter time: Timestamp
    ) -> SequenceNumber {
        let past: any FlushedRecords = state.withLock { $0.past } ?? NoFlushedRecords()
        return past.position(of: shard, before: kept, arrivedAtOrAfter: time)
    }

    /// For tests: what the store knows of its segments.
    var archive: SegmentArchive? { state.withLock { $0.archive } }

    /// Runs `body` and translates errors of the disk and the database to ``ShardlineError``.
    private func translated<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let error as FileError where error.isNoSpace {
            throw ShardlineError(.diskFull, "\(error)", cause: error)
        } catch let error as MetadataError {
            switch error.kind {
            case .noSpace: throw ShardlineError(.diskFull, error.message, cause: error)
            case .damaged:
                throw ShardlineError(
                    .corrupt, "the store's metadata is damaged, \(error.message); \(Self.remedy)", cause: error)
            case .notDurable, .failed: throw ShardlineError(.notAccessible, error.message, cause: error)
            }
        }
    }
}

extension StoreRow {
    /// The row with the counters of a catalogue.
    fileprivate func with(_ catalogue: Catalogue) -> StoreRow {
        var row = self
        row.format = Self.format
        row.incarnation = max(incarnation, catalogue.incarnation)
        row.nextShard = max(nextShard, catalogue.nextShard)
        row.nextStream = max(nextStream, UInt64(catalogue.nextStream))
        row.nextMapping = max(nextMapping, UInt64(catalogue.nextMapping))
        return row
    }

    /// The row with another start position.
    fileprivate func with(_ start: JournalPosition) -> StoreRow {
        var row = self
        row.startFile = start.fileNumber
        row.startBlock = start.block
        row.startCommit = start.commit
        row.startChain = start.chain
        return row
    }

    /// Where replay begins; nil before the first flush.
    package var start: JournalPosition? {
        guard startCommit > 0 else { return nil }
        return JournalPosition(fileNumber: startFile, block: startBlock, commit: startCommit, chain: startChain)
    }
}
