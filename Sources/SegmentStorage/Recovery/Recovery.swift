import DiskAccess
import Logging
import StreamModel
import Synchronization

/// Why an opened store is not the same as the one that its files come from. All numbers jump, so that no number that
/// the other one has given out is given out again (STORE-C4).
package struct IdentityChange: Sendable {
    package var finding: String
    /// How many incarnations are skipped, so that the commits of one store are never taken for those of the other.
    package var incarnations: UInt32

    package init(finding: String, incarnations: UInt32) {
        self.finding = finding
        self.incarnations = incarnations
    }
}

/// A store as recovered from its files: replayed to the end of its log, and not yet open for callers (STORE-J8,
/// STORE-J9). It runs on the opening thread, before any other thread uses the store.
struct Recovery {
    private(set) var start: JournalStart
    private(set) var ring: Ring.State
    private(set) var shardMemtables: ShardTable<ShardMemtable>
    /// The records of the journal that are not in segments.
    private(set) var frames: [Memtable.Frame] = []
    /// The rows that the journal changed since they were saved. The next flush saves them before it moves the start
    /// past their entries.
    private(set) var dirty = DirtyRows()
    private(set) var firstCommit: UInt64
    private(set) var opened: OpenedEntry
    private(set) var isNew = false
    /// The places in the journal at which acknowledged commits are lost. Empty unless damage is passed.
    private(set) var holes: [JournalHole] = []
    /// The lost ranges by shard.
    private(set) var lost: [ShardNumber: [ClosedRange<UInt64>]] = [:]
    /// Whether damage is passed. The journal then continues in a new file.
    let passesDamage: Bool

    private let fileSystem: any FileSystem
    private let directory: String
    private let logger: Logger

    /// Reads the store in `directory`. It changes no file; it only copies a commit that is cut to `quarantine/`.
    ///
    /// With `passing`, damage to acknowledged commits is passed instead of thrown (for repair), and all numbers jump.
    init(
        fileSystem: any FileSystem, directory: String, metadata: any Metadata, ringFileSize: Int,
        newStore: () -> StoreID, logger: Logger, passing passesDamage: Bool = false, identity: IdentityChange? = nil
    ) throws {
        self.fileSystem = fileSystem
        self.directory = directory
        self.logger = logger
        self.passesDamage = passesDamage
        let snapshot = try describing("opening the store") { try metadata.load() }
        var ring = Ring.State()
        let (files, uncached) = try Self.openFiles(in: directory, fileSystem: fileSystem, ring: &ring)
        let store = try Self.store(snapshot: snapshot, files: files)
        // Opening read the files' headers, so each file knows whether it can be read past the cache.
        if !uncached.allSatisfy(\.isUncached) {
            logger.warning(
                "the file system of '\(directory)/\(StoreLayout.journalFolder)' can't read past its cache; the cache was told to forget the journal before it was read, and where that has no effect a failed write from before a crash could go unnoticed"
            )
        }
        let seed = store?.seed ?? 0
        if store != nil {
            for file in files { try describing("reading the journal") { try file.findNumber(seed: seed) } }
        }
        let inLog = files.filter { $0.number != nil }.sorted { $0.number! < $1.number! }
        // Files that are not before the start are the log; the others are free or never were part of it.
        let live = inLog.filter { $0.number! >= snapshot?.start?.fileNumber ?? 0 }
        let folder = "\(directory)/\(StoreLayout.journalFolder)"
        if !passesDamage { try Self.requireBeginning(of: live, snapshot, seed: seed, folder: folder) }
        var replay = try Replay(live, start: snapshot?.start, seed: seed, passesDamage: passesDamage)
        firstCommit = replay.nextCommit
        var found = ReplayedJournal(catalogue: snapshot?.catalogue ?? Catalogue(), passesDamage: passesDamage)
        try describing("reading the journal") { try replay.run { try found.take($0) } }
        holes = try found.holes(of: replay, snapshot, folder: folder)
        // Shards that the rows don't know yet too: a jump of numbers begins after what is lost.
        if let snapshot { lost = try found.takeLost(snapshot, metadata) }
        shardMemtables = found.memtables(snapshot)
        isNew = snapshot == nil
        dirty = found.dirty
        frames = found.frames
        opened = Self.opened(
            replay, isNew: snapshot?.start == nil, holes: holes, known: found.catalogue.incarnation,
            identity: identity, logger: logger)
        var nextCommit = replay.nextCommit
        if !holes.isEmpty {
            // Rows may be of commits that are lost; what comes now has to count as newer than they.
            nextCommit = max(nextCommit, (snapshot?.lastCommit ?? 0) + 1, found.catalogue.newestCommit + 1)
        }
        start = JournalStart(
            store: store ?? newStore(), catalogue: found.catalogue, nextCommit: nextCommit, chain: replay.chain,
            incarnation: opened.incarnation)
        ring.nextNumber = max((inLog.last?.number ?? 0) + 1, snapshot?.start?.fileNumber ?? 1)
        Self.sort(files, live: live, end: replay, fileSize: ringFileSize, into: &ring)
        if passesDamage {
            // Nothing is written after what is damaged: a new file takes what comes, and the old ones go.
            ring.nextBlock = .max
            ring.nextNumber = max(ring.nextNumber, (snapshot?.start?.fileNumber ?? 0) + 1)
        }
        self.ring = ring
        if replay.end == .torn, replay.endFile < live.count { try quarantine(live[replay.endFile], replay) }
    }

