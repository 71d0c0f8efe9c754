import StreamModel

/// The parts of a store that hold what is no longer in the journal alone.
package struct Backing: Sendable {
    package var metadata: any Metadata
    /// Nil: nothing is ever flushed, the journal grows.
    package var flusher: (any Flusher)?
    package var past: any FlushedRecords
    /// Ends all of it; no call comes after.
    package var close: @Sendable () throws -> Void
    /// What a backup copies; nil: there is nothing but the journal.
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

/// The part of a store behind its journal, as a backup sees it. Calls may come from any thread.
package protocol BackupSource: Sendable {
    /// Everything that the metadata hold, as of one moment.
    func contents() throws -> MetadataContents
    /// From now on no segment is removed, until ``letDelete()``.
    func holdDeletions()
    func letDelete()
}

extension Backing {
    /// Everything stays in the journal and in memory.
    static let journalOnly = Backing(metadata: NoMetadata(), flusher: nil, past: NoFlushedRecords(), close: {})
}
