/// The first 4,096 bytes of a segment, written once (STORE-F1).
///
///     0 "SLSG" · 4 u16 version 1 · 6 u16 retention class · 8 store id, 16 B · 24 u64 segment id · 32 i64 created ms
///     40 zeros · 4092 u32 CRC-32C of 0…4091, seeded with the store's seed and the place
package struct SegmentHeader: Hashable, Sendable {
    package static let size = 4096
    package static let magic: UInt32 = 0x4753_4C53
    package static let version: UInt16 = 1

    package var storeID: [UInt8]
    package var segment: UInt64
    package var retentionClass: UInt16
    package var created: Int64

    package init(storeID: [UInt8], segment: UInt64, retentionClass: UInt16, created: Int64) {
        precondition(storeID.count == 16)
        self.storeID = storeID
        self.segment = segment
        self.retentionClass = retentionClass
        self.created = created
    }

    package func encoded() -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.size)
        LittleEndian.append(Self.magic, to: &bytes)
        LittleEndian.append(Self.version, to: &bytes)
        LittleEndian.append(retentionClass, to: &bytes)
        bytes.append(contentsOf: storeID)
        LittleEndian.append(segment, to: &bytes)
        LittleEndian.append(created, to: &bytes)
        bytes.append(contentsOf: repeatElement(0, count: Self.size - 4 - bytes.count))
        let seed = Checksum.placeSeed(store: Checksum.storeSeed(storeID), segment: segment, offset: 0)
        LittleEndian.append(Checksum.crc32c(bytes, seed: seed), to: &bytes)
        return bytes
    }

    /// Reads the header. Throws unless it is the header of the segment `segment` of the store `storeID`.
    package static func decode(
        _ bytes: [UInt8], storeID: [UInt8], segment: UInt64
    ) throws(FormatDamage) -> SegmentHeader {
        guard bytes.count >= size else { throw FormatDamage("the segment's header is cut short") }
        guard LittleEndian.read(UInt32.self, from: bytes, at: 0) == magic else {
            throw FormatDamage("the file doesn't begin as a segment does")
        }
        let seed = Checksum.placeSeed(store: Checksum.storeSeed(storeID), segment: segment, offset: 0)
        guard
            LittleEndian.read(UInt32.self, from: bytes, at: size - 4)
                == Checksum.crc32c(bytes, 0..<size - 4, seed: seed)
        else { throw FormatDamage("the segment's header has a wrong checksum, or belongs to another segment or store") }
        let version = LittleEndian.read(UInt16.self, from: bytes, at: 4)
        guard version == Self.version else {
            throw FormatDamage(
                "the segment has version \(version) of the format; this program knows 1", isNewerVersion: true)
        }
        guard bytes[8..<24].elementsEqual(storeID), LittleEndian.read(UInt64.self, from: bytes, at: 24) == segment,
            bytes[40..<size - 4].allSatisfy({ $0 == 0 })
        else { throw FormatDamage("the segment's header contradicts itself") }
        return SegmentHeader(
            storeID: storeID, segment: segment,
            retentionClass: LittleEndian.read(UInt16.self, from: bytes, at: 6),
            created: LittleEndian.read(Int64.self, from: bytes, at: 32))
    }
}
