import DiskAccess
import StreamModel
import Synchronization

/// The journal's files: written one behind the other, used again when what they hold is in segments (STORE-J1).
///
/// A file in use has a file number, one higher than the file before it; the commits in it say it, nothing else does.
package final class Ring: Sendable {
    /// A file of the ring.
    struct RingFile: Sendable {
        let id: UInt64
        let file: any File
        let size: Int
        /// Made for one large commit, removed after it (STORE-J7).
        let isOversize: Bool
        /// What its commits say while it is in use.
        var number: UInt64 = 0
        /// How often it was written, and how much of that a sync that has ended was about. Of what recovery found nothing
        /// is known, so it counts as written.
        var writes = 1
        var syncedWrites = 0
    }

    /// Where a commit goes.
    struct Place: Sendable {
        let file: any File
        let fileNumber: UInt64
        let block: UInt32
        var offset: Int { Int(block) * JournalFormat.blockCount }
    }

    struct State: Sendable {
        /// Files with commits, by number; the last one is being written.
        var inUse: [RingFile] = []
        var free: [RingFile] = []
        /// Files that never became part of the log, or were made for a commit that did not.
        var unusable: [RingFile] = []
        var nextID: UInt64 = 1
        var nextNumber: UInt64 = 1
        /// Where in the last file the next commit begins.
        var nextBlock: UInt32 = 1
        /// Who copies the journal: as long as anybody does, no file is used again.
        var holders = 0
        /// Files that are no longer in use and wait for the holders.
        var held: [RingFile] = []
        /// Space taken by files in use.
        var bytesInUse: Int { inUse.reduce(0) { $0 + $1.size } }
    }

    /// A disk that syncs megabytes lets the commits of that moment wait for them, so a file that nobody waits for yet is
    /// made in small pieces.
    private static let gentlePiece = 128 << 10
    private let state: Mutex<State>
    private let fileSystem: any FileSystem
    private let directory: String
    private let store: StoreID
    /// Bytes of one file, larger ones for single commits aside.
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

    /// Whether the next file has to be made.
    var hasNoneFree: Bool { state.withLock { $0.free.isEmpty } }
    var bytesInUse: Int { state.withLock { $0.bytesInUse } }
    var filesInUse: Int { state.withLock { $0.inUse.count } }
    /// Bytes of live files that a reader of the directory sees reserved beyond them.
    var bytesFree: Int { state.withLock { $0.free.reduce(0) { $0 + $1.size } } }

    /// The place for a commit of this length; the same again until ``advance(blocks:)``. Writer only.
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

    /// The last place was written. Writer only.
    func advance(blocks: Int) {
        state.withLock { state in
            state.nextBlock += UInt32(blocks)
            state.inUse[state.inUse.count - 1].writes += 1
        }
    }

    /// Where the next commit will be, or is behind: the start of a replay that needs nothing older.
    func position(commit: UInt64, chain: UInt32) -> JournalPosition {
        state.withLock { state in
            JournalPosition(
                fileNumber: state.inUse.last?.number ?? state.nextNumber, block: state.nextBlock, commit: commit,
                chain: chain)
        }
    }

    /// Gives the files behind which a replay begins back for use.
    func release(before start: JournalPosition) throws(FileError) {
        let oversize = state.withLock { state in
            while state.inUse.count > 1, let first = state.inUse.first, first.number < start.fileNumber {
                state.held.append(state.inUse.removeFirst())
            }
            return Self.giveBack(&state)
        }
        try remove(oversize)
    }

    /// Moves what nobody holds to the free files; answers the ones to be removed.
    private static func giveBack(_ state: inout State) -> [RingFile] {
        guard state.holders == 0 else { return [] }
        defer { state.held = [] }
        state.free += state.held.filter { !$0.isOversize }
        return state.held.filter(\.isOversize)
    }

    /// From now on no file is used again or removed that is in use now, until ``letGo()``: somebody copies the journal.
    package func hold() { state.withLock { $0.holders += 1 } }

    /// Ends a ``hold()``.
    package func letGo() throws(FileError) {
        try remove(
            state.withLock { state in
                state.holders -= 1
                return Self.giveBack(&state)
            })
    }

    /// Sees to it that the writer finds a file when it needs one, and that not more than `most` lie idle.
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

    /// Removes all files that are not in use.
    func removeFree() throws(FileError) {
        try remove(
            state.withLock { state in
                defer { state.free = [] }
                return state.free
            })
    }

    /// Removes files that recovery can make no use of.
    func removeUnusable() throws(FileError) {
        try remove(
            state.withLock { state in
                defer { state.unusable = [] }
                return state.unusable
            })
    }

    /// Makes durable what is in the files that are in use (STORE-J9, STORE-C11).
    func synchronizeAll() throws(FileError) {
        for file in state.withLock({ $0.inUse }) where file.syncedWrites < file.writes { try synchronize(file.file) }
    }

    /// Makes the names of all files durable: a process that was killed may have left one whose name is not, and the
    /// commits in it would go with the name.
    func synchronizeNames() throws(FileError) { try fileSystem.synchronizeDirectory(directory) }

    /// Makes a file of the ring durable, and counts it.
    func synchronize(_ file: any File) throws(FileError) {
        syncCount.add(1, ordering: .relaxed)
        // What is written meanwhile may not be in it.
        let writes = state.withLock { state in state.inUse.last { $0.file === file }?.writes }
        try file.synchronize()
        guard let writes else { return }
        state.withLock { state in
            guard let index = state.inUse.lastIndex(where: { $0.file === file }) else { return }
            state.inUse[index].syncedWrites = max(state.inUse[index].syncedWrites, writes)
        }
    }

    /// How often a file of the ring was synced.
    var syncs: Int { syncCount.load(ordering: .relaxed) }

    /// Bytes of what the files in use hold.
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

    /// A new file, written with zeros and durable before its first use, so that no later commit waits for the file
    /// system to find room or to write down a length.
    ///
    /// - Parameter syncsEach: so many bytes are synced before the next ones are written.
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
            // An oversize file is written whole by its one commit; its length is enough.
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
            // Half a file is no part of the log; if even its removal fails, the next opening does it.
            try? fileSystem.remove(path)
            throw error
        }
        return RingFile(id: id, file: file, size: size, isOversize: isOversize)
    }
}
