import CHash
import CLZ4

/// Numbers as all of the store's files hold them: little-endian, without alignment.
package enum LittleEndian {
    /// The number at `position`, which with its bytes must lie within `bytes`.
    package static func read<Number: FixedWidthInteger>(
        _ type: Number.Type, from bytes: [UInt8], at position: Int
    ) -> Number {
        precondition(position >= 0 && position + MemoryLayout<Number>.size <= bytes.count)
        return bytes.withUnsafeBytes {
            Number(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: Number.self))
        }
    }

    /// Appends `number`.
    package static func append<Number: FixedWidthInteger>(_ number: Number, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Writes `number` over the bytes at `position`.
    package static func store<Number: FixedWidthInteger>(_ number: Number, in bytes: inout [UInt8], at position: Int) {
        precondition(position >= 0 && position + MemoryLayout<Number>.size <= bytes.count)
        bytes.withUnsafeMutableBytes {
            $0.storeBytes(of: number.littleEndian, toByteOffset: position, as: Number.self)
        }
    }
}

/// CRC-32C of parts of arrays, and the seeds that bind a checksum to the place it was made for (STORE-J5, STORE-F3).
package enum Checksum {
    /// The checksum of `range` of `bytes`, continuing from `seed`.
    package static func crc32c(_ bytes: [UInt8], _ range: Range<Int>, seed: UInt32 = 0) -> UInt32 {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count)
        return bytes.withUnsafeBytes {
            shardline_crc32c(seed, $0.baseAddress.map { $0 + range.lowerBound }, range.count)
        }
    }

    /// The checksum of all of `bytes`, continuing from `seed`.
    package static func crc32c(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
        crc32c(bytes, 0..<bytes.count, seed: seed)
    }

    /// The seed of everything in one store: no file of another store is ever taken for one of ours.
    package static func storeSeed(_ storeID: [UInt8]) -> UInt32 { crc32c(storeID) }

    /// The seed of what lies at `offset` of a segment, so that a copy elsewhere is not valid.
    package static func placeSeed(store: UInt32, segment: UInt64, offset: UInt64) -> UInt32 {
        var place: [UInt8] = []
        LittleEndian.append(segment, to: &place)
        LittleEndian.append(offset, to: &place)
        return crc32c(place, seed: store)
    }
}

/// How the bytes of a frame are stored.
package enum Codec: UInt8, Sendable {
    case raw = 0
    case lz4 = 1

    /// Shorter ones are stored as they are: LZ4 would gain a few bytes and cost a call.
    package static let leastWorthCompressing = 512

    /// `raw` compressed, or as it is where that is no longer.
    package static func encode(_ raw: [UInt8]) -> (codec: Codec, stored: [UInt8]) {
        guard let packed = raw.withUnsafeBytes({ compress($0) }) else { return (.raw, raw) }
        return (.lz4, packed)
    }

    /// `raw` compressed; nil where that is no shorter.
    static func compress(_ raw: UnsafeRawBufferPointer) -> [UInt8]? {
        guard raw.count >= leastWorthCompressing, raw.count <= Int(Int32.max) / 2 else { return nil }
        let compressed = [UInt8](unsafeUninitializedCapacity: raw.count) { room, written in
            written = Int(
                LZ4_compress_default(raw.baseAddress, room.baseAddress, Int32(raw.count), Int32(room.count)))
        }
        // Zero is LZ4's answer where the room, as much as the raw bytes, did not do.
        return compressed.isEmpty ? nil : compressed
    }

    /// The raw bytes of `stored`, which must come to `rawCount`; nil where they don't.
    package func decode(_ stored: ArraySlice<UInt8>, rawCount: Int) -> [UInt8]? {
        switch self {
        case .raw: return stored.count == rawCount ? Array(stored) : nil
        case .lz4:
            // LZ4 makes at most 255 bytes of one. Where more are said to be there, no room is made for them.
            guard stored.count <= Int(Int32.max), rawCount <= Int(Int32.max), rawCount / 255 <= stored.count else {
                return nil
            }
            var result: Int32 = -1
            let raw = [UInt8](unsafeUninitializedCapacity: rawCount) { room, written in
                result = stored.withUnsafeBytes {
                    LZ4_decompress_safe($0.baseAddress, room.baseAddress, Int32($0.count), Int32(rawCount))
                }
                written = max(0, Int(result))
            }
            return Int(result) == rawCount ? raw : nil
        }
    }
}
