/// A place in the journal at which replay can begin.
package struct JournalPosition: Sendable, Hashable {
    /// The number of the file in its lap (STORE-J1), not its id.
    package var fileNumber: UInt64
    package var block: UInt32
    /// The number of the commit at this place, written or not yet.
    package var commit: UInt64
    /// The head CRC of the previous commit.
    package var chain: UInt32

    package init(fileNumber: UInt64, block: UInt32, commit: UInt64, chain: UInt32) {
        self.fileNumber = fileNumber
        self.block = block
        self.commit = commit
        self.chain = chain
    }
}
