import DiskAccess
import StreamModel

/// A file of the ring, as recovery reads it. One thread only; calls block.
package final class JournalFileReader {
    /// The bytes that are read first: most files' first heads end before this.
    private static let firstPart = 256 << 10

    package let id: UInt64
    package let path: String
    package let file: any File
    package let size: Int
    /// The file number that its commits carry; nil where it has no commit.
    package private(set) var number: UInt64?
    private var loaded: [UInt8] = []

    /// - Parameters:
    ///   - file: the file for later use.
    ///   - reader: the same file, opened past the page cache where that is possible (STORE-J9).
    package init(id: UInt64, path: String, file: any File, reader: any File, size: Int) {
        self.id = id
        self.path = path
        self.file = file
        self.reader = reader
        self.size = size
    }

    private let reader: any File

    /// At least the first `end` bytes of the file, or all of it.
    package func bytes(upTo end: Int) throws(FileError) -> ArraySlice<UInt8> {
        if loaded.count < min(end, size) {
            let wanted = end <= Self.firstPart ? min(Self.firstPart, size) : size
            // O_DIRECT requires memory, offset and length in whole blocks.
            let room = OwnedBytes(uninitialized: JournalFormat.padded(wanted), alignment: JournalFormat.blockCount)
            let count = try reader.readAll(into: room.room, at: 0)
            loaded = Array(room.buffer.prefix(min(count, wanted)))
        }
        return loaded[...]
    }

    /// All bytes of the file.
    package func all() throws(FileError) -> ArraySlice<UInt8> { try bytes(upTo: size) }

    /// Frees the loaded bytes.
    package func unload() { loaded = [] }

    /// The header in block 0. Throws where it is not valid or has a newer version.
    package func header() throws -> JournalFileHeader {
        try JournalFileHeader(Array(bytes(upTo: JournalFormat.blockCount).prefix(JournalFormat.fileHeaderCount)))
    }

    /// Finds the file's number: the one in its first commit, or where that commit is not valid, the highest one in a
    /// later commit.
    package func findNumber(seed: UInt32) throws {
        if let first = try head(block: 1, seed: seed) {
            number = first.fileNumber
            return
        }
        for block in 2..<max(2, size / JournalFormat.blockCount) {
            guard let head = try head(block: UInt32(block), seed: seed) else { continue }
            number = max(number ?? 0, head.fileNumber)
        }
    }

    /// The header of a commit whose whole head is valid at this block; nil where there is no such commit.
    package func head(block: UInt32, seed: UInt32) throws -> CommitHeader? {
        let offset = Int(block) * JournalFormat.blockCount
        guard offset + JournalFormat.commitHeaderCount <= size else { return nil }
        var bytes = try bytes(upTo: offset + JournalFormat.blockCount)
        guard offset + JournalFormat.commitHeaderCount <= bytes.count else { return nil }
        guard let header = try? CommitHeader(bytes[offset..<offset + JournalFormat.commitHeaderCount]) else {
            return nil
        }
        guard header.block == block, offset + header.headCount <= size else { return nil }
        bytes = try self.bytes(upTo: offset + header.headCount)
        guard offset + header.headCount <= bytes.count else { return nil }
        return try? ReadCommit.head(of: bytes[offset...], block: block, seed: seed)
    }
}
