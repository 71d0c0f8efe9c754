import DiskAccess
import StreamModel
import Synchronization

/// A file with one document on each line. A document is synced before its checkpoint moves (ESM-D10).
///
/// Opening the file removes a document that a crash has torn. A document whose checkpoint was lost in a crash is
/// written again with the same id. Lines of other writers stay.
///
/// Shards deliver at the same time. The file is used on a blocking thread, under one lock, so lines never mix.
package final class FileDestination: FailureDestination, CustomStringConvertible {
    private struct State {
        var file: (any File)?
        var end = 0
    }

    let path: String
    package var description: String { "the file \(path)" }
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

    /// Opens the file, or creates it. Throws `notAccessible` if it can't.
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
        // Opening a pipe may block without end, and a pipe can't be truncated.
        guard status.isRegularFile else {
            throw ShardlineError(
                .notAccessible,
                "failureDestination file:\(path) is no regular file (allowed: a regular file, or a new name in a directory); name another one"
            )
        }
        let file = try fileSystem.open(path, .readWrite)
        state.end = try Self.endOfLines(in: file)
        // The process that created the file may have ended before the file's name was durable.
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
            // After a failed write or sync the end of the file is unknown. The next delivery opens the file again,
            // which removes a torn line.
            state.file = nil
            throw error
        }
        state.end += line.count
    }

    private var directory: String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Removes a torn last line, or ends the last line if it has no newline. Returns the offset of the next line.
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

    /// Whether a last line without a newline is a torn document: it starts like a document and is not complete. Any
    /// other line is from another writer, or a document whose newline was removed.
    private static func isTorn(_ line: Range<Int>, of file: any File) throws -> Bool {
        let beginning = FailureDocument.beginning
        let head = try file.bytes(at: line.lowerBound, count: min(beginning.count, line.count))
        // A length that reached the disk without its bytes reads as zeros, which are not text.
        if head.first == 0 { return true }
        guard head[...] == beginning.prefix(head.count) else { return false }
        guard head.count == beginning.count else { return true }
        return JSONValue(try file.bytes(at: line.lowerBound, count: line.count)) == nil
    }

    /// The offset after the last newline; 0 without one.
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
