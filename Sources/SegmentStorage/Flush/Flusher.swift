import StreamModel

/// Makes segments of epochs. Called by one thread, which may block.
package protocol Flusher: Sendable {
    /// Returns when the epoch is in segments, registered together with the catalogue and the start position
    /// `epoch.next`, and is found by ``Past``. Then its runs leave the tails and its journal files are used again.
    func flush(_ epoch: Epoch) throws
    /// Housekeeping: retention, and with `seals` what takes room on the disk. Called about once a second.
    func tidy(_ catalogue: Catalogue, now: Timestamp, seals: Bool) throws
}
