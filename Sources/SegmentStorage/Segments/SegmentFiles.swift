import DiskAccess
import Synchronization

/// The segment files of a store: their paths, and the files that are open for reading.
///
/// At most ``OpenFiles/segments`` stay open, the most recently used ones. A reader holds its file object, which closes
/// the file when it is released: the file stays readable after it is evicted here, and even after it is deleted.
///
/// Calls may come from any thread. The lock is not held while a file is opened.
package final class SegmentFiles: Sendable {
    package let fileSystem: any FileSystem
    package let directory: String
    private let limit: Int
    private let state = Mutex(State())

    private struct State {
        var open: [UInt64: (file: any File, used: UInt64)] = [:]
        var clock: UInt64 = 0
    }

    package init(
        fileSystem: any FileSystem, directory: String,
        limit: Int = OpenFiles(limit: ProcessUsage.openFileLimit).segments
    ) {
        self.limit = limit
        self.fileSystem = fileSystem
        self.directory = directory
    }

    package func path(of segment: UInt64) -> String { "\(directory)/\(StoreLayout.segmentFile(segment))" }

    /// The file of a segment, opened for reading. Blocks.
    package func file(of segment: UInt64) throws(FileError) -> any File {
        let known = state.withLock { state -> (any File)? in
            state.clock += 1
            state.open[segment]?.used = state.clock
            return state.open[segment]?.file
        }
        if let known { return known }
        let file = try fileSystem.open(path(of: segment), .read)
        state.withLock { state in
            state.open[segment] = (file, state.clock)
            guard state.open.count > limit,
                let oldest = state.open.min(by: { $0.value.used < $1.value.used })?.key
            else { return }
            state.open[oldest] = nil
        }
        return file
    }

    /// Drops the file of a segment that was deleted.
    package func forget(_ segment: UInt64) { state.withLock { $0.open[segment] = nil } }
}
