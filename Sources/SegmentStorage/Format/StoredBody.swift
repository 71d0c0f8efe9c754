import CLZ4
import DiskAccess
import StreamModel

/// The records of one frame as they lie in the journal and in segments: perhaps compressed, with their checksum.
struct StoredBody: Sendable {
    let codec: Codec
    /// The length of the records' own bytes.
    let rawCount: Int
    /// CRC-32C of the stored bytes, seeded with the store's `s` (J5).
    let checksum: UInt32
    let bytes: OwnedBytes

    /// A body that is stored already.
    init(codec: Codec, rawCount: Int, checksum: UInt32, stored: ArraySlice<UInt8>) {
        self.codec = codec
        self.rawCount = rawCount
        self.checksum = checksum
        bytes = stored.withUnsafeBytes { OwnedBytes($0) }
    }

    /// `raw` as it will be stored, compressed where that makes it smaller (C1: below 512 bytes it isn't tried).
    init(_ raw: [UInt8], seed: UInt32) {
        rawCount = raw.count
        let packed = raw.count < Codec.leastWorthCompressing ? nil : LZ4.compress(raw)
        codec = packed == nil ? .raw : .lz4
        bytes = packed ?? raw.withUnsafeBytes { OwnedBytes($0) }
        checksum = Checksum.of(bytes.buffer, seed: seed)
    }
}

/// LZ4's block format.
enum LZ4 {
    /// `raw` in less bytes than it has; nil where that does not come about.
    static func compress(_ raw: [UInt8]) -> OwnedBytes? {
        raw.withUnsafeBytes { source in
            withUnsafeTemporaryAllocation(byteCount: source.count, alignment: 16) { room in
                let count = LZ4_compress_default(
                    source.baseAddress!.assumingMemoryBound(to: CChar.self),
                    room.baseAddress!.assumingMemoryBound(to: CChar.self), Int32(source.count), Int32(source.count - 1))
                return count > 0 ? OwnedBytes(UnsafeRawBufferPointer(rebasing: room[..<Int(count)])) : nil
            }
        }
    }
}
