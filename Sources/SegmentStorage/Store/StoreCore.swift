import DiskAccess
import Logging
import Metrics
import StreamModel
import StreamStorage
import Synchronization

/// Everything that an open store consists of. It outlives the ``SegmentStore`` until its threads have ended.
///
/// Two threads run: `shardline-write` calls `writer.step(at:)` and then ``finishWriting()``; `shardline-flush` calls
/// `maintenance.step()`, `maintenance.finish()` and then ``finishClosing()``. Other members may be called from any
/// thread.
package final class StoreCore: Sendable {
    package let directory: String
    package let configuration: SegmentStore.Configuration
    package let timeSource: any TimeSource
    package let logger: Logger
    package let store: StoreID
    package let seed: UInt32
    package let visible: VisibleState
    package let queue: CallQueue
    let admission: Admission
    package let memtables: MemtableQueue
    package let ring: Ring
    let health: StoreHealth
    let space: DiskSpace
    package let backing: Backing
    package let writer: JournalWriter
    package let maintenance: MaintenanceLoop
    let counters: StoreCounters
    private let lock: any FileLock
    /// Whether closing flushes everything in the journal; after a repair.
    private let flushesAtEnd: Bool
    package let fileSystem: any FileSystem
    private let isClosing = Atomic(false)
    private let end = OneTimeSignal<Void>()

    private init(
        directory: String, configuration: SegmentStore.Configuration, timeSource: any TimeSource, logger: Logger,
        recovery: Recovery, ring: Ring, backing: Backing, lock: any FileLock, internals: SegmentStore.Internals
    ) {
        self.directory = directory
        self.configuration = configuration
        self.timeSource = timeSource
        self.logger = logger
        self.ring = ring
        self.backing = backing
        self.lock = lock
        flushesAtEnd = recovery.passesDamage
        let metrics = internals.metrics ?? MetricsSystem.factory
        counters = StoreCounters(StoreMetrics(factory: metrics))
        fileSystem = internals.fileSystem
        let memtableSize = internals.memtableSize ?? configuration.memtableSize
        store = recovery.start.store
        seed = store.seed
        visible = VisibleState(
            recovery.start.catalogue, shardMemtables: recovery.shardMemtables, watermark: recovery.start.nextCommit - 1,
            dirty: recovery.dirty, lost: recovery.lost)
        queue = CallQueue()
        admission = Admission(limit: configuration.queueSize)
        memtables = MemtableQueue(
            firstCommit: recovery.firstCommit, memtableSize: memtableSize,
            ringLimit: internals.journalLimit
                ?? min(
                    configuration.journalLimit,
                    OpenFiles(limit: ProcessUsage.openFileLimit).journalFiles * ring.fileSize),
            isFlushed: backing.flusher != nil)
        health = StoreHealth(admission: admission, memtables: memtables, logger: logger)
        space = DiskSpace(
            fileSystem: fileSystem, directory: directory, unflushed: 2 * memtableSize + ring.fileSize,
            reserveSize: internals.reserveSize, admission: admission, logger: logger, metrics: metrics)
        var syncInterval: Duration?
        if case .interval(let interval) = configuration.durability { syncInterval = interval }
        let saver = CatalogueSaver(metadata: backing.metadata, visible: visible) {
            [isInterval = syncInterval != nil] in
            // Without an interval commits are synced before they are visible.
            if isInterval { try ring.synchronizeAll() }
        }
        writer = JournalWriter(
            recovery.start, queue: queue, admission: admission, ring: ring, visible: visible, memtables: memtables,
            health: health, space: backing.flusher != nil && internals.writerSavesWhenFull ? space : nil,
            saver: saver, timeSource: timeSource,
            syncInterval: syncInterval, logger: logger, counters: counters, metrics: metrics)
        maintenance = MaintenanceLoop(
            backing: backing, queue: queue, ring: ring, visible: visible, memtables: memtables, admission: admission,
            health: health,
            space: space, saver: saver, timeSource: timeSource, logger: logger)
        if let last = recovery.frames.last {
            // The replayed records belong to the first memtable of this opening.
            _ = memtables.add(
                recovery.frames, commit: last.commit,
                next: ring.position(commit: recovery.start.nextCommit, chain: recovery.start.chain), ringBytes: 0)
        }
    }

    /// Opens the store in the directory, including the synced commit of this opening. Blocks.
    package static func open(
        _ path: String, configuration: SegmentStore.Configuration, timeSource: any TimeSource, logger: Logger,
        internals: SegmentStore.Internals
    ) throws -> StoreCore {
        try OpenFiles(limit: ProcessUsage.openFileLimit).require()
        let fileSystem = internals.fileSystem
        let directory = StoreLayout.directory(at: path)
        let lock = try internals.heldLock ?? takeDirectory(directory, fileSystem: fileSystem)
        do {
            keepToOwner(directory, fileSystem: fileSystem, logger: logger)
            func open() throws -> StoreCore {
                try Self.open(
                    directory, configuration: configuration, timeSource: timeSource, logger: logger, lock: lock,
                    internals: internals)
            }
            do {
                return try open()
            } catch let full as ShardlineError where full.code == .diskFull {
                // As in an open store whose disk becomes full (STORE-C9), the reserve is removed: SQLite needs files of
                // its own for any query.
                DiskSpace.giveUpReserve(of: directory, fileSystem)
                do {
                    let core = try open()
                    if core.backing.flusher != nil { core.space.ranOut(full.message) }
                    return core
                } catch let full as ShardlineError where full.code == .diskFull {
                    throw DiskSpace.tooFullToOpen(directory, fileSystem, full.message)
                }
            }
        } catch {
            lock.release()
            throw error
        }
    }

    /// Opens a directory whose lock is held. A failed attempt leaves the store as it was, so it may be repeated.
    private static func open(
        _ directory: String, configuration: SegmentStore.Configuration, timeSource: any TimeSource, logger: Logger,
        lock: any FileLock, internals: SegmentStore.Internals
    ) throws -> StoreCore {
        let fileSystem = internals.fileSystem
        let backing =
            try internals.makeBacking?(directory)
            ?? .onDisk(directory, fileSystem: fileSystem, timeSource: timeSource, logger: logger)
        do {
            let recovery = try Recovery(
                fileSystem: fileSystem, directory: directory, metadata: backing.metadata,
                ringFileSize: internals.ringFileSize,
                newStore: {
                    var generator = SystemRandomNumberGenerator()
                    return internals.newStore ?? StoreID(using: &generator)
                }, logger: logger, passing: internals.passesDamage, identity: internals.identity)
            let store = recovery.start.store
            if recovery.isNew { try describing("making the store") { try backing.metadata.create(store) } }
            let ring = Ring(
                recovery.ring, fileSystem: fileSystem, directory: directory, store: store,
                fileSize: internals.ringFileSize, timeSource: timeSource)
            let core = StoreCore(
                directory: directory, configuration: configuration, timeSource: timeSource, logger: logger,
                recovery: recovery, ring: ring, backing: backing, lock: lock, internals: internals)
            try describing("opening the store") {
                // What recovery read may not be durable yet, so it is synced before the commit that builds on it
                // (STORE-J9).
                try ring.synchronizeAll()
                try ring.synchronizeNames()
                try ring.removeUnusable()
                try core.writer.writeOpened(recovery.opened, at: timeSource.monotonicTime)
            }
            return core
        } catch {
            try? backing.close()
            throw error
        }
    }

    /// Makes the directory where it is missing, and takes its lock.
    private static func takeDirectory(_ directory: String, fileSystem: any FileSystem) throws -> any FileLock {
        try describing("opening the store '\(directory)'") {
            if let status = try fileSystem.status(directory) {
                guard status.isDirectory else {
                    throw ShardlineError(.notAccessible, "'\(directory)' is a file; a store is a directory")
                }
                // A backup's files must never be opened as a store: opening writes, and a changed backup can't be
                // restored.
                if let backup = try BackupManifest.backup(ofFilesIn: directory, fileSystem) {
                    throw ShardlineError(
                        .notAccessible,
                        "'\(directory)' is a part of the backup '\(backup)' and is not opened, as that would change it: make a store of the backup with `shardline restore` (SegmentStore.restore), and open that"
                    )
                }
                let names = try fileSystem.list(directory)
                let isStore = names.contains(StoreLayout.journalFolder) || names.contains(StoreLayout.lockFile)
                guard isStore || names.isEmpty else {
                    throw ShardlineError(
                        .notAccessible,
                        "'\(directory)' holds other files (such as '\(names[0])') and no store: name a new or an empty directory"
                    )
                }
                // The process that made the directory may have been killed before its name was durable.
                if names.isEmpty { try fileSystem.synchronizeDirectory(StoreLayout.parent(of: directory)) }
            } else {
                try fileSystem.createDirectory(directory)
                try fileSystem.synchronizeDirectory(StoreLayout.parent(of: directory))
            }
            switch try fileSystem.lock(StoreLayout.lock(of: directory)) {
            case .held(let process):
                let owner = ProcessState.holder(process)
                throw ShardlineError(
                    .storeBusy, "the store '\(directory)' is in use by \(owner); one process can own it at a time",
                    cause: StoreHolder(process: process))
            case .acquired(let lock):
                try fileSystem.createDirectory(directory + "/" + StoreLayout.journalFolder)
                try fileSystem.synchronizeDirectory(directory)
                return lock
            }
        }
    }

    /// Takes the rights of other users away, also where the directory was made by hand or its files by a version that
    /// let others read them.
    private static func keepToOwner(_ directory: String, fileSystem: any FileSystem, logger: Logger) {
        do throws(FileError) {
            // If only the owner may enter the directory, the rights of its files do not matter.
            guard try fileSystem.keepToOwner(directory + "/.") else { return }
            for name in try fileSystem.list(directory) {
                let path = directory + "/" + name
                guard try fileSystem.keepToOwner(path), try fileSystem.status(path)?.isDirectory == true else {
                    continue
                }
                for file in try fileSystem.list(path) { _ = try fileSystem.keepToOwner(path + "/" + file) }
            }
            logger.notice("others could reach the store's files; now only their owner can")
        } catch {
            logger.warning("others may reach the store's files: \(error)")
        }
    }

    /// The size in bytes of the files in a directory whose names `isWanted` accepts. Blocks.
    package func size(in directory: String, where isWanted: (String) -> Bool) throws(FileError) -> Int {
        guard try fileSystem.status(directory) != nil else { return 0 }
        var bytes = 0
        for name in try fileSystem.list(directory) where isWanted(name) {
            // A file that is gone since the list was made counts 0.
            bytes += try fileSystem.status(directory + "/" + name)?.size ?? 0
        }
        return bytes
    }

    // MARK: Calls

    /// Puts a call into the writer's queue and waits for its answer. From here on cancellation has no effect: the call
    /// ends with its real outcome (STORE-C10). `reserved` is released when the call is answered, or here if the queue
    /// is closed.
    func push(
        _ request: CallRequest, storedCount: Int, reserved: Int, urgency: CommitUrgency
    ) async throws -> CallAnswer {
        try await withWaiter { waiter in
            let call = PendingCall(request: request, storedCount: storedCount, reserved: reserved) {
                waiter.resume(returning: $0)
            }
            do {
                try queue.push(call, urgency: urgency)
            } catch {
                admission.release(reserved)
                waiter.resume(throwing: error)
            }
        }.get()
    }

    // MARK: Threads

    func startThreads() {
        let writing = WorkerThread(name: "shardline-write") { [self] in
            // The writer's delays use the system's clock, even where arrival times come from a virtual one: a thread
            // can't sleep in virtual time.
            let clock = SystemTimeSource()
            while true {
                switch writer.step(at: clock.monotonicTime) {
                case .worked: continue
                case .idle(let pause): queue.wait(atMost: pause)
                case .finished:
                    finishWriting()
                    return
                }
            }
        }
        _ = writing
        _ = WorkerThread(name: "shardline-flush") { [self] in
            while maintenance.step() {}
            maintenance.finish()
            finishClosing()
        }
    }

    /// Called after the last commit: requests a last flush where a replay would take long (STORE-F8).
    package func finishWriting() {
        if health.failure == nil, ring.filesInUse > 1 || flushesAtEnd { memtables.closeNow() }
        memtables.end()
    }

    /// Accepts no more calls and lets the threads end.
    package func beginClosing() {
        guard !isClosing.exchange(true, ordering: .acquiringAndReleasing) else { return }
        admission.refuse(with: ShardlineError(.closed, "the store was closed"))
        visible.close()
        queue.close()
    }

    /// Releases the directory's lock and resumes the callers of `close()`. It must be the last step of closing: after
    /// it another process may open the store. The flush thread ends only after the writer's ``finishWriting()``, so
    /// nothing is written afterwards.
    package func finishClosing() {
        lock.release()
        end.send(())
    }

    /// Returns when the directory's lock is released.
    func closed() async { await end.waitIgnoringCancellation() }
}

extension Backing {
    /// SQLite and segments in the store's directory.
    static func onDisk(
        _ directory: String, fileSystem: any FileSystem, timeSource: any TimeSource, logger: Logger
    ) -> Backing {
        let backing = SegmentBacking(
            fileSystem: fileSystem, directory: directory, timeSource: timeSource, logger: logger)
        return Backing(
            metadata: backing, flusher: backing, past: backing, close: { try backing.close() }, backup: backing)
    }
}
