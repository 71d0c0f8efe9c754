import DiskAccess
import SegmentStorage
import StreamModel
import StreamStorage

/// A backup or a restored store must not be made within a store or a backup, which takes every file in its directory
/// for its own.
enum Enclosure {
    /// Throws `notAccessible` where a directory above `path`, links resolved, is a store's or a backup's. Blocks.
    static func refuse(_ path: String, _ fileSystem: any FileSystem) throws {
        guard var directory = fileSystem.canonicalPath(path) else { return }
        while directory.count > 1, directory != "." {
            directory = StoreLayout.parent(of: directory)
            guard let kind = kind(of: directory, fileSystem) else { continue }
            throw ShardlineError(
                .notAccessible, "'\(path)' lies within the \(kind) '\(directory)': name a directory outside of it")
        }
    }

    /// "store" or "backup"; nil for another directory and for one that can't be read.
    private static func kind(of directory: String, _ fileSystem: any FileSystem) -> String? {
        func isThere(_ name: String) -> Bool { ((try? fileSystem.status("\(directory)/\(name)")) ?? nil) != nil }
        // Other programs, too, use one of these names.
        if isThere(StoreLayout.journalFolder), isThere(StoreLayout.metadataFile) || isThere(StoreLayout.lockFile) {
            return "store"
        }
        return (try? BackupManifest.isThere(in: directory, fileSystem)) == true ? "backup" : nil
    }
}
