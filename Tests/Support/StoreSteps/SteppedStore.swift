import DiskAccess
package import Logging
package import SegmentStorage
package import StreamModel

/// A store without threads of its own: its caller takes the steps of the writer and of the maintenance, in the
/// order that he likes. For simulations; everything else of the store is as always.
package struct SteppedStore: Sendable {
    /// What stands in the place of the machine, and sizes that are small enough for little data to go a long way.
    package struct Environment: Sendable {
        /// The disk.
        package var fileSystem: any FileSystem
        /// The database.
        package var metadata: any MetadataStore
        /// Where reads of segments block.
        package var threads: BlockingThreads
        /// Bytes of one file of the ring (STORE-J1).
        package var ringFileSize = 64 << 10
        /// Bytes of a memtable (STORE-M4).
        package var memtableSize = 16 << 10
        /// The most bytes of journal.
        package var journalLimit = 1 << 20
        /// Bytes of one stream in one flush from which it gets segments to itself (STORE-F1).
        package var ownSegmentFrom = 12 << 10
        /// Length at which a segment is sealed (STORE-F1).
        package var sealFrom: UInt64 = 64 << 10
        /// Bytes of decoded blocks that are kept for readers.
        package var cacheLimit = 16 << 10
        /// The number of a new store, 16 bytes.
        package var storeID = Array<UInt8>(1...16)

        package init(fileSystem: any FileSystem, metadata: any MetadataStore, threads: BlockingThreads) {
            self.fileSystem = fileSystem
            self.metadata = metadata
            self.threads = threads
        }
    }

    /// What a step of the writer came to.
    package enum WriterStep: Hashable, Sendable {
        /// Something was done, and more may be there to do.
        case worked
        /// Nothing to do before this time has passed, or ``SteppedStore/hasCalls``; nil: only then.
        case idle(Duration?)
        /// All is written; not to be called again.
        case finished
    }

    package let store: SegmentStore
    private var core: StoreCore { store.core }

    /// Opens what is on the disk, or makes a new store there. Blocks, and throws as ``SegmentStore/open(at:configuration:timeSource:logger:)``.
    package static func open(
        at path: String, configuration: SegmentStore.Configuration = .init(), timeSource: any TimeSource,
        logger: Logger, environment: Environment
    ) throws -> SteppedStore {
        try configuration.validate()
        var internals = SegmentStore.Internals()
        internals.fileSystem = environment.fileSystem
        internals.ringFileSize = environment.ringFileSize
        internals.memtableSize = environment.memtableSize
        internals.writerSavesWhenFull = false
        internals.journalLimit = environment.journalLimit
        internals.newStore = StoreID(bytes: environment.storeID)
        internals.makeBacking = { directory in
            let backing = SegmentBacking(
                fileSystem: environment.fileSystem, directory: directory, timeSource: timeSource, logger: logger,
                options: SegmentBacking.Options(
                    cacheLimit: environment.cacheLimit, ownSegmentFrom: environment.ownSegmentFrom,
                    sealFrom: environment.sealFrom),
                threads: environment.threads, openMetadata: { environment.metadata })
            return Backing(metadata: backing, flusher: backing, past: backing, close: { try backing.close() })
        }
        return SteppedStore(
            store: SegmentStore(
                try StoreCore.open(
                    path, configuration: configuration, timeSource: timeSource, logger: logger, internals: internals)))
    }

    /// Whether calls wait that the writer should look at.
    package var hasCalls: Bool { core.queue.hasNews }

    /// The next piece of the writer's work. Blocks.
    package func write() -> WriterStep {
        switch core.writer.step(at: core.timeSource.monotonicTime) {
        case .worked: return .worked
        case .idle(let pause): return .idle(pause)
        case .finished:
            core.finishWriting()
            return .finished
        }
    }

    /// Flushes what is due, looks around; false when all is done and the store is given up. Blocks.
    package func runMaintenance() -> Bool {
        if core.maintenance.stepNow() { return true }
        core.maintenance.finish()
        core.finishClosing()
        return false
    }

    /// Whether the maintenance should not wait any longer: to flush, or to make a file ready.
    package var hasMaintenance: Bool { core.memtables.hasNews }

    /// Bytes of records in memory that no segment has (STORE-M4).
    package var unflushedBytes: Int { core.memtables.unflushedBytes }

    /// Lets the store end: no more calls are taken, and the steps come to their end.
    package func beginClosing() { core.beginClosing() }
}
