public import StreamModel

/// The result of a backup or of a restore.
public struct BackupSummary: Hashable, Sendable {
    /// The files that were copied.
    public var files: Int
    /// Their bytes.
    public var bytes: Int
    /// The records in those files, all of them read back and checked. Expired records that are still in the store's
    /// files are counted, although they can't be read.
    public var records: Int
    /// When the backup was begun: it contains everything that was acknowledged before.
    public var begunAt: Timestamp

    /// A summary with these facts.
    public init(files: Int, bytes: Int, records: Int, begunAt: Timestamp) {
        self.files = files
        self.bytes = bytes
        self.records = records
        self.begunAt = begunAt
    }
}

/// A store that can copy itself while it is in use.
package protocol BackupStore: StoreEngine {
    /// Copies the store into a new or empty directory. Throws `notAccessible`, `diskFull`, `corrupt`, `closed`.
    func backup(to path: String) async throws -> BackupSummary
}