    // MARK: Files

    /// Throws where the journal begins after the store's first commit and no metadata know what was before.
    private static func requireBeginning(
        of live: [JournalFileReader], _ snapshot: MetadataSnapshot?, seed: UInt32, folder: String
    ) throws {
        guard snapshot?.start == nil, let first = live.first, let head = try first.head(block: 1, seed: seed),
            head.number > 1
        else { return }
        throw ShardlineError(
            .metadataOlderThanJournal,
            "the journal in '\(folder)' begins at commit \(head.number), but the store's metadata knows nothing of what was before: put back the metadata.sqlite that belongs to it"
        )
    }

    private static func openFiles(
        in directory: String, fileSystem: any FileSystem, ring: inout Ring.State
    ) throws -> (files: [JournalFileReader], uncached: [UncachedFile]) {
        let folder = directory + "/" + StoreLayout.journalFolder
        var files: [JournalFileReader] = []
        var uncached: [UncachedFile] = []
        for name in try describing("opening the store", { try fileSystem.list(folder) }) {
            guard let id = StoreLayout.id(ofJournalFile: name) else { continue }
            ring.nextID = max(ring.nextID, id + 1)
            let path = folder + "/" + name
            try describing("opening the store") {
                let file = try fileSystem.open(path, .readWrite)
                let size = try file.size()
                let reader = try UncachedFile(file, in: fileSystem)
                files.append(JournalFileReader(id: id, path: path, file: file, reader: reader, size: size))
                uncached.append(reader)
            }
        }
        return (files, uncached)
    }

    /// The store's id; nil for a new store.
    private static func store(snapshot: MetadataSnapshot?, files: [JournalFileReader]) throws -> StoreID? {
        var store = snapshot?.store
        for file in files {
            do {
                let header = try file.header()
                if let store, header.store != store {
                    throw ShardlineError(
                        .corrupt,
                        "the journal file '\(file.path)' belongs to another store: take it out of the directory, or put back the store's own"
                    )
                }
                store = header.store
            } catch let error as FormatDamage {
                guard error.isNewerVersion else { continue }
                throw ShardlineError(
                    .newerFormat,
                    "the journal file '\(file.path)' was written by a newer version of Shardline (\(error)); nothing was changed"
                )
            } catch let error as FileError {
                throw ShardlineError(error, doing: "opening the store")
            }
        }
        return store
    }

    /// Sorts the files into those in use, free ones and unusable ones.
    private static func sort(
        _ files: [JournalFileReader], live: [JournalFileReader], end replay: Replay, fileSize ringFileSize: Int,
        into ring: inout Ring.State
    ) {
        let used = Set(live.prefix(replay.endFile + 1).map(\.id))
        for file in live.prefix(replay.endFile + 1) {
            ring.inUse.append(
                Ring.RingFile(
                    id: file.id, file: file.file, size: file.size, isOversize: file.size > ringFileSize,
                    number: file.number!))
        }
        ring.nextBlock = replay.endBlock
        // A file without a valid header was being created when the process ended. It is removed with the other files
        // that are not whole.
        for file in files where !used.contains(file.id) {
            let isWhole = (try? file.header())?.size == UInt64(file.size) && file.size == ringFileSize
            let ringFile = Ring.RingFile(id: file.id, file: file.file, size: file.size, isOversize: !isWhole)
            if isWhole { ring.free.append(ringFile) } else { ring.unusable.append(ringFile) }
        }
    }

    // MARK: Commits

