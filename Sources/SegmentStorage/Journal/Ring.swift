import DiskAccess
import StreamModel
import Synchronization

/// The journal's files. They are written one after another, and reused once their records are in segments (STORE-J1).
///
/// A file in use has a file number, one higher than the file before it. Only the commits in the file carry it.
///
/// The writer's thread takes places. It syncs files, and so does the thread that saves the catalogue. The flush thread
/// releases, prepares and removes files; a backup's thread holds them. The lock guards the lists of files alone and is
/// never held during a file operation.
package final class Ring: Sendable {
    /// A file of the ring.
    struct RingFile: Sendable {
        let id: UInt64
        let file: any File
        let size: Int
        /// Created for one large commit, and removed once it is released (STORE-J7).
        let isOversize: Bool
        /// The file number that its commits carry while it is in use.
        var number: UInt64 = 0
        /// The number of writes, and how many of them a finished sync covers. Whether a recovered file was synced is
        /// not known, so it counts as written.
        var writes = 1
        var syncedWrites = 0
    }

    /// The place that a commit is written to.
    struct Place: Sendable {
        let file: any File
        let fileNumber: UInt64
        let block: UInt32
        var offset: Int { Int(block) * JournalFormat.blockCount }
    }

    struct State: Sendable {
        /// Files with commits, in the order of their numbers. The last one is being written.
        var inUse: [RingFile] = []
        var free: [RingFile] = []
        /// Files that never became part of the log, or were created for a commit that did not.
        var unusable: [RingFile] = []
        var nextID: UInt64 = 1
        var nextNumber: UInt64 = 1
        /// The block of the last file at which the next commit begins.
        var nextBlock: UInt32 = 1
        /// The number of backups that copy the journal now. While it is above 0, no file is reused or removed.
        var holders = 0
        /// Released files that wait until no backup holds the journal.
        var held: [RingFile] = []
        /// The size of the files in use, in bytes.
        var bytesInUse: Int { inUse.reduce(0) { $0 + $1.size } }
    }

    /// A sync of megabytes delays the commits that sync at the same time. A file that is prepared in advance is
    /// therefore synced in small pieces.
    private static let gentlePiece = 128 << 10
    private let state: Mutex<State>
    private let fileSystem: any FileSystem
    private let directory: String
    private let store: StoreID
    /// The size of a file in bytes, oversize files aside.
    let fileSize: Int
    private let timeSource: any TimeSource
    private let syncCount = Atomic(0)

    init(
        _ state: State, fileSystem: any FileSystem, directory: String, store: StoreID, fileSize: Int,
        timeSource: any TimeSource
    ) {
        self.state = Mutex(state)
        self.fileSystem = fileSystem
        self.directory = directory + "/" + StoreLayout.journalFolder
        self.store = store
        self.fileSize = fileSize
        self.timeSource = timeSource
    }

    /// Whether the writer would have to create the next file itself.
    var hasNoneFree: Bool { state.withLock { $0.free.isEmpty } }
    var bytesInUse: Int { state.withLock { $0.bytesInUse } }
    var filesInUse: Int { state.withLock { $0.inUse.count } }
    /// The size of the free files, in bytes.
    var bytesFree: Int { state.withLock { $0.free.reduce(0) { $0 + $1.size } } }

    /// The place for a commit of this length. It stays the same until ``advance(blocks:)``. Writer's thread only;
    /// blocks where it creates a file.
    func place(totalCount: Int) throws(FileError) -> Place {
        let length = JournalFormat.padded(totalCount)
        if let current = state.withLock({ $0.inUse.last }) {
            let block = state.withLock { $0.nextBlock }
            if Int(block) * JournalFormat.blockCount + length <= current.size {
                return Place(file: current.file, fileNumber: current.number, block: block)
            }
        }
        var next: RingFile
        if length > fileSize - JournalFormat.blockCount {
            next = try create(size: length + JournalFormat.blockCount, isOversize: true)
        } else if let free = state.withLock({ $0.free.popLast() }) {
            next = free
        } else {
            next = try create(size: fileSize, isOversize: false)
        }
        return state.withLock { state in
            next.number = state.nextNumber
            state.nextNumber += 1
            state.inUse.append(next)
            state.nextBlock = 1
            return Place(file: next.file, fileNumber: next.number, block: 1)
        }
    }

    /// Marks the last place as written. Writer's thread only.
    func advance(blocks: Int) {
        state.withLock { state in
            state.nextBlock += UInt32(blocks)
            state.inUse[state.inUse.count - 1].writes += 1
        }
    }

    /// The start of a replay that needs no older commit: the next commit is here, or at the beginning of a later file.
    func position(commit: UInt64, chain: UInt32) -> JournalPosition {
        state.withLock { state in
            JournalPosition(
                fileNumber: state.inUse.last?.number ?? state.nextNumber, block: state.nextBlock, commit: commit,
                chain: chain)
        }
    }

    /// Releases the files before `start` for reuse. The metadata must hold `start` durably first: a reused file
    /// overwrites commits that an older start still needs.
    func release(before start: JournalPosition) throws(FileError) {
        let oversize = state.withLock { state in
            while state.inUse.count > 1, let first = state.inUse.first, first.number < start.fileNumber {
                state.held.append(state.inUse.removeFirst())
            }
            return Self.giveBack(&state)
        }
        try remove(oversize)
    }

    /// Moves held files to the free ones unless a backup holds them. Returns the oversize ones, which the caller
    /// removes.
    private static func giveBack(_ state: inout State) -> [RingFile] {
        guard state.holders == 0 else { return [] }
        defer { state.held = [] }
        state.free += state.held.filter { !$0.isOversize }
        return state.held.filter(\.isOversize)
    }

    /// Keeps every file that is in use now from being reused or removed until ``letGo()``, so that a backup can copy
    /// the journal.
    package func hold() { state.withLock { $0.holders += 1 } }

    /// Ends a ``hold()``.
    package func letGo() throws(FileError) {
        try remove(
            state.withLock { state in
                state.holders -= 1
                return Self.giveBack(&state)
            })
    }

    /// Creates a free file where the writer would find none, and removes free files beyond `most`. Flush thread only.
    func prepare(most: Int) throws(FileError) {
        if state.withLock({ $0.free.isEmpty }) {
            let file = try create(size: fileSize, isOversize: false, syncsEach: Self.gentlePiece)
            state.withLock { $0.free.append(file) }
        }
        let surplus = state.withLock { state in
            var surplus: [RingFile] = []
            while state.free.count > most { surplus.append(state.free.removeFirst()) }
            return surplus
        }
        try remove(surplus)
    }

    /// Removes all free files.
    func removeFree() throws(FileError) {
        try remove(
            state.withLock { state in
                defer { state.free = [] }
                return state.free
            })
    }

    /// Removes the files that recovery found unusable.
    func removeUnusable() throws(FileError) {
        try remove(
            state.withLock { state in
                defer { state.unusable = [] }
                return state.unusable
            })
    }

    /// Syncs all files in use that have unsynced writes (STORE-J9, STORE-C11).
    func synchronizeAll() throws(FileError) {
        for file in state.withLock({ $0.inUse }) where file.syncedWrites < file.writes { try synchronize(file.file) }
    }

    /// Syncs the directory. A process that was killed may have left a file whose name is not durable: its commits would
    /// be lost with the name.
    func synchronizeNames() throws(FileError) { try fileSystem.synchronizeDirectory(directory) }

    /// Syncs a file of the ring, and counts the sync. Throws where the sync failed: the disk's contents are then
    /// unknown, and the journal must not be written any more (STORE-C8).
    func synchronize(_ file: any File) throws(FileError) {
        syncCount.add(1, ordering: .relaxed)
        // Read before the sync, since the sync may not cover writes that happen during it.
        let writes = state.withLock { state in state.inUse.last { $0.file === file }?.writes }
        try file.synchronize()
        guard let writes else { return }
        state.withLock { state in
            guard let index = state.inUse.lastIndex(where: { $0.file === file }) else { return }
            state.inUse[index].syncedWrites = max(state.inUse[index].syncedWrites, writes)
        }
    }

    /// The number of syncs of the ring's files.
    var syncs: Int { syncCount.load(ordering: .relaxed) }

    /// The bytes in use up to the end of the last commit.
    var liveBytes: Int {
        state.withLock { state in
            guard let last = state.inUse.last else { return 0 }
            return state.bytesInUse - last.size + Int(state.nextBlock) * JournalFormat.blockCount
        }
    }

    private func remove(_ files: [RingFile]) throws(FileError) {
        for file in files { try fileSystem.remove(path(file.id)) }
        if !files.isEmpty { try fileSystem.synchronizeDirectory(directory) }
    }

    private func path(_ id: UInt64) -> String { directory + "/" + StoreLayout.journalFile(id) }

    /// Creates a file. It is filled with zeros and synced before its first use, so that no commit waits for the file
    /// system to allocate space or to write a new length.
    ///
    /// - Parameter syncsEach: the number of bytes after which the file is synced while it is being filled.
    private func create(
        size: Int, isOversize: Bool, syncsEach pieceSize: Int = 1 << 30
    ) throws(FileError) -> RingFile {
        let id = state.withLock { state in
            defer { state.nextID += 1 }
            return state.nextID
        }
        let path = path(id)
        let file = try fileSystem.open(path, .create)
        do throws(FileError) {
            let header = JournalFileHeader(
                store: store, file: id, size: UInt64(size), createdAt: timeSource.wallTime)
            try file.writeAll(header.encoded, at: 0)
            // The single commit of an oversize file fills it, so setting its length is enough.
            if isOversize {
                try file.truncate(to: size)
            } else {
                let zeros = [UInt8](repeating: 0, count: min(1 << 20, pieceSize))
                var offset = JournalFormat.fileHeaderCount
                var unsynced = 0
                while offset < size {
                    let count = min(zeros.count, size - offset)
                    try file.writeAll(count == zeros.count ? zeros : Array(zeros[..<count]), at: offset)
                    offset += count
                    unsynced += count
                    guard unsynced >= pieceSize, offset < size else { continue }
                    try synchronize(file)
                    unsynced = 0
                }
            }
            try synchronize(file)
            try fileSystem.synchronizeDirectory(directory)
        } catch {
            // An unfinished file is no part of the log. If its removal fails too, the next opening removes it.
            try? fileSystem.remove(path)
            throw error
        }
        return RingFile(id: id, file: file, size: size, isOversize: isOversize)
    }
}
