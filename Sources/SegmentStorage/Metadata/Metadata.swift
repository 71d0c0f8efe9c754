import StreamModel

/// What is known without the journal: the catalogue's snapshot, and where replay continues from it.
package struct MetadataSnapshot: Sendable {
    package var store: StoreID
    /// Rows may be newer than ``start``, so replay only applies what is newer (STORE-F5).
    package var catalogue: Catalogue
    /// Where replay begins; nil where nothing has been flushed yet: then it begins at the oldest commit in the ring.
    package var start: JournalPosition?
    /// The last commit with entries that was known to be synced when this was saved. The journal must hold it.
    package var lastCommit: UInt64 = 0
    /// The lost ranges by shard number. ``catalogue`` is extended over them by recovery.
    package var lostRanges: [UInt32: [LostRange]] = [:]

    package init(
        store: StoreID, catalogue: Catalogue, start: JournalPosition? = nil, lastCommit: UInt64 = 0,
        lostRanges: [UInt32: [LostRange]] = [:]
    ) {
        self.store = store
        self.catalogue = catalogue
        self.start = start
        self.lastCommit = lastCommit
        self.lostRanges = lostRanges
    }
}

/// Where the catalogue's snapshot and the start position are stored. All calls block and come from one thread at a
/// time.
package protocol Metadata: Sendable {
    /// The last saved snapshot; nil for a new store.
    func load() throws -> MetadataSnapshot?
    /// Creates a new store. Called once, before anything else is saved.
    func create(_ store: StoreID) throws
    /// Saves rows that changed, without moving the start position (STORE-F8).
    /// `lastCommit` is the last commit with entries that is known to be synced.
    func save(_ dirty: DirtyRows, of catalogue: Catalogue, lastCommit: UInt64) throws
    /// The numbers of the shard's records that are in segments. Called after ``load()`` only.
    func flushedNumbers(of shard: ShardState) throws -> [ClosedRange<UInt64>]
}

/// Metadata that stores nothing, so the whole journal is replayed.
struct NoMetadata: Metadata {
    func load() throws -> MetadataSnapshot? { nil }
    func create(_ store: StoreID) throws {}
    func save(_ dirty: DirtyRows, of catalogue: Catalogue, lastCommit: UInt64) throws {}
    func flushedNumbers(of shard: ShardState) throws -> [ClosedRange<UInt64>] { [] }
}
