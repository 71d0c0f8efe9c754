import CLZ4
import DiskAccess
import StreamModel

/// The records of one frame as the journal and segments store them: compressed or raw, with their checksum.
package struct StoredBody: Sendable {
    package let codec: Codec
    /// The length of the records before compression, in bytes.
    package let rawCount: Int
    /// CRC-32C of the stored bytes, seeded with the store's `s` (STORE-J5).
    package let checksum: UInt32
    package let bytes: OwnedBytes

    /// A body that is already encoded.
    package init(codec: Codec, rawCount: Int, checksum: UInt32, stored: ArraySlice<UInt8>) {
        self.codec = codec
        self.rawCount = rawCount
        self.checksum = checksum
        bytes = stored.withUnsafeBytes { OwnedBytes($0) }
    }

    /// `raw` as it is stored: compressed where `isCompressed` allows it and that makes it at least a sixteenth smaller.
    /// Below 512 bytes compression is not tried (STORE-C1).
    package init(_ raw: [UInt8], seed: UInt32, isCompressed: Bool = true) {
        rawCount = raw.count
        let isTried = isCompressed && raw.count >= Codec.leastWorthCompressing
        let packed = isTried ? LZ4.compress(raw) : nil
        codec = packed == nil ? .raw : .lz4
        bytes = packed ?? raw.withUnsafeBytes { OwnedBytes($0) }
        checksum = Checksum.of(bytes.buffer, seed: seed)
    }
}

/// LZ4's block format.
enum LZ4 {
    /// `raw` compressed, at least a sixteenth smaller; nil where it does not become so small.
    ///
    /// Of long input a sample is tried first. Otherwise bytes that don't compress, such as images or encrypted data,
    /// cost a sixth of a put's processor time for nothing.
    static func compress(_ raw: [UInt8]) -> OwnedBytes? {
        raw.withUnsafeBytes { source in
            withUnsafeTemporaryAllocation(byteCount: source.count, alignment: 16) { room in
                if source.count >= 4 * samples.last! {
                    let isWorthIt = samples.contains { count in
                        compress(UnsafeRawBufferPointer(rebasing: source[..<count]), into: room) != nil
                    }
                    guard isWorthIt else { return nil }
                }
                return compress(source, into: room).map { OwnedBytes(UnsafeRawBufferPointer(rebasing: room[..<$0])) }
            }
        }
    }

    /// The sizes of the samples: a small one first, so that compressible input pays little for it; then a larger one,
    /// for input that repeats less often.
    private static let samples = [4 << 10, 16 << 10]

    /// The number of compressed bytes; nil where the result is not at least a sixteenth smaller.
    private static func compress(_ source: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> Int? {
        let count = LZ4_compress_default(
            source.baseAddress!.assumingMemoryBound(to: CChar.self),
            room.baseAddress!.assumingMemoryBound(to: CChar.self), Int32(source.count),
            Int32(source.count - source.count / 16 - 1))
        return count > 0 ? Int(count) : nil
    }
}

extension StoredBody {
    /// A run of one shard that is at least this long has a frame of its own (STORE-C1). A flush copies such a frame
    /// unchanged (STORE-F4), so that its records are compressed once, not twice. 8 KiB, since 500 records of 100 bytes
    /// over 4 shards are runs of 14 KiB; these compress 3.1 to 1 where 64 KiB compress 3.7 to 1.
    static let ownFrameFrom = 8 << 10
}
