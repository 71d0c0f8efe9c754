import StreamModel

/// Flushes memtables to segments. Only the flush thread calls it; it may block.
package protocol Flusher: Sendable {
    /// Returns when the memtable is in segments, registered together with the catalogue and the start position
    /// `memtable.next`, and found by ``FlushedRecords``. Only after that may its runs leave the shard memtables and its
    /// journal files be reused.
    func flush(_ memtable: Memtable) throws
    /// Maintenance: deletes expired segments, and with `seals` seals those that are due, which takes room on the disk.
    /// Called about once a second.
    func applyRetention(_ catalogue: Catalogue, now: Timestamp, seals: Bool) throws
}
