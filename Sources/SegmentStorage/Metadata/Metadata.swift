import StreamModel

/// What is known without the journal: the snapshot of the catalogue and where replay goes on from it.
package struct MetadataSnapshot: Sendable {
    package var store: StoreID
    /// Rows may be newer than ``start``; replay is monotone (STORE-F5).
    package var catalogue: Catalogue
    /// Where replay begins; nil: at the oldest commit that the ring holds, because nothing was flushed yet.
    package var start: JournalPosition?
    /// The last commit with entries that was known to be synced when this was saved: the journal must hold it.
    package var lastCommit: UInt64 = 0
    /// By shard, what damage took and a repair has given up; ``catalogue`` is extended over it.
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

/// Where the catalogue's snapshot and the start position are kept. All calls block; one thread at a time.
package protocol Metadata: Sendable {
    /// What was saved last; nil for a store that is new.
    func load() throws -> MetadataSnapshot?
    /// Begins a new store. Called once, before anything else is saved.
    func create(_ store: StoreID) throws
    /// Saves rows that changed, without moving the start position (STORE-F8).
    /// `lastCommit` is the last commit with entries that is known to be synced.
    func save(_ dirty: DirtyRows, of catalogue: Catalogue, lastCommit: UInt64) throws
    /// The numbers of the shard's records that are in segments. Called behind ``load()`` only.
    func flushedNumbers(of shard: ShardState) throws -> [ClosedRange<UInt64>]
}

/// Metadata that keeps nothing: the whole journal is replayed.
struct NoMetadata: Metadata {
    func load() throws -> MetadataSnapshot? { nil }
    func create(_ store: StoreID) throws {}
    func save(_ dirty: DirtyRows, of catalogue: Catalogue, lastCommit: UInt64) throws {}
    func flushedNumbers(of shard: ShardState) throws -> [ClosedRange<UInt64>] { [] }
}