    /// The records of an entry whose shards are known; nil where none is.
    static func frame(
        of records: RecordsEntry, in commit: ReadCommit, catalogue: Catalogue
    ) throws -> Memtable.Frame? {
        func damaged(_ what: String) -> ShardlineError {
            ShardlineError(.corrupt, "commit \(commit.header.number) of the journal holds \(what)")
        }
        let stored = commit.body(of: records)
        guard let raw = records.codec.decode(stored, rawCount: Int(records.rawBytes)) else {
            throw damaged("records that can't be decompressed, though their checksum is right")
        }
        var runs: [Memtable.Run] = []
        // The starts and the end of each run's records, since a run need not begin where another one ends.
        var offsets: [UInt32] = []
        for run in records.runs {
            guard
                let its = RecordEncoding.offsets(of: Int(run.count), in: raw.span, from: Int(run.rawOffset)),
                its.last == run.rawOffset + run.rawBytes
            else { throw damaged("a run that is no sequence of records, though its checksum is right") }
            guard let shard = catalogue.shards[ShardNumber(run.shardKey)] else { continue }
            runs.append(
                Memtable.Run(
                    shard: shard.key, id: shard.id, creationSecond: shard.creationSecond,
                    records: offsets.count..<offsets.count + Int(run.count),
                    firstSequence: SequenceNumber(run.firstSequence), arrival: Timestamp(milliseconds: run.arrival)))
            offsets += its
        }
        guard !runs.isEmpty else { return nil }
        let isAlone = records.runs.count == 1 && raw.count >= StoredBody.ownFrameFrom
        return Memtable.Frame(
            commit: commit.header.number, chunk: RecordChunk(bytes: raw, offsets: offsets), runs: runs,
            stored: isAlone
                ? StoredBody(codec: records.codec, rawCount: raw.count, checksum: records.bodyChecksum, stored: stored)
                : nil)
    }

    static func numbers(in frames: [Memtable.Frame]) -> [ShardNumber: [ClosedRange<UInt64>]] {
        var numbers: [ShardNumber: [ClosedRange<UInt64>]] = [:]
        for run in frames.lazy.flatMap(\.runs) {
            numbers[run.shard, default: []].append((run.firstSequence...run.lastSequence).rawValues)
        }
        return numbers
    }

    private static func opened(
        _ replay: Replay, isNew: Bool, holes: [JournalHole], known: UInt32, identity: IdentityChange?, logger: Logger
    ) -> OpenedEntry {
        var finding = ""
        var jump: UInt64 = 0
        switch replay.end {
        case .clean: break
        case .torn:
            finding = "torn or damaged: commit \(replay.nextCommit)"
            logger.info(
                "commit \(replay.nextCommit) of the journal was being written when the store stopped; it is cut")
        case .dropped(let last):
            finding = "commits \(replay.nextCommit) to \(last) were not synced"
            logger.warning(
                "commits \(replay.nextCommit) to \(last) of the journal were written and never synced; they are dropped, as the durability .interval allows"
            )
        }
        // Under `.interval` consumers may have seen records that are lost. Their positions must stay below all new
        // numbers.
        if let last = replay.lastHeader {
            if last.flags.contains(.interval), !last.flags.contains(.closed) { jump = OpenedEntry.jump }
        } else if !isNew {
            // Which durability was in use is not known.
            jump = OpenedEntry.jump
        }
        if let first = holes.first {
            finding = "damage passed: commit \(first.commits.lowerBound)"
            jump = OpenedEntry.jump
        }
        if let identity {
            finding = identity.finding
            jump = OpenedEntry.jump
        }
        return OpenedEntry(
            incarnation: max(replay.incarnation, known) + (identity?.incarnations ?? 1),
            cutCommit: finding.isEmpty ? 0 : replay.nextCommit,
            finding: finding,
            numberJump: jump)
    }

    /// Keeps a copy of a commit that is cut, for a person to inspect.
    private func quarantine(_ file: JournalFileReader, _ replay: Replay) throws {
        let folder = "\(directory)/\(StoreLayout.quarantineFolder)"
        do throws(FileError) {
            try fileSystem.createDirectory(folder)
            let path = "\(folder)/commit-\(replay.nextCommit)-\(file.id)-\(opened.incarnation).cut"
            let bytes = try file.all()
            let offset = min(Int(replay.endBlock) * JournalFormat.blockCount, bytes.count)
            let length = try? CommitHeader(bytes[offset...].prefix(JournalFormat.commitHeaderCount)).totalCount
            let copy = try fileSystem.open(path, .create)
            try copy.writeAll(Array(bytes[offset...].prefix(JournalFormat.padded(length ?? 0))), at: 0)
        } catch {
            // The copy is not needed by the store: a disk without room for it must not keep the store from opening.
            logger.warning("the commit that is cut could not be copied to '\(folder)': \(error)")
        }
    }
}
