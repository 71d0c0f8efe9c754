import CHash
import CLZ4

/// Numbers as all of the store's files hold them: little-endian, without alignment.
package enum LittleEndian {
    /// The number at `position`. All its bytes must lie within `bytes`.
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

/// CRC-32C, and the seeds that bind a checksum to the place that it was made for (STORE-J5, STORE-F3).
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

    /// The seed of every checksum in one store, so that another store's files are never taken for this store's.
    package static func storeSeed(_ storeID: [UInt8]) -> UInt32 { crc32c(storeID) }

    /// The seed of the piece at `offset` of a segment, so that a copy at another place is not valid.
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

    /// Shorter frames are stored raw: LZ4 would save a few bytes and cost a call.
    package static let leastWorthCompressing = 512

    /// `raw` compressed, or `raw` itself where compression makes it no shorter.
    package static func encode(_ raw: [UInt8]) -> (codec: Codec, stored: [UInt8]) {
        guard let packed = raw.withUnsafeBytes({ compress($0) }) else { return (.raw, raw) }
        return (.lz4, packed)
    }

    /// `raw` compressed; nil where compression makes it no shorter.
    static func compress(_ raw: UnsafeRawBufferPointer) -> [UInt8]? {
        guard raw.count >= leastWorthCompressing, raw.count <= Int(Int32.max) / 2 else { return nil }
        let compressed = [UInt8](unsafeUninitializedCapacity: raw.count) { room, written in
            written = Int(
                LZ4_compress_default(raw.baseAddress, room.baseAddress, Int32(raw.count), Int32(room.count)))
        }
        // LZ4 returns 0 where the result does not fit in the room, which is as large as the raw bytes.
        return compressed.isEmpty ? nil : compressed
    }

    /// The raw bytes of `stored`; nil where there are not exactly `rawCount`.
    package func decode(_ stored: ArraySlice<UInt8>, rawCount: Int) -> [UInt8]? {
        switch self {
        case .raw: return stored.count == rawCount ? Array(stored) : nil
        case .lz4:
            // LZ4 expands a byte to at most 255. Where `rawCount` claims more, no memory is allocated.
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
