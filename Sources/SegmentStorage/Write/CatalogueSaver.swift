import StreamModel
import Synchronization

/// Saves changed rows of the catalogue to the metadata. The flush thread calls it, and on a full disk the writer's
/// thread too. They take turns, so that neither replaces a newer row with an older one.
///
/// Lock order: `turn` before the locks of the visible state, of the ring and of the metadata.
final class CatalogueSaver: Sendable {
    private let metadata: any Metadata
    private let visible: VisibleState
    private let makeDurable: @Sendable () throws -> Void
    private let turn = Mutex(())

    /// - Parameter makeDurable: syncs everything visible in the journal. It runs before rows are saved: under
    ///   `.interval` a loss of power would otherwise keep a checkpoint and lose the records, or the documents, that it
    ///   says are done.
    init(metadata: any Metadata, visible: VisibleState, makeDurable: @escaping @Sendable () throws -> Void) {
        self.metadata = metadata
        self.visible = visible
        self.makeDurable = makeDurable
    }

    /// Hands the changed rows and the current catalogue to `save`. If that throws, the rows stay marked as changed for
    /// the next save.
    func save(_ save: (DirtyRows, Catalogue) throws -> Void) throws {
        try turn.withLock { _ in
            let (dirty, catalogue) = visible.takeDirty()
            do {
                if !dirty.isEmpty { try makeDurable() }
                try save(dirty, catalogue)
            } catch {
                visible.putBack(dirty)
                throw error
            }
        }
    }

    /// Saves changed rows without moving the start position of replay (STORE-F8).
    func saveChanges() throws {
        let lastCommit = visible.syncedThrough
        try save { dirty, catalogue in
            guard !dirty.isEmpty else { return }
            try metadata.save(dirty, of: catalogue, lastCommit: lastCommit)
        }
    }

    /// Saves changed rows and the changes of `entries`, which are in no commit (STORE-C9).
    func saveChanges(with entries: [Entry], of catalogue: Catalogue) throws {
        let lastCommit = visible.syncedThrough
        try save { dirty, before in
            var dirty = dirty
            for entry in entries { dirty.note(entry, in: before) }
            try metadata.save(dirty, of: catalogue, lastCommit: lastCommit)
        }
    }
}
