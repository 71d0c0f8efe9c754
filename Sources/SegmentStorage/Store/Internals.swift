import DiskAccess
import Logging
import Metrics
import StreamModel
import StreamStorage

extension SegmentStore {
    /// What tests and the offline tools replace.
    package struct Internals: Sendable {
        package var fileSystem: any FileSystem = POSIXFileSystem()
        /// Bytes of one file of the ring (STORE-J1).
        package var ringFileSize = 4 << 20
        /// Bytes of the file `reserve` (STORE-C9).
        var reserveSize = DiskSpace.reserveSize
        /// Bytes of a memtable; overrides the configuration.
        package var memtableSize: Int?
        /// Whether the writer saves checkpoints itself on a full disk (STORE-C9). False where one thread takes the
        /// steps of writer and flush in turns: the writer would wait for the flush's turn at the ``CatalogueSaver``
        /// forever.
        package var writerSavesWhenFull = true
        /// The most bytes of the journal; overrides the configuration.
        package var journalLimit: Int?
        /// Makes the metadata and segments; nil: SQLite and segment files in the store's directory.
        package var makeBacking: (@Sendable (_ directory: String) throws -> Backing)?
        /// The ID of a new store; nil: random.
        package var newStore: StoreID?
        /// Whether opening skips damage to acknowledged commits; for repair only.
        package var passesDamage = false
        /// The lock of the directory, where the caller already holds it.
        package var heldLock: (any FileLock)?
        /// The identity change of a restored store.
        package var identity: IdentityChange?
        /// The suffix of a restore's staging directory, called once for each attempt to create one.
        package var restoreSuffix: @Sendable () -> String = { String(UInt32.random(in: .min ... .max), radix: 36) }
        /// Whether threads drive the writer and the maintenance loop; tests may step them themselves.
        var startsThreads = true
        /// The factory of the store's metrics; nil: the process's.
        var metrics: (any MetricsFactory)?

        package init() {}
    }
}
