import DiskAccess
import Logging
import StreamModel
import Synchronization

/// What the writer begins with.
struct JournalStart: Sendable {
    var store: StoreID
    var catalogue: Catalogue
    var nextCommit: UInt64
    var chain: UInt32
    var incarnation: UInt32
}

/// A store as it was found: brought to the end of its log, and not yet opened for anybody (J8, J9).
struct Recovery {
    private(set) var start: JournalStart
    private(set) var ring: Ring.State
    private(set) var tails: ShardTable<Tail>
    /// What the journal holds beyond the segments.
    private(set) var frames: [Epoch.Frame] = []
    /// The rows that the journal changed since they were saved: the next flush moves the start past its entries.
    private(set) var dirty = DirtyRows()
    private(set) var firstCommit: UInt64
    private(set) var opened: OpenedEntry
    private(set) var isNew = false

    private let fileSystem: any FileSystem
    private let directory: String
    private let logger: Logger

    /// By how much all numbers jump after anything that was seen may be lost (C4).
    static let numberJump: UInt64 = 1 << 32

    /// Reads the store in `directory`. Changes nothing but files that never became part of the log.
    init(
        fileSystem: any FileSystem, directory: String, metadata: any Metadata, ringFileSize: Int,
        newStore: () -> StoreID, logger: Logger
    ) throws {
        self.fileSystem = fileSystem
        self.directory = directory
        self.logger = logger
        let snapshot = try metadata.load()
        var ring = Ring.State()
        let files = try Self.openFiles(in: directory, fileSystem: fileSystem, ring: &ring, logger: logger)
        let store = try Self.store(snapshot: snapshot, files: files)
        let seed = store?.seed ?? 0
        var catalogue = snapshot?.catalogue ?? Catalogue()
        if store != nil {
            for file in files { try describing("reading the journal") { try file.findNumber(seed: seed) } }
        }
        let inLog = files.filter { $0.number != nil }.sorted { $0.number! < $1.number! }
        // Files that are not behind the start are the log; the others are free or never were part of it.
        let live = inLog.filter { $0.number! >= snapshot?.start?.fileNumber ?? 0 }
        if snapshot?.start == nil, let first = live.first, let head = try first.head(block: 1, seed: seed),
            head.number > 1
        {
            throw ShardlineError(
                .metadataOlderThanJournal,
                "the journal in '\(directory)/\(Ring.folder)' begins at commit \(head.number), but the store's metadata knows nothing of what was before: put back the metadata.sqlite that belongs to it"
            )
        }
        var replay = try Replay(live, start: snapshot?.start, seed: seed)
        firstCommit = replay.nextCommit
        var tails: ShardTable<Tail> = [:]
        var frames: [Epoch.Frame] = []
        var dirty = DirtyRows()
        var unknown: ShardKey?
        var first: [ShardKey: SequenceNumber] = [:]
        var last: [ShardKey: SequenceNumber] = [:]
        try describing("reading the journal") {
            try replay.run { commit in
                for entry in commit.entries {
                    dirty.note(entry, in: catalogue)
                    catalogue.apply(entry, commit: commit.header.number)
                    guard case .records(let records) = entry else { continue }
                    for frame in try Self.frames(of: records, in: commit, catalogue: catalogue) {
                        for run in frame.runs {
                            if let before = last[run.shard], run.firstSequence <= before { unknown = run.shard }
                            last[run.shard] = run.lastSequence
                            first[run.shard] = first[run.shard] ?? run.firstSequence
                        }
                        frames.append(frame)
                    }
                    for run in records.runs {
                        let key = ShardKey(run.shardKey)
                        if catalogue.shards[key] == nil, catalogue.deletedShards[key] == nil { unknown = key }
                    }
                }
            }
        }
        if let known = snapshot?.lastCommit, known >= replay.nextCommit {
            throw ShardlineError(
                .corrupt,
                "the journal in '\(directory)/\(Ring.folder)' ends before commit \(replay.nextCommit), but commit \(known) was acknowledged: a file of it was cut, removed or replaced. Nothing was changed and nothing is served: put the file back from a copy"
            )
        }
        if let unknown {
            throw ShardlineError(
                .corrupt,
                "the journal in '\(directory)/\(Ring.folder)' holds records of shard key \(unknown.rawValue) that don't fit what the store knows of it: metadata.sqlite and the journal don't belong together"
            )
        }
        for shard in catalogue.shards.values {
            // A row may be newer than the start of the replay, so what is flushed ends before the first replayed.
            let flushed =
                first[shard.key].map { SequenceNumber($0.rawValue - 1) }
                ?? (snapshot?.catalogue.shards[shard.key]?.lastSequence ?? shard.origin)
            let isPast = snapshot?.catalogue.shards[shard.key] != nil
            tails[shard.key] = Tail(
                flushedThrough: isPast ? max(flushed, shard.origin) : shard.origin, horizon: shard.origin)
        }
        for frame in frames {
            for run in frame.runs { tails[run.shard]?.append(frame.records(of: run), commit: frame.commit) }
        }
        self.tails = tails
        self.dirty = dirty
        self.frames = frames
        isNew = snapshot == nil
        opened = Self.opened(replay, known: catalogue.incarnation, logger: logger)
        start = JournalStart(
            store: store ?? newStore(), catalogue: catalogue, nextCommit: replay.nextCommit, chain: replay.chain,
            incarnation: opened.incarnation)
        ring.nextNumber = max((inLog.last?.number ?? 0) + 1, snapshot?.start?.fileNumber ?? 1)
        Self.sort(files, live: live, end: replay, fileSize: ringFileSize, into: &ring)
        self.ring = ring
        if replay.end == .torn, replay.endFile < live.count { try quarantine(live[replay.endFile], replay) }
    }

