import DiskAccess
public import Logging
public import SegmentStorage
public import StreamModel
public import StreamStorage

extension SegmentStore: BackupStore {
    /// Copies the store into a directory while it is open, and checks the copy.
    ///
    /// The copy holds every record that was acknowledged before the call, and shows one moment of the store: it holds a
    /// commit completely or not at all. Puts, reads and functions go on meanwhile. Journal files are not reused and
    /// segments are not removed until they are copied. ``restore(_:to:timeSource:logger:)`` makes a store of the
    /// backup, ``check(at:timeSource:)`` says whether it is still whole, and
    /// ``open(at:configuration:timeSource:logger:)`` refuses it.
    ///
    /// Throws `notAccessible` for a target that can't be used, is not empty or lies within a store or a backup;
    /// `diskFull`, after removing what was copied; `corrupt` where the store is damaged (see
    /// ``check(at:timeSource:)``); `closed`; `storeFailed` after a failed write or sync; and `CancellationError` for a
    /// cancelled task. What is in the target after an error is not a backup; the next backup may use the same target.
    ///
    /// - Parameter path: a new or empty directory; its parent must exist.
    @discardableResult
    public func backup(to path: String) async throws -> BackupSummary {
        guard let source = core.backing.backup else {
            throw ShardlineError(
                .invalidArgument, "this store keeps nothing besides its journal: there is no backup of it")
        }
        if let failure { throw failure }
        let core = core
        return try await Self.stoppable { [now = timeSource.wallTime] stop in
            try Backup(
                source: .init(
                    directory: core.directory,
                    hold: {
                        core.ring.hold()
                        source.holdDeletions()
                    },
                    letGoJournal: { try core.ring.letGo() }, letGoSegments: { source.letDelete() },
                    contents: { try source.contents() }, watermark: { core.visible.watermark }),
                fileSystem: core.fileSystem, target: StoreLayout.directory(at: path), now: now, stop: stop
            ).run()
        }
    }

    /// Copies a store that no process has open, and checks the copy, as ``backup(to:)`` does. The store itself is not
    /// changed.
    ///
    /// Throws `storeBusy` while a process has the store open, and what ``backup(to:)`` throws.
    @discardableResult
    public static func backup(
        of directory: String, to path: String, timeSource: any TimeSource = SystemTimeSource()
    ) async throws -> BackupSummary {
        let now = timeSource.wallTime
        return try await stoppable { stop in
            try backup(of: directory, to: path, POSIXFileSystem(), now: now, stop: stop)
        }
    }

    static func backup(
        of directory: String, to path: String, _ fileSystem: any FileSystem, now: Timestamp, stop: FileCopier.Stop
    ) throws -> BackupSummary {
        let directory = StoreLayout.directory(at: directory)
        let lock = try describing("backing up the store '\(directory)'") {
            guard try fileSystem.status(StoreLayout.lock(of: directory)) != nil else {
                throw ShardlineError(.notAccessible, "there is no store in '\(directory)'")
            }
            switch try fileSystem.lockForReading(StoreLayout.lock(of: directory)) {
            case .held(let process):
                let owner = ProcessState.holder(process)
                throw ShardlineError(
                    .storeBusy,
                    "the store '\(directory)' is in use by \(owner), which serves nobody else: it can make the backup itself (SegmentStore.backup), or end it first"
                )
            case .acquired(let lock): return lock
            }
        }
        defer { lock.release() }
        return try Backup(
            source: .init(
                directory: directory,
                contents: {
                    let reading = try MetadataImage.load(in: directory, fileSystem)
                    let damage = reading?.faults ?? ["the file is missing"]
                    guard let reading, damage.isEmpty, reading.contents.damaged.isEmpty else {
                        throw ShardlineError(
                            .corrupt,
                            "'\(directory)/\(StoreLayout.metadataFile)' is damaged; see what `shardline check` says")
                    }
                    return reading.contents
                }, watermark: { nil }),
            fileSystem: fileSystem, target: StoreLayout.directory(at: path), now: now, stop: stop
        ).run()
    }

    /// Makes a store of a backup: checks every file of the backup, and puts the store in place completely or not at
    /// all.
    ///
    /// The new store has the streams, records, mappings and checkpoints of the old one at the moment of the backup. Its
    /// sequence numbers jump by 2³², so that it does not reuse numbers that the old store gave out afterwards and
    /// consumers may have seen. Both may be in use at the same time; they are two independent stores.
    ///
    /// Throws `corrupt` for a backup that is damaged or unfinished; `notAccessible` for a directory that can't be used,
    /// is not empty or lies within a store or a backup; `newerFormat`, `diskFull`. After an error nothing is in the
    /// directory.
    ///
    /// - Parameters:
    ///   - backup: the backup's directory.
    ///   - path: the new store's directory, which must be new or empty; its parent must exist.
    @discardableResult
    public static func restore(
        _ backup: String, to path: String, timeSource: any TimeSource = SystemTimeSource(),
        logger: Logger = Logger(label: "shardline.store")
    ) async throws -> BackupSummary {
        try await restore(backup, to: path, timeSource: timeSource, logger: logger, internals: Internals())
    }

    static func restore(
        _ backup: String, to path: String, timeSource: any TimeSource, logger: Logger, internals: Internals
    ) async throws -> BackupSummary {
        let now = timeSource.wallTime
        let (summary, restore) = try await stoppable { stop in
            let restore = try Restore(
                backup: StoreLayout.directory(at: backup), directory: StoreLayout.directory(at: path),
                fileSystem: internals.fileSystem, now: now,
                stop: stop, suffix: internals.restoreSuffix)
            return (try restore.orDiscard { try restore.prepare() }, restore)
        }
        do {
            var internals = internals
            internals.identity = restore.identity
            let store = try await open(
                at: restore.staging, configuration: Configuration(), timeSource: timeSource, logger: logger,
                internals: internals)
            try await store.close()
            if let failure = store.failure { throw failure }
        } catch {
            try await BlockingThreads.shared.run { restore.discard() }
            throw error
        }
        try await BlockingThreads.shared.run { try restore.orDiscard { try restore.finish() } }
        return summary
    }

    /// Runs `body` on a thread that may block, and sets its stop flag when the task is cancelled.
    private static func stoppable<Result: Sendable>(
        _ body: @escaping @Sendable (FileCopier.Stop) throws -> Result
    ) async throws -> Result {
        let stop = FileCopier.Stop()
        return try await withTaskCancellationHandler {
            try await BlockingThreads.shared.run { try body(stop) }
        } onCancel: {
            stop.set()
        }
    }
}
