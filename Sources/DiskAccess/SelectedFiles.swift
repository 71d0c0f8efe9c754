import Glibc

/// A read-only view of some files of a directory: what a copy of only these files would contain. Nothing outside the
/// directory is visible.
package struct SelectedFiles: FileSystem {
    private let base: any FileSystem
    private let directory: String
    private let names: Set<String>

    /// - Parameters:
    ///   - directory: the directory of the files.
    ///   - names: the visible files and folders, relative to the directory; in a folder only named files are visible.
    package init(of base: any FileSystem, in directory: String, names: Set<String>) {
        self.base = base
        self.directory = directory
        self.names = names
    }

    private func isVisible(_ path: String) -> Bool {
        if path == directory { return true }
        return path.hasPrefix(directory + "/") && names.contains(String(path.dropFirst(directory.count + 1)))
    }

    private func refused(_ operation: FileError.Operation, _ path: String) -> FileError {
        FileError(operation, path, code: EROFS)
    }

    package func open(_ path: String, _ mode: FileMode) throws(FileError) -> any File {
        switch mode {
        case .read, .readDirect:
            guard isVisible(path) else { throw FileError(.open, path, code: ENOENT) }
            return try base.open(path, mode)
        case .readWrite, .create: throw refused(.open, path)
        }
    }

    package func list(_ directory: String) throws(FileError) -> [String] {
        guard isVisible(directory) else { throw FileError(.list, directory, code: ENOENT) }
        return try base.list(directory).filter { isVisible("\(directory)/\($0)") }
    }

    package func status(_ path: String) throws(FileError) -> FileStatus? {
        isVisible(path) ? try base.status(path) : nil
    }

    package func canonicalPath(_ path: String) -> String? { base.canonicalPath(path) }
    package func freeSpace(at path: String) throws(FileError) -> Int { try base.freeSpace(at: path) }

    package func createDirectory(_ path: String) throws(FileError) { throw refused(.createDirectory, path) }
    package func createNewDirectory(_ path: String) throws(FileError) { throw refused(.createDirectory, path) }
    package func removeDirectory(_ path: String) throws(FileError) { throw refused(.remove, path) }
    package func rename(_ path: String, to newPath: String) throws(FileError) { throw refused(.rename, path) }
    package func remove(_ path: String) throws(FileError) { throw refused(.remove, path) }
    package func synchronizeDirectory(_ path: String) throws(FileError) { throw refused(.synchronizeDirectory, path) }
    package func lock(_ path: String) throws(FileError) -> LockOutcome { throw refused(.lock, path) }
}
