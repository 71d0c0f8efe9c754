import DiskAccess
import Logging
import StreamModel
import StreamStorage

/// Puts a backup in place as a store again. All calls block.
///
/// It is made beside its place, checked, and put there by one rename: at every moment there is either nothing or a
/// whole store. The store goes on with numbers and an incarnation of its own (C4): what the store that was backed up
/// gave out after the backup, and somebody may have seen, is not given out again for other records.
struct Restore {
    let backup: String
    let directory: String
    let fileSystem: any FileSystem
    let now: Timestamp
    let stop: FileCopier.Stop

    /// So many openings are left to the store that was backed up.
    static let skippedIncarnations: UInt32 = 1 << 16

    var staging: String { directory + ".restoring" }

    /// Copies and checks; the store in ``staging`` is complete then, and can be opened with ``identity``.
    func prepare() throws -> BackupSummary {
        try describing("restoring the backup '\(backup)'") {
            let manifest = try readManifest()
            if let status = try fileSystem.status(directory) {
                guard status.isDirectory, try fileSystem.list(directory).isEmpty else {
                    throw ShardlineError(
                        .notAccessible,
                        "'\(directory)' is not empty: name a new directory, a restore writes over nothing")
                }
            }
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

    /// What the store in ``staging`` is opened as, once.
    var identity: IdentityChange {
        IdentityChange(finding: "restored from a backup", incarnations: Self.skippedIncarnations)
    }

    /// The error of a store that could be copied and not be opened for want of room; its copy is removed.
    func withoutRoom(_ error: ShardlineError) -> ShardlineError {
        FileCopier(fileSystem, to: staging, stop: stop).withoutRoom(error.message)
    }

    /// Puts the store in its place.
    func finish() throws {
        try describing("restoring the backup '\(backup)'") {
            try fileSystem.rename(staging, to: directory)
            try fileSystem.synchronizeDirectory(SegmentStore.Parts.parent(of: directory))
        }
    }

    private func readManifest() throws -> BackupManifest {
        let path = "\(backup)/\(BackupManifest.name)"
        guard try fileSystem.status(path) != nil else {
            if try fileSystem.status("\(backup)/\(BackupManifest.unfinishedName)") != nil {
                throw ShardlineError(.corrupt, "the backup '\(backup)' did not come to its end: make it again")
            }
            throw ShardlineError(.notAccessible, "'\(backup)' is no backup: it has no file '\(BackupManifest.name)'")
        }
        let file = try fileSystem.open(path, .read)
        do throws(FormatDamage) {
            return try BackupManifest(try Self.everything(of: file))
        } catch {
            throw ShardlineError(
                error.isNewerVersion ? .newerFormat : .corrupt, "the backup's manifest '\(path)': \(error)")
        }
    }

    private static func everything(of file: any File) throws(FormatDamage) -> [UInt8] {
        do { return try file.bytes(at: 0, count: try file.size()) } catch { throw FormatDamage("\(error)") }
    }

    private func damaged(_ what: String) -> ShardlineError {
        ShardlineError(.corrupt, "the backup '\(backup)' is damaged: \(what); nothing was put into '\(directory)'")
    }
}
