import StreamModel

/// Makes segments of memtables. Called by one thread, which may block.
package protocol Flusher: Sendable {
    /// Returns when the memtable is in segments, registered together with the catalogue and the start position
    /// `memtable.next`, and is found by ``FlushedRecords``. Then its runs leave the trailers and its journal files are used again.
    func flush(_ memtable: Memtable) throws
    /// Housekeeping: retention, and with `seals` what takes room on the disk. Called about once a second.
    func applyRetention(_ catalogue: Catalogue, now: Timestamp, seals: Bool) throws
}
