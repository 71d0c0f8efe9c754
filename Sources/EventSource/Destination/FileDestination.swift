import DiskAccess
import StreamModel
import Synchronization

/// A file that takes one document a line, synced before the checkpoint moves (ESM-D10).
///
/// A line that a crash has torn is cut off when the file is opened; a document whose checkpoint was lost in the crash
/// comes again, with the same id.
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
        if try fileSystem.status(path) == nil {
            state.file = try fileSystem.open(path, .create)
            try state.file?.synchronize()
            try fileSystem.synchronizeDirectory(directory)
            state.end = 0
            return
        }
        let file = try fileSystem.open(path, .readWrite)
        state.end = try Self.endOfLastLine(of: file)
        if state.end < (try file.size()) { try file.truncate(to: state.end) }
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

    /// Behind the last end of a line.
    private static func endOfLastLine(of file: any File) throws -> Int {
        let step = 64 << 10
        var end = try file.size()
        while end > 0 {
            let start = max(0, end - step)
            let bytes = try file.bytes(at: start, count: end - start)
            if let newline = bytes.lastIndex(of: UInt8(ascii: "\n")) { return start + newline + 1 }
            end = start
        }
        return 0
    }
}
