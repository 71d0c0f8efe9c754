import DiskAccess
import StreamModel

@testable import SegmentStorage

/// A whole file of the ring: its header, and a commit at every block where one can be found.
///
/// The input holds what the blocks begin with, as most of a block is zeros: pieces after their lengths of two bytes, each
/// filled up to whole blocks.
enum JournalFileFuzz {
    static func check(_ input: [UInt8]) throws {
        var bytes: [UInt8] = []
        var rest = input[...]
        while let low = rest.popFirst(), let high = rest.popFirst() {
            let piece = rest.prefix(Int(low) | Int(high) << 8)
            rest = rest.dropFirst(piece.count)
            bytes += piece + [UInt8](repeating: 0, count: JournalFormat.padded(piece.count) - piece.count)
        }
        try checkHeader(bytes)
        try checkHeader(mendedHeader(bytes))

        // Heads are made right on every second block only: what is not must be told from what is.
        for block in stride(from: 1, to: bytes.count / JournalFormat.blockCount, by: 2) {
            bytes = CommitFuzz.mended(bytes, block: UInt32(block), at: block * JournalFormat.blockCount)
        }
        let seed = CommitFuzz.store.seed
        let file = BytesFile(bytes)
        let reader = JournalFileReader(id: 1, path: "1", file: file, reader: file, size: bytes.count)
        try reader.findNumber(seed: seed)
        var found: UInt64?
        for block in 1..<UInt32(max(2, bytes.count / JournalFormat.blockCount + 1)) {
            guard let head = try reader.head(block: block, seed: seed) else { continue }
            try hold(head.block == block, "a head of another block was accepted")
            found = max(found ?? 0, head.fileNumber)
            let start = Int(block) * JournalFormat.blockCount
            guard let commit = try? ReadCommit(bytes[start...], block: block, seed: seed) else { continue }
            try CommitFuzz.checkMeaning(of: commit, in: Array(bytes[start...]))
        }
        try hold((reader.number == nil) == (found == nil), "a file's number is not that of its commits")
    }

    private static func checkHeader(_ input: [UInt8]) throws {
        guard let header = try? JournalFileHeader(Array(input.prefix(JournalFormat.fileHeaderCount))) else { return }
        try hold(
            header.encoded == Array(input.prefix(JournalFormat.fileHeaderCount)),
            "a file's header encodes again to other bytes")
    }

    private static func mendedHeader(_ input: [UInt8]) -> [UInt8] {
        guard input.count >= JournalFormat.fileHeaderCount else { return input }
        var bytes = input
        let end = JournalFormat.fileHeaderCount - 4
        LittleEndian.store(Checksum.crc32c(bytes, 0..<end), in: &bytes, at: end)
        return bytes
    }
}

/// Bytes as a file that can only be read.
private final class BytesFile: File {
    let path = "1"
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    func size() -> Int { bytes.count }
    func read(into room: UnsafeMutableRawBufferPointer, at offset: Int) -> Int {
        guard offset < bytes.count else { return 0 }
        let part = bytes[offset..<min(bytes.count, offset + room.count)]
        room.copyBytes(from: part)
        return part.count
    }
    func write(_ pieces: ArraySlice<UnsafeRawBufferPointer>, at offset: Int) -> Int { 0 }
    func synchronize() {}
    func beginWriting(_ range: Range<Int>) {}
    func truncate(to size: Int) {}
}
