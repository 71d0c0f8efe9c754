import DiskAccess
import Synchronization

/// A file system in memory that fails on command and can lose what was not synced.
package final class MemoryFileSystem: FileSystem {
    /// What is about to be done.
    package struct Operation: Sendable {
        package var kind: FileError.Operation
        package var path: String
        /// Of a write: how many bytes.
        package var count = 0
        /// Of a write: where.
        package var offset = 0
    }

    /// What happens in its place.
    package enum Fault: Sendable {
        /// The error with this number, and nothing is done.
        case error(Int32)
        /// So many bytes of a write go out, then the error comes.
        case errorAfter(bytes: Int, Int32)
        /// Only so many bytes of a write go out, without an error.
        case short(Int)
    }

    struct Node: Sendable {
        var bytes: [UInt8] = []
        /// What survives a crash.
        var synced: [UInt8] = []
        var isDirectory = false
    }

    struct State: Sendable {
        var nodes: [String: Node] = ["/": Node(isDirectory: true)]
        var locks: Set<String> = []
        var hook: (@Sendable (Operation) -> Fault?)?
        var operations: [Operation] = []
        var capacity = 1 << 40

        var used: Int { nodes.values.reduce(0) { $0 + $1.bytes.count } }
    }

    let state = Mutex(State())

    package init() {}

    /// A disk that holds these files, durable, in the directories that their paths name.
    package convenience init(contents: [String: [UInt8]]) {
        self.init()
        state.withLock { state in
            for (path, bytes) in contents {
                state.nodes[path] = Node(bytes: bytes, synced: bytes)
                var directory = path
                while let slash = directory.lastIndex(of: "/"), slash > directory.startIndex {
                    directory = String(directory[..<slash])
                    state.nodes[directory] = Node(isDirectory: true)
                }
            }
        }
    }

    /// Asks `hook` before everything that is done; it may also look around, but not at this file system.
    package func onOperation(_ hook: (@Sendable (Operation) -> Fault?)?) { state.withLock { $0.hook = hook } }

    /// How many bytes the files can have together; nothing more goes in then (`ENOSPC`).
    package var capacity: Int {
        get { state.withLock { $0.capacity } }
        set { state.withLock { $0.capacity = newValue } }
    }

    /// How many bytes the files have together.
    package var usedBytes: Int { state.withLock { $0.used } }

    /// All that was done so far.
    package var operations: [Operation] { state.withLock { $0.operations } }

    /// What is in the files now.
    package var contents: [String: [UInt8]] {
        state.withLock { $0.nodes.filter { !$0.value.isDirectory }.mapValues(\.bytes) }
    }

    /// The disk after a crash: without what was not synced (names aside), without locks and faults.
    package func afterCrash(losingUnsynced: Bool = true) -> MemoryFileSystem {
        let after = MemoryFileSystem()
        let nodes = state.withLock { $0.nodes }
        after.state.withLock { state in
            state.nodes = nodes.mapValues { node in
                var node = node
                if losingUnsynced { node.bytes = node.synced } else { node.synced = node.bytes }
                return node
            }
        }
        return after
    }

    func begin(_ operation: Operation) -> Fault? {
        let hook = state.withLock { state in
            state.operations.append(operation)
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
        let code: Int32? = state.withLock { state in
            switch mode {
            case .create:
                if state.nodes[path] != nil { return 17 }
                state.nodes[path] = Node()
            case .read, .readDirect, .readWrite:
                if state.nodes[path] == nil { return 2 }
            }
            return nil
        }
        if let code { throw FileError(.open, path, code: code) }
        return MemoryFile(path: path, system: self)
    }

    package func createDirectory(_ path: String) throws(FileError) {
        try check(.createDirectory, path)
        state.withLock { state in
            if state.nodes[path] == nil { state.nodes[path] = Node(isDirectory: true) }
        }
    }

    package func list(_ directory: String) throws(FileError) -> [String] {
        try check(.list, directory)
        let prefix = directory == "/" ? "/" : directory + "/"
        return state.withLock { state in
            state.nodes.keys.filter { $0.hasPrefix(prefix) && $0.count > prefix.count }
                .map { $0.dropFirst(prefix.count) }.filter { !$0.contains("/") }.map(String.init).sorted()
        }
    }

    package func status(_ path: String) throws(FileError) -> FileStatus? {
        try check(.status, path)
        return state.withLock { state in
            state.nodes[path].map { FileStatus(size: $0.bytes.count, isDirectory: $0.isDirectory) }
        }
    }

    package func rename(_ path: String, to newPath: String) throws(FileError) {
        try check(.rename, path)
        state.withLock { state in
            state.nodes[newPath] = state.nodes.removeValue(forKey: path)
            // What is in a directory goes with it.
            for inside in state.nodes.keys where inside.hasPrefix(path + "/") {
                state.nodes[newPath + inside.dropFirst(path.count)] = state.nodes.removeValue(forKey: inside)
            }
        }
    }

    package func remove(_ path: String) throws(FileError) {
        try check(.remove, path)
        let wasThere = state.withLock { $0.nodes.removeValue(forKey: path) != nil }
        if !wasThere { throw FileError(.remove, path, code: 2) }
    }

    package func synchronizeDirectory(_ path: String) throws(FileError) { try check(.synchronizeDirectory, path) }

    package func freeSpace(at path: String) throws(FileError) -> Int {
        try check(.askForSpace, path)
        return state.withLock { max(0, $0.capacity - $0.used) }
    }

    package func lock(_ path: String) throws(FileError) -> LockOutcome {
        try check(.lock, path)
        let isOurs = state.withLock { state in
            state.nodes[path] = state.nodes[path] ?? Node()
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

private final class MemoryFile: File {
    let path: String
    private let system: MemoryFileSystem

    init(path: String, system: MemoryFileSystem) {
        self.path = path
        self.system = system
    }

    func size() throws(FileError) -> Int { system.state.withLock { $0.nodes[path]?.bytes.count ?? 0 } }

    func write(_ pieces: ArraySlice<UnsafeRawBufferPointer>, at offset: Int) throws(FileError) -> Int {
        var bytes = pieces.flatMap { Array($0) }
        let operation = MemoryFileSystem.Operation(kind: .write, path: path, count: bytes.count, offset: offset)
        var failure: FileError?
        switch system.begin(operation) {
        case .error(let code): throw FileError(.write, path, code: code)
        case .errorAfter(let count, let code):
            // The system reports what went out first; the error comes with the next call.
            bytes = Array(bytes.prefix(count))
            if bytes.isEmpty { failure = FileError(.write, path, code: code) }
        case .short(let count): bytes = Array(bytes.prefix(max(1, count)))
        case nil: break
        }
        if let failure { throw failure }
        let written = system.state.withLock { state -> Int in
            guard var node = state.nodes[path] else { return bytes.count }
            let room = max(0, node.bytes.count - offset) + max(0, state.capacity - state.used)
            bytes = Array(bytes.prefix(room))
            if node.bytes.count < offset + bytes.count {
                node.bytes.append(contentsOf: repeatElement(0, count: offset + bytes.count - node.bytes.count))
            }
            node.bytes.replaceSubrange(offset..<offset + bytes.count, with: bytes)
            state.nodes[path] = node
            return bytes.count
        }
        if written == 0, pieces.contains(where: { !$0.isEmpty }) { throw FileError(.write, path, code: 28) }
        return written
    }

    func read(into room: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        if case .error(let code) = system.begin(.init(kind: .read, path: path)) {
            throw FileError(.read, path, code: code)
        }
        let bytes = system.state.withLock { $0.nodes[path]?.bytes ?? [] }
        guard offset < bytes.count else { return 0 }
        let part = bytes[offset..<min(bytes.count, offset + room.count)]
        room.copyBytes(from: part)
        return part.count
    }

    func synchronize() throws(FileError) {
        if case .error(let code) = system.begin(.init(kind: .synchronize, path: path)) {
            throw FileError(.synchronize, path, code: code)
        }
        system.state.withLock { state in
            guard let bytes = state.nodes[path]?.bytes else { return }
            state.nodes[path]?.synced = bytes
        }
    }

    func beginWriting(_ range: Range<Int>) {}

    func truncate(to size: Int) throws(FileError) {
        if case .error(let code) = system.begin(.init(kind: .truncate, path: path)) {
            throw FileError(.truncate, path, code: code)
        }
        system.state.withLock { state in
            let count = state.nodes[path]?.bytes.count ?? 0
            if count > size {
                state.nodes[path]?.bytes.removeLast(count - size)
            } else {
                state.nodes[path]?.bytes.append(contentsOf: repeatElement(0, count: size - count))
            }
        }
    }
}
