import DiskAccess
import StreamModel
import Synchronization

/// A file that takes one document a line, synced before the checkpoint moves (ESM-D10).
///
/// A document that a crash has torn is cut off when the file is opened; a document whose checkpoint was lost in the crash
/// comes again, with the same id. What others wrote into the file stays.
package final class FileDestination: FailureDestination {
    private struct State {
        var file: (any File)?
        var end = 0
    }

    let path: String
    private let fileSystem: any FileSystem
    private let threads: BlockingThreads
    private let state = Mutex(State())

    package init(
        path: String, fileSystem: any FileSystem = POSIXFileSystem(), threads: BlockingThreads = .shared
    ) {
        self.path = path
        self.fileSystem = fileSystem
        self.threads = threads
    }

    /// Opens the file, or makes it. Throws `notAccessible` where that can't be.
    package func open() async throws {
        do {
            try await threads.run { try self.state.withLock { try self.open(&$0) } }
        } catch let error as FileError {
            throw ShardlineError(
                .notAccessible, "failureDestination file:\(path) can't be used: \(error)", cause: error)
        }
    }

    package func deliver(_ document: FailureDocument) async throws {
        let line = document.json() + [UInt8(ascii: "\n")]
        try await threads.run { try self.state.withLock { try self.append(line, to: &$0) } }
    }

    private func open(_ state: inout State) throws {
        guard state.file == nil else { return }
        guard let status = try fileSystem.status(path) else {
            state.file = try fileSystem.open(path, .create)
            try state.file?.synchronize()
            try fileSystem.synchronizeDirectory(directory)
            state.end = 0
            return
        }
        // Opening a pipe may wait for ever, and no line of it could be cut off.
        guard status.isRegularFile else {
            throw ShardlineError(
                .notAccessible,
                "failureDestination file:\(path) is no regular file (allowed: a regular file, or a new name in a directory); name another one"
            )
        }
        let file = try fileSystem.open(path, .readWrite)
        state.end = try Self.endOfLines(in: file)
        // Whoever made the file may have been killed before its name was durable.
        try fileSystem.synchronizeDirectory(directory)
        state.file = file
    }

    private func append(_ line: [UInt8], to state: inout State) throws {
        try open(&state)
        guard let file = state.file else { return }
        do {
            try file.writeAll(line, at: state.end)
            try file.synchronize()
        } catch {
            // What a failed write or sync has left is not known: the next delivery opens the file anew, which cuts off
            // a torn line.
            state.file = nil
            throw error
        }
        state.end += line.count
    }

    private var directory: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Ends the last line where it has no end, and returns where the next one begins.
    private static func endOfLines(in file: any File) throws -> Int {
        let size = try file.size()
        let start = try startOfLastLine(of: file, size)
        guard start < size else { return size }
        if try isTorn(start..<size, of: file) {
            try file.truncate(to: start)
            return start
        }
        try file.writeAll([UInt8(ascii: "\n")], at: size)
        try file.synchronize()
        return size + 1
    }

    /// Whether a last line without its end is what a crash has left of a document: it begins as ours do and is not whole.
    /// All else is somebody's line, or a document that somebody took the end of the line from.
    private static func isTorn(_ line: Range<Int>, of file: any File) throws -> Bool {
        let beginning = FailureDocument.beginning
        let head = try file.bytes(at: line.lowerBound, count: min(beginning.count, line.count))
        // A length that reached the disk without its bytes reads as zeros, which are nobody's text.
        if head.first == 0 { return true }
        guard head[...] == beginning.prefix(head.count) else { return false }
        guard head.count == beginning.count else { return true }
        return JSONValue(try file.bytes(at: line.lowerBound, count: line.count)) == nil
    }

    /// Behind the last end of a line.
    private static func startOfLastLine(of file: any File, _ size: Int) throws -> Int {
        let step = 64 << 10
        var end = size
        while end > 0 {
            let start = max(0, end - step)
            let bytes = try file.bytes(at: start, count: end - start)
            if let newline = bytes.lastIndex(of: UInt8(ascii: "\n")) { return start + newline + 1 }
            end = start
        }
        return 0
    }
}
