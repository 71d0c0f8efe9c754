import StreamModel
import Synchronization

/// Saves what changed in the catalogue to the metadata. The flush thread does that, and on a full disk the writer does;
/// one waits for the other, so that none puts an older row over the newer one of the other.
final class CatalogueSaver: Sendable {
    private let metadata: any Metadata
    private let visible: VisibleState
    private let makeDurable: @Sendable () throws -> Void
    private let turn = Mutex(())

    /// - Parameter makeDurable: makes all that is visible durable in the journal. Rows must not be ahead of it: under
    ///   `.interval` a loss of power would keep a checkpoint and take the records, or the documents, that it says are
    ///   done.
    init(metadata: any Metadata, visible: VisibleState, makeDurable: @escaping @Sendable () throws -> Void) {
        self.metadata = metadata
        self.visible = visible
        self.makeDurable = makeDurable
    }

    /// Hands what changed, and the catalogue that it changed to, to `save`. What could not be saved is kept for the
    /// next time.
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

    /// Saves what changed without moving the start position (STORE-F8).
    func saveChanges() throws {
        let lastCommit = visible.syncedThrough
        try save { dirty, catalogue in
            guard !dirty.isEmpty else { return }
            try metadata.save(dirty, of: catalogue, lastCommit: lastCommit)
        }
    }

    /// Saves what changed and what `entries` change beyond it: they stand in no commit (STORE-C9).
    func saveChanges(with entries: [Entry], of catalogue: Catalogue) throws {
        let lastCommit = visible.syncedThrough
        try save { dirty, before in
            var dirty = dirty
            for entry in entries { dirty.note(entry, in: before) }
            try metadata.save(dirty, of: catalogue, lastCommit: lastCommit)
        }
    }
}
