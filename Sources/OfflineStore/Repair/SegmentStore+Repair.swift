import DiskAccess
public import Logging
public import SegmentStorage
public import StreamModel

extension SegmentStore {
    /// Repairs a damaged store as far as possible, or reports what would be done.
    ///
    /// Damaged bytes are copied to `quarantine/` in the store's directory and never deleted. Indexes are rebuilt from
    /// undamaged blocks; metadata from undamaged rows, the segments and the journal. The journal is read, skipping its
    /// damage, and its records are flushed to segments. Records that can't be read become lost ranges: readers get them
    /// as ``ReadResult/lost``, and a mapping sends one document with the condition `RecordsLost` and goes on. Where the
    /// journal is read this way, the numbers of all open shards jump by 2³² (STORE-C4), since unknown records may be
    /// lost.
    ///
    /// A store without damage is not changed. After an interruption, run the repair again.
    ///
    /// Throws `storeBusy` while a process has the store open; `newerFormat`; `notAccessible` for a directory without a
    /// store, and without `dryRun` for the files of a backup; `diskFull`; and `corrupt` where nothing names the store's
    /// ID, or something stays damaged.
    ///
    /// - Parameters:
    ///   - path: the store's directory.
    ///   - dryRun: true (the default) changes nothing and reports what would be done.
    public static func repair(
        at path: String, dryRun: Bool = true, timeSource: any TimeSource = SystemTimeSource(),
        logger: Logger = Logger(label: "shardline.store")
    ) async throws -> RepairReport {
        try await repair(
            at: path, dryRun: dryRun, timeSource: timeSource, logger: logger, internals: Internals())
    }

    static func repair(
        at path: String, dryRun: Bool, timeSource: any TimeSource, logger: Logger, internals: Internals
    ) async throws -> RepairReport {
        let directory = StoreLayout.directory(at: path)
        let now = timeSource.wallTime
        let repair = Repair(directory: directory, fileSystem: internals.fileSystem, now: now)
        let begun = try await BlockingThreads.shared.run { try begin(repair, applies: !dryRun) }
        guard !dryRun, begun.report.isNeeded else { return begun.report }
        var report = begun.report
        if begun.passesJournal {
            var internals = internals
            internals.passesDamage = true
            internals.heldLock = begun.lock
            let store = try await open(
                at: directory, configuration: Configuration(), timeSource: timeSource, logger: logger,
                internals: internals)
            try await store.close()
            if let failure = store.failure { throw failure }
        } else {
            begun.lock?.release()
        }
        let after = try await BlockingThreads.shared.run { try check(directory, internals.fileSystem, now: now) }
        if let left = after.findings.first(where: { $0.severity != .note }) {
            throw ShardlineError(
                .corrupt,
                "the store '\(directory)' is not whole after its repair: \(left.file.map { "\($0): " } ?? "")\(left.message)"
            )
        }
        report.isApplied = true
        return report
    }

    private struct Begun: Sendable {
        var report: RepairReport
        var passesJournal = false
        var lock: (any FileLock)?
    }

    private static func begin(_ repair: Repair, applies: Bool) throws -> Begun {
        let (directory, fileSystem) = (repair.directory, repair.fileSystem)
        return try describing("repairing the store '\(directory)'") {
            guard try fileSystem.status(directory)?.isDirectory == true else {
                throw ShardlineError(.notAccessible, "there is no directory '\(directory)'")
            }
            let names = try fileSystem.list(directory)
            if applies, let backup = try BackupManifest.backup(ofFilesIn: directory, fileSystem) {
                throw ShardlineError(
                    .notAccessible,
                    "'\(directory)' is a part of the backup '\(backup)', which a repair would change: restore the backup, or where it is damaged repair a copy of this directory elsewhere"
                )
            }
            guard
                [StoreLayout.journalFolder, StoreLayout.metadataFile, StoreLayout.repairedMetadataFile].contains(
                    where: names.contains)
            else {
                throw ShardlineError(
                    .notAccessible,
                    try BackupInspection.isBackup(directory, fileSystem)
                        ? "'\(directory)' is a backup, which a repair would change: restore it, or where it is damaged repair a copy of '\(directory)/\(BackupManifest.folder)' elsewhere"
                        : "there is no store in '\(directory)'")
            }
            var lock: (any FileLock)?
            if applies || names.contains(StoreLayout.lockFile) {
                let outcome =
                    applies
                    ? try fileSystem.lock(StoreLayout.lock(of: directory))
                    : try fileSystem.lockForReading(StoreLayout.lock(of: directory))
                switch outcome {
                case .acquired(let acquired): lock = acquired
                case .held(let process):
                    let owner = ProcessState.holder(process, "end it first")
                    throw ShardlineError(.storeBusy, "the store '\(directory)' is in use by \(owner)")
                }
            }
            do {
                if applies { try repair.finishRename() }
                guard let plan = try RepairPlan(directory, fileSystem, now: repair.now) else {
                    throw ShardlineError(
                        .corrupt,
                        "nothing in '\(directory)' says what store it is: no metadata, no whole header of a journal file or segment"
                    )
                }
                if let newer = plan.report.found.findings.first(where: { $0.severity == .undecided }) {
                    throw ShardlineError(.newerFormat, newer.message)
                }
                if applies, plan.report.isNeeded { try repair.apply(plan) }
                if !(applies && plan.report.isNeeded) { lock?.release() }
                return Begun(report: plan.report, passesJournal: plan.passesJournal, lock: lock)
            } catch {
                lock?.release()
                throw error
            }
        }
    }
}
