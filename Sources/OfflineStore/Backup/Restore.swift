import DiskAccess
import Logging
import SegmentStorage
import StreamModel
import StreamStorage

/// Makes a store of a backup. All calls block.
///
/// The store is made in a directory beside its place, checked, and put there by one rename: at every moment there is
/// either nothing or a whole store. Its sequence numbers jump and it gets a new incarnation (STORE-C4): numbers that
/// the original store gave out after the backup, and that consumers may have seen, are not given out again.
struct Restore {
    let backup: String
    let directory: String
    let fileSystem: any FileSystem
    let now: Timestamp
    let stop: FileCopier.Stop
    /// The directory in which the store is made; this restore creates it new.
    let staging: String

    /// Creates the staging directory. Throws where no store can be made at `directory`.
    init(
        backup: String, directory: String, fileSystem: any FileSystem, now: Timestamp, stop: FileCopier.Stop,
        suffix: () -> String
    ) throws {
        (self.backup, self.directory, self.fileSystem) = (backup, directory, fileSystem)
        (self.now, self.stop) = (now, stop)
        guard let name = directory.split(separator: "/").last, name != ".", name != ".." else {
            throw ShardlineError(
                .invalidArgument, "'\(directory)' can't be a restored store's directory: name a new one")
        }
        staging = try describing("restoring the backup '\(backup)'") { () throws -> String in
            try Enclosure.refuse(directory, fileSystem)
            if let status = try fileSystem.status(directory) {
                guard status.isDirectory, try fileSystem.list(directory).isEmpty else { throw Self.isTaken(directory) }
            }
            // An existing directory is never used: it may hold other data or be a link to it.
            for _ in 0..<100 {
                let place = "\(directory).restoring-\(suffix())"
                do throws(FileError) {
                    try fileSystem.createNewDirectory(place)
                    return place
                } catch {
                    guard error.isThereAlready else { throw error }
                }
            }
            throw ShardlineError(
                .notAccessible,
                "beside '\(directory)' are too many directories of restores that did not end: remove them")
        }
    }

    private static func isTaken(_ directory: String) -> ShardlineError {
        ShardlineError(
            .notAccessible,
            "'\(directory)' is no new and no empty directory: name a new one, a restore writes over nothing")
    }

    /// Runs `body`; removes the staging directory if it fails.
    func orDiscard<Result>(_ body: () throws -> Result) throws -> Result {
        do { return try body() } catch {
            discard()
            throw error
        }
    }

    /// Removes the staging directory, best effort; what is left does no harm.
    func discard() {
        try? FileCopier(fileSystem, to: staging, stop: stop).removeFiles()
        for folder in [StoreLayout.journalFolder, StoreLayout.segmentFolder] {
            try? fileSystem.removeDirectory("\(staging)/\(folder)")
        }
        try? fileSystem.removeDirectory(staging)
    }

    /// Copies and checks the files. The store in ``staging`` is then complete and can be opened with ``identity``.
    func prepare() throws -> BackupSummary {
        try describing("restoring the backup '\(backup)'") {
            let manifest = try readManifest()
            var copier = FileCopier(fileSystem, to: staging, stop: stop)
            do {
                try copy(manifest, by: &copier)
            } catch let error as FileError where error.isNoSpace {
                throw copier.withoutRoom("restoring the backup '\(backup)': \(error)")
            }
            return manifest.summary
        }
    }

    private func copy(_ manifest: BackupManifest, by copier: inout FileCopier) throws {
        try copier.makeFolders()
        for file in manifest.files {
            let source = "\(backup)/\(BackupManifest.folder)/\(file.path)"
            guard let size = try fileSystem.status(source)?.size else {
                throw damaged("the file '\(file.path)' is missing")
            }
            guard size == file.size else {
                throw damaged("the file '\(file.path)' has \(size) bytes, not \(file.size)")
            }
            try copier.copy(source, as: file.path, count: size)
            guard copier.files.last == file else {
                throw damaged("the file '\(file.path)' is not what was written: its checksum is wrong")
            }
        }
        try copier.synchronizeFolders()
        _ = try Backup.recordsOfWhole(staging, fileSystem, now: now, of: "the backup '\(backup)'")
    }

    /// The identity change with which the store in ``staging`` is opened once.
    var identity: IdentityChange {
        IdentityChange(finding: "restored from a backup", incarnations: OpenedEntry.restoredIncarnations)
    }

    /// Renames the staging directory to the store's.
    func finish() throws {
        try describing("restoring the backup '\(backup)'") {
            do throws(FileError) {
                try fileSystem.rename(staging, to: directory)
            } catch {
                // Another process made the directory meanwhile, or there is a link, which is not followed.
                guard error.isTaken else { throw error }
                throw Self.isTaken(directory)
            }
            try fileSystem.synchronizeDirectory(StoreLayout.parent(of: directory))
        }
    }

    private func readManifest() throws -> BackupManifest {
        switch try BackupManifest.read(in: backup, fileSystem) {
        case .whole(let manifest): return manifest
        case .damaged(let reason):
            throw ShardlineError(
                reason.isNewerVersion ? .newerFormat : .corrupt,
                "the backup's manifest '\(backup)/\(BackupManifest.name)': \(reason)")
        case .unfinished:
            throw ShardlineError(.corrupt, "the backup '\(backup)' did not come to its end: make it again")
        case .missing:
            throw ShardlineError(.notAccessible, "'\(backup)' is no backup: it has no file '\(BackupManifest.name)'")
        }
    }

    private func damaged(_ what: String) -> ShardlineError {
        ShardlineError(.corrupt, "the backup '\(backup)' is damaged: \(what); nothing was put into '\(directory)'")
    }
}
