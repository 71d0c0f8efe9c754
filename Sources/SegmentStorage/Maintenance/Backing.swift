import StreamModel

/// The parts of a store beside its journal: metadata and segments.
package struct Backing: Sendable {
    package var metadata: any Metadata
    /// Nil: nothing is ever flushed, and the journal grows.
    package var flusher: (any Flusher)?
    package var past: any FlushedRecords
    /// Closes all parts; no call follows.
    package var close: @Sendable () throws -> Void
    /// What a backup copies; nil where there is only the journal.
    package var backup: (any BackupSource)?

    package init(
        metadata: any Metadata, flusher: (any Flusher)? = nil, past: any FlushedRecords,
        close: @escaping @Sendable () throws -> Void, backup: (any BackupSource)? = nil
    ) {
        self.metadata = metadata
        self.flusher = flusher
        self.past = past
        self.close = close
        self.backup = backup
    }
}

/// The parts of a store beside its journal, as a backup sees them. Any thread may call.
package protocol BackupSource: Sendable {
    /// The content of the metadata at one moment.
    func contents() throws -> MetadataContents
    /// Keeps all segments until ``letDelete()``. Waits for a removal that is going on.
    func holdDeletions()
    func letDelete()
}

extension Backing {
    /// Everything stays in the journal and in memory.
    static let journalOnly = Backing(metadata: NoMetadata(), flusher: nil, past: NoFlushedRecords(), close: {})
}