    // MARK: Files

    private static func openFiles(
        in directory: String, fileSystem: any FileSystem, ring: inout Ring.State, logger: Logger
    ) throws -> [JournalFileReader] {
        let folder = directory + "/" + Ring.folder
        var files: [JournalFileReader] = []
        for name in try describing("opening the store", { try fileSystem.list(folder) }) {
            guard let id = Ring.id(name) else { continue }
            ring.nextID = max(ring.nextID, id + 1)
            let path = folder + "/" + name
            try describing("opening the store") {
                let file = try fileSystem.open(path, .readWrite)
                let size = try file.size()
                var reader = file
                do throws(FileError) {
                    reader = try fileSystem.open(path, .readDirect)
                } catch {
                    guard error.isUnsupported else { throw error }
                    logger.warning(
                        "the file system of '\(path)' can't read past its cache, so a failed write from before a crash could go unnoticed"
                    )
                }
                files.append(JournalFileReader(id: id, path: path, file: file, reader: reader, size: size))
            }
        }
        return files
    }

    /// The store's own number; nil for a store that is new.
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

    /// Which files are in use, which are free.
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
        // A file whose header is no header was being made when the process ended; it is removed with the others that
        // are not as they should be.
        for file in files where !used.contains(file.id) {
            let isWhole = (try? file.header())?.size == UInt64(file.size) && file.size == ringFileSize
            let ringFile = Ring.RingFile(id: file.id, file: file.file, size: file.size, isOversize: !isWhole)
            if isWhole { ring.free.append(ringFile) } else { ring.unusable.append(ringFile) }
        }
    }

    // MARK: Commits

    private static func frames(
        of records: RecordsEntry, in commit: ReadCommit, catalogue: Catalogue
    ) throws -> [Epoch.Frame] {
        func damaged(_ what: String) -> ShardlineError {
            ShardlineError(.corrupt, "commit \(commit.header.number) of the journal holds \(what)")
        }
        let stored = commit.body(of: records)
        guard let raw = records.codec.decode(stored, rawCount: Int(records.rawBytes)) else {
            throw damaged("records that can't be decompressed, though their checksum is right")
        }
        var frames: [Epoch.Frame] = []
        for run in records.runs {
            guard
                let offsets = RecordEncoding.offsets(of: Int(run.count), in: raw.span, from: Int(run.rawOffset)),
                offsets.last == run.rawOffset + run.rawBytes
            else { throw damaged("a run that is no sequence of records, though its checksum is right") }
            guard let shard = catalogue.shards[ShardKey(run.shardKey)] else { continue }
            let isAlone = records.runs.count == 1 && raw.count >= PreparedAppend.ownFrameFrom
            frames.append(
                Epoch.Frame(
                    RecordRun(
                        bytes: raw, offsets: offsets, range: 0..<Int(run.count), shard: shard.id,
                        shardCreationSecond: shard.creationSecond, firstSequence: SequenceNumber(run.firstSequence),
                        arrival: Timestamp(milliseconds: run.arrival)),
                    of: shard.key, commit: commit.header.number,
                    stored: isAlone
                        ? StoredBody(
                            codec: records.codec, rawCount: raw.count, checksum: records.bodyChecksum, stored: stored)
                        : nil))
        }
        return frames
    }

    private static func opened(_ replay: Replay, known: UInt32, logger: Logger) -> OpenedEntry {
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
        // Under `.interval` consumers may have seen what is gone: their positions must stay below all new numbers.
        if let last = replay.lastHeader, last.flags.contains(.interval), !last.flags.contains(.closed) {
            jump = numberJump
        }
        return OpenedEntry(
            incarnation: max(replay.incarnation, known) + 1, cutCommit: finding.isEmpty ? 0 : replay.nextCommit,
            finding: finding,
            numberJump: jump)
    }

    /// Keeps a copy of a commit that is cut, for whoever wants to look at it.
    private func quarantine(_ file: JournalFileReader, _ replay: Replay) throws {
        let folder = directory + "/quarantine"
        do throws(FileError) {
            try fileSystem.createDirectory(folder)
            let path = "\(folder)/commit-\(replay.nextCommit)-\(file.id)-\(opened.incarnation).cut"
            let bytes = try file.all()
            let offset = min(Int(replay.endBlock) * JournalFormat.blockCount, bytes.count)
            let length = try? CommitHeader(bytes[offset...].prefix(JournalFormat.commitHeaderCount)).totalCount
            let copy = try fileSystem.open(path, .create)
            try copy.writeAll(Array(bytes[offset...].prefix(JournalFormat.padded(length ?? 0))), at: 0)
        } catch {
            // The copy is for people; a disk that is too full for it must not keep the store shut.
            logger.warning("the commit that is cut could not be copied to '\(folder)': \(error)")
        }
    }
}
