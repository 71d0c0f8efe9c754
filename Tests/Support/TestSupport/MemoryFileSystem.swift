import DiskAccess
import Synchronization

/// A disk in memory, for tests: it fails on command, and a crash may take what was not synced, sector by sector and
/// name by name.
///
/// The faults that it knows: errors before anything is done, errors and short counts in the middle of a write or a read,
/// syncs that fail and lose what the cache goes on to show, flipped bits. After ``afterCrash(keeping:)`` each sector of
/// 512 bytes that was not synced is there or not, each name that was made or taken away without a sync of its directory
/// is there or not, each file has its old length or its new one.
package final class MemoryFileSystem: FileSystem {
    /// What is about to be done.
    package struct Operation: Sendable {
        package var kind: FileError.Operation
        package var path: String
        /// Of a write: how many bytes.
        package var count = 0
        /// Of a write: where.
        package var offset = 0

        /// Whether it changes anything that a crash could find.
        package var changesDisk: Bool {
            switch kind {
            case .write, .synchronize, .synchronizeDirectory, .rename, .remove, .truncate, .createDirectory, .open,
                .changeRights:
                true
            case .read, .list, .askForSpace, .lock, .status: false
            }
        }
    }

    /// What happens in its place.
    package enum Fault: Sendable {
        /// The error with this number, and nothing is done.
        case error(Int32)
        /// This many bytes of a write go out, then the error comes.
        case errorAfter(bytes: Int, Int32)
        /// Only this many bytes of a write go out, or of a read come, without an error.
        case short(Int)
        /// The sync says that all is well, and does nothing: a disk that lies.
        case lyingSync
        /// The sync fails with this error. Of the sectors that waited for it those reach the disk of which a pattern says
        /// so, by their number modulo 64; the others are lost, and the cache goes on to show them.
        case lostSync(Int32, pattern: UInt64)
    }

    /// Whether files can be read past the cache; what can't is refused with `EINVAL`.
    package enum DirectReading: Sendable, CaseIterable {
        case taken, refusedAtOpening, refusedAtReading
    }

    struct State: Sendable {
        /// Files and directories by a number that is never used again.
        var nodes: [Int: MemoryNode] = [0: MemoryNode(isDirectory: true)]
        var names: [String: Int] = ["/": 0]
        /// The names that a crash leaves in any case.
        var syncedNames: [String: Int] = ["/": 0]
        var lastNode = 0
        var locks: Set<String> = []
        var hook: (@Sendable (Operation) -> Fault?)?
        var records = true
        var operations: [Operation] = []
        var capacity = 1 << 40
        var directReading = DirectReading.taken

        var used: Int { names.values.reduce(0) { $0 + (nodes[$1]?.bytes.count ?? 0) } }

        mutating func add(_ node: MemoryNode, at path: String) {
            lastNode += 1
            nodes[lastNode] = node
            names[path] = lastNode
        }

        func node(at path: String) -> MemoryNode? { names[path].flatMap { nodes[$0] } }
    }

    let state = Mutex(State())

    package init() {}

    /// A disk that holds these files, durable, in the directories that their paths name.
    package convenience init(contents: [String: [UInt8]]) {
        self.init()
        state.withLock { state in
            for (path, bytes) in contents.sorted(by: { $0.key < $1.key }) {
                state.add(MemoryNode(synced: bytes), at: path)
                var directory = path
                while let slash = directory.lastIndex(of: "/"), slash > directory.startIndex {
                    directory = String(directory[..<slash])
                    if state.names[directory] == nil { state.add(MemoryNode(isDirectory: true), at: directory) }
                }
            }
            state.syncedNames = state.names
        }
    }

    /// A disk in this state, without locks and faults.
    init(_ left: State) {
        state.withLock { state in
            state = left
            state.locks = []
            state.hook = nil
            state.operations = []
        }
    }

    /// Lets go of everything that it holds: for one that nobody looks at any more.
    package func forget() {
        state.withLock { $0 = State() }
    }

    /// Asks `hook` before everything that is done; it may also look around, but not at this file system.
    package func onOperation(_ hook: (@Sendable (Operation) -> Fault?)?) { state.withLock { $0.hook = hook } }

    /// How many bytes the files can have together; nothing more goes in then (`ENOSPC`).
    package var capacity: Int {
        get { state.withLock { $0.capacity } }
        set { state.withLock { $0.capacity = newValue } }
    }

    /// Whether files can be read past the cache.
    package var directReading: DirectReading {
        get { state.withLock { $0.directReading } }
        set { state.withLock { $0.directReading = newValue } }
    }

    /// How many bytes the files have together.
    package var usedBytes: Int { state.withLock { $0.used } }

    /// All that was done so far.
    package var operations: [Operation] { state.withLock { $0.operations } }

    /// Whether ``operations`` are kept; long runs have no use for them.
    package func recordOperations(_ records: Bool) { state.withLock { $0.records = records } }

    /// Whether something has this name now; asks no hook.
    package func isThere(_ path: String) -> Bool { state.withLock { $0.names[path] != nil } }

    /// The bytes of a file now; nil where there is none. Asks no hook.
    package func bytes(of path: String) -> [UInt8]? { state.withLock { $0.node(at: path)?.bytes } }

    /// What is in the files now.
    package var contents: [String: [UInt8]] {
        state.withLock { state in
            state.names.compactMapValues { number in
                state.nodes[number].flatMap { $0.isDirectory ? nil : $0.bytes }
            }
        }
    }

    /// Flips bits of one byte of a file, as decay does; nil where there is no such byte.
    @discardableResult
    package func flip(_ mask: UInt8, in path: String, at offset: Int) -> Bool {
        state.withLock { state in
            guard let number = state.names[path], offset < state.nodes[number]?.bytes.count ?? 0 else { return false }
            state.nodes[number]?.flip(mask, at: offset)
            return true
        }
    }

    func begin(_ operation: Operation) -> Fault? {
        let hook = state.withLock { state in
            if state.records { state.operations.append(operation) }
            return state.hook
        }
        return hook?(operation)
    }

    private func check(_ kind: FileError.Operation, _ path: String) throws(FileError) {
        if case .error(let code) = begin(Operation(kind: kind, path: path)) {
            throw FileError(kind, path, code: code)
        }
    }

    package func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
        try check(.open, path)
        let result: Result<Int, FileError> = state.withLock { state in
            if case .create = mode {
                guard state.names[path] == nil else { return .failure(FileError(.open, path, code: 17)) }
                state.add(MemoryNode(), at: path)
            }
            guard let number = state.names[path] else { return .failure(FileError(.open, path, code: 2)) }
            return .success(number)
        }
        var isDirect = false
        if case .readDirect = mode {
            isDirect = true
            if directReading == .refusedAtOpening { throw FileError(.open, path, code: 22) }
        }
        return MemoryFile(path: path, number: try result.get(), isDirect: isDirect, system: self)
    }

    package func createDirectory(_ path: String) throws(FileError) {
        try check(.createDirectory, path)
        state.withLock { state in
            if state.names[path] == nil { state.add(MemoryNode(isDirectory: true), at: path) }
        }
    }

    package func createNewDirectory(_ path: String) throws(FileError) {
        try check(.createDirectory, path)
        let isNew = state.withLock { state in
            guard state.names[path] == nil else { return false }
            state.add(MemoryNode(isDirectory: true), at: path)
            return true
        }
        if !isNew { throw FileError(.createDirectory, path, code: 17) }
    }

    package func removeDirectory(_ path: String) throws(FileError) {
        try check(.remove, path)
        let code: Int32? = state.withLock { state in
            guard let number = state.names[path], state.nodes[number]?.isDirectory == true else { return 2 }
            guard !state.names.keys.contains(where: { Self.isIn(path, $0) }) else { return 39 }
            state.names[path] = nil
            return nil
        }
        if let code { throw FileError(.remove, path, code: code) }
    }

    /// The paths directly in a directory.
    private static func isIn(_ directory: String, _ path: String) -> Bool {
        let prefix = directory == "/" ? "/" : directory + "/"
        return path.utf8.count > prefix.utf8.count && path.hasPrefix(prefix)
            && !path.utf8.dropFirst(prefix.utf8.count).contains(UInt8(ascii: "/"))
    }

    package func list(_ directory: String) throws(FileError) -> [String] {
        try check(.list, directory)
        let length = directory == "/" ? 1 : directory.utf8.count + 1
        return state.withLock { state in
            state.names.keys.filter { Self.isIn(directory, $0) }.map { String($0.utf8.dropFirst(length))! }.sorted()
        }
    }

    package func status(_ path: String) throws(FileError) -> FileStatus? {
        try check(.status, path)
        return state.withLock { state in
            state.node(at: path).map { FileStatus(size: $0.bytes.count, isDirectory: $0.isDirectory) }
        }
    }

    package func rename(_ path: String, to newPath: String) throws(FileError) {
        try check(.rename, path)
        let wasThere = state.withLock { state in
            guard let number = state.names.removeValue(forKey: path) else { return false }
            state.names[newPath] = number
            // What is in a directory goes with it.
            for inside in state.names.keys where inside.hasPrefix(path + "/") {
                state.names[newPath + inside.dropFirst(path.count)] = state.names.removeValue(forKey: inside)
            }
            return true
        }
        if !wasThere { throw FileError(.rename, path, code: 2) }
    }

    package func remove(_ path: String) throws(FileError) {
        try check(.remove, path)
        let wasThere = state.withLock { $0.names.removeValue(forKey: path) != nil }
        if !wasThere { throw FileError(.remove, path, code: 2) }
    }

    package func synchronizeDirectory(_ path: String) throws(FileError) {
        try check(.synchronizeDirectory, path)
        state.withLock { state in
            for name in Array(state.syncedNames.keys) where Self.isIn(path, name) && state.names[name] == nil {
                state.syncedNames[name] = nil
            }
            for (name, number) in state.names where Self.isIn(path, name) { state.syncedNames[name] = number }
        }
    }

    package func freeSpace(at path: String) throws(FileError) -> Int {
        try check(.askForSpace, path)
        return state.withLock { max(0, $0.capacity - $0.used) }
    }

    package func lock(_ path: String) throws(FileError) -> LockOutcome {
        try check(.lock, path)
        let isOurs = state.withLock { state in
            if state.names[path] == nil { state.add(MemoryNode(), at: path) }
            return state.locks.insert(path).inserted
        }
        return isOurs ? .acquired(MemoryLock(path: path, system: self)) : .held(by: 4711)
    }
}

private final class MemoryLock: FileLock {
    private let path: String
    private let system: MemoryFileSystem

    init(path: String, system: MemoryFileSystem) {
        self.path = path
        self.system = system
    }

    func release() { system.state.withLock { _ = $0.locks.remove(path) } }
}
