import CLZ4
import DiskAccess
import StreamModel

/// The records of one frame as they lie in the journal and in segments: perhaps compressed, with their checksum.
package struct StoredBody: Sendable {
    package let codec: Codec
    /// The length of the records' own bytes.
    package let rawCount: Int
    /// CRC-32C of the stored bytes, seeded with the store's `s` (STORE-J5).
    package let checksum: UInt32
    package let bytes: OwnedBytes

    /// A body that is stored already.
    package init(codec: Codec, rawCount: Int, checksum: UInt32, stored: ArraySlice<UInt8>) {
        self.codec = codec
        self.rawCount = rawCount
        self.checksum = checksum
        bytes = stored.withUnsafeBytes { OwnedBytes($0) }
    }

    /// `raw` as it will be stored, compressed where that makes it a sixteenth smaller (STORE-C1: below 512 bytes it
    /// isn't tried), unless it is to stay as it is.
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
    /// `raw` in clearly less bytes than it has, a sixteenth at least; nil where that does not come about.
    ///
    /// Of what is long, a part is tried first: bytes that don't get smaller, such as pictures or what is encrypted, cost
    /// a sixth of a put's processor time otherwise, to no use.
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

    /// How much is tried: little, so that what does get smaller pays little for it; then more, for what repeats less often.
    private static let samples = [4 << 10, 16 << 10]

    /// How many bytes it came to; nil where it does not become a sixteenth smaller.
    private static func compress(_ source: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> Int? {
        let count = LZ4_compress_default(
            source.baseAddress!.assumingMemoryBound(to: CChar.self),
            room.baseAddress!.assumingMemoryBound(to: CChar.self), Int32(source.count),
            Int32(source.count - source.count / 16 - 1))
        return count > 0 ? Int(count) : nil
    }
}

extension StoredBody {
    /// A run of one shard that is as long has a frame of its own (STORE-C1), which a flush can copy as it is
    /// (STORE-F4): then its records are compressed once, not twice. 8 KiB, since 500 records of 100 bytes over 4 shards
    /// are runs of 14 KiB; they compress 3.1 to 1 where 64 KiB do 3.7 to 1.
    static let ownFrameFrom = 8 << 10
}
