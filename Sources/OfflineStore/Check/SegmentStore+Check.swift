import DiskAccess
public import SegmentStorage
public import StreamModel

extension SegmentStore {
    /// Reads everything in a store's directory and reports what is damaged. Changes nothing.
    ///
    /// It reads all files, decompresses all records and checks the sequence numbers of every shard, so it takes about
    /// as long as reading the directory. While a process has the store open the report's verdict is
    /// ``StoreReport/Verdict-swift.enum/undecided``; make a backup and check that (``backup(to:)``).
    ///
    /// For a backup it also checks the manifest and every file's presence, length and checksum. The backup is whole
    /// where ``restore(_:to:timeSource:logger:)`` accepts it and damaged where it does not. Files that the manifest
    /// does not name get a note: a restore leaves them out.
    ///
    /// Throws `notAccessible` for a directory that does not exist or can't be read; `readFailed` where the disk fails.
    ///
    /// - Parameters:
    ///   - path: the directory of a store or of a backup.
    ///   - timeSource: the clock for retention: expired records are not missing.
    public static func check(
        at path: String, timeSource: any TimeSource = SystemTimeSource()
    ) async throws -> StoreReport {
        let now = timeSource.wallTime
        return try await BlockingThreads.shared.run { try check(path, POSIXFileSystem(), now: now) }
    }

    static func check(_ path: String, _ fileSystem: any FileSystem, now: Timestamp) throws -> StoreReport {
        let directory = StoreLayout.directory(at: path)
        return try describing("checking the store '\(directory)'") {
            guard let status = try fileSystem.status(directory), status.isDirectory else {
                throw ShardlineError(.notAccessible, "there is no directory '\(directory)'")
            }
            guard try !BackupInspection.isBackup(directory, fileSystem) else {
                var inspection = BackupInspection(directory, fileSystem, now: now)
                try inspection.run()
                return inspection.report
            }
            var inspection = StoreInspection(directory, fileSystem, now: now)
            if let backup = try BackupManifest.backup(ofFilesIn: directory, fileSystem) {
                inspection.add(.partOfBackup(backup))
            }
            // The shared lock keeps owners out during the check, so that no file changes.
            guard try fileSystem.status(StoreLayout.lock(of: directory)) != nil else {
                try inspection.run()
                return inspection.report
            }
            switch try fileSystem.lockForReading(StoreLayout.lock(of: directory)) {
            case .held(let process):
                inspection.add(.inUse(by: process))
                return inspection.report
            case .acquired(let lock):
                defer { lock.release() }
                try inspection.run()
                return inspection.report
            }
        }
    }
}

extension StoreReport.Finding {
    /// A store that is open changes during the check.
    fileprivate static func inUse(by process: Int32?) -> Self {
        .init(
            .undecided, file: StoreLayout.lockFile,
            "the store is in use by \(ProcessState.holder(process, "end it, or make a backup and check that"))"
        )
    }

    /// Only a backup's manifest shows that the backup is whole.
    fileprivate static func partOfBackup(_ backup: String) -> Self {
        .init(.note, "these are the files of the backup '\(backup)': check that, to have its manifest checked too")
    }
}
