import DiskAccess
import Logging
import Metrics
import StreamModel
import StreamStorage

extension SegmentStore {
    /// What tests put in place of the real thing.
    package struct Internals: Sendable {
        package var fileSystem: any FileSystem = POSIXFileSystem()
        /// Bytes of one file of the ring (STORE-J1).
        package var ringFileSize = 4 << 20
        /// Bytes of the file that is kept for a full disk (STORE-C9).
        var reserveSize = DiskSpace.reserveSize
        /// Bytes of a memtable in place of the configuration's.
        package var memtableSize: Int?
        /// Whether the writer saves checkpoints itself on a full disk (STORE-C9). Not where its steps and the flush's
        /// are taken in turns: it waits there for the flush, which would wait for its own next turn.
        package var writerSavesWhenFull = true
        /// The most bytes of journal in place of the configuration's.
        package var journalLimit: Int?
        /// Makes what stands behind the journal; nil: SQLite and segments in the store's directory.
        package var makeBacking: (@Sendable (_ directory: String) throws -> Backing)?
        /// The number of a new store; nil: random.
        package var newStore: StoreID?
        /// Whether damage to what was acknowledged is passed, for repair.
        package var passesDamage = false
        /// The lock of the directory, where it is held already.
        package var heldLock: (any FileLock)?
        /// What a store is opened as that goes on elsewhere.
        package var identity: IdentityChange?
        /// What the place of a restore is called behind its directory's name, once for each try.
        package var restoreSuffix: @Sendable () -> String = { String(UInt32.random(in: .min ... .max), radix: 36) }
        /// Whether threads drive the machines; tests may step them themselves.
        var startsThreads = true
        /// Makes what the store's metrics are told to; nil: the process's.
        var metrics: (any MetricsFactory)?

        package init() {}
    }
}
