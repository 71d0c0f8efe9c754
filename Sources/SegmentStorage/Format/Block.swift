import StreamModel

/// Where a piece of a segment is. Every checksum in the piece is bound to this place (STORE-F3).
package struct SegmentPlace: Hashable, Sendable {
    package var storeSeed: UInt32
    package var segment: UInt64
    package var offset: UInt64

    package init(storeSeed: UInt32, segment: UInt64, offset: UInt64) {
        self.storeSeed = storeSeed
        self.segment = segment
        self.offset = offset
    }

    package var seed: UInt32 { Checksum.placeSeed(store: storeSeed, segment: segment, offset: offset) }
}

/// The 16 bytes that every piece of a segment after the segment's header begins with:
///
///     0 magic · 4 u16 version 1 · 6 u16 kind · 8 u32 bytes of the piece, this included · 12 u32 CRC-32C
///
/// The checksum covers the whole piece (of a block: only its head), with the checksum field as 0.
package struct PieceHeader {
    package static let size = 16
    package static let version: UInt16 = 1

    package enum Magic: UInt32 {
        case block = 0x4B42_4C53  // SLBK
        case index = 0x5849_4C53  // SLIX
        case trailer = 0x5449_4C53  // SLIT
    }

    package var magic: Magic
    package var kind: UInt16
    package var bytes: Int

    package static func begin(_ magic: Magic, kind: UInt16) -> [UInt8] {
        var piece: [UInt8] = []
        LittleEndian.append(magic.rawValue, to: &piece)
        LittleEndian.append(version, to: &piece)
        LittleEndian.append(kind, to: &piece)
        LittleEndian.append(0 as UInt64, to: &piece)
        return piece
    }

    /// Fills in the length and the checksum. The checksum covers the first `covered` bytes: the whole piece, or a
    /// block's head.
    package static func finish(_ piece: inout [UInt8], length: Int, covered: Int, at place: SegmentPlace) {
        LittleEndian.store(UInt32(length), in: &piece, at: 8)
        LittleEndian.store(Checksum.crc32c(piece, 0..<covered, seed: place.seed), in: &piece, at: 12)
    }

    /// The header at the beginning of `bytes`. Its checksum is not verified.
    package static func peek(_ bytes: [UInt8]) throws(FormatDamage) -> PieceHeader {
        guard bytes.count >= size, let magic = Magic(rawValue: LittleEndian.read(UInt32.self, from: bytes, at: 0))
        else {
            throw FormatDamage("no piece of a segment begins here")
        }
        let length = Int(LittleEndian.read(UInt32.self, from: bytes, at: 8))
        guard length >= size else { throw FormatDamage("a piece of a segment says that it has \(length) bytes") }
        return PieceHeader(magic: magic, kind: LittleEndian.read(UInt16.self, from: bytes, at: 6), bytes: length)
    }

    /// Throws unless `bytes` begin with a whole piece of this kind that was written for `place`.
    package static func verify(
        _ bytes: [UInt8], _ magic: Magic, covered: Int, at place: SegmentPlace
    ) throws(FormatDamage) -> PieceHeader {
        let header = try peek(bytes)
        guard header.magic == magic else { throw FormatDamage("another piece of a segment begins here") }
        guard covered >= size, covered <= bytes.count else { throw FormatDamage("the piece is cut short") }
        let stored = LittleEndian.read(UInt32.self, from: bytes, at: 12)
        let zero: [UInt8] = [0, 0, 0, 0]
        var sum = Checksum.crc32c(bytes, 0..<12, seed: place.seed)
        sum = Checksum.crc32c(zero, seed: sum)
        sum = Checksum.crc32c(bytes, size..<covered, seed: sum)
        guard sum == stored else { throw FormatDamage("wrong checksum") }
        let version = LittleEndian.read(UInt16.self, from: bytes, at: 4)
        guard version == Self.version else {
            throw FormatDamage("version \(version) of the format; this program knows 1", isNewerVersion: true)
        }
        return header
    }
}

/// A block of a segment: a frame after a head of its own (STORE-F3).
///
///     0 "SLBK" · 4 u16 version 1 · 6 u16 0 · 8 u32 bytes of the block · 12 u32 CRC-32C of the head
///     16 the frame's head (``RecordsEntry``) · then its body
package struct Block: Sendable {
    /// The raw bytes at which a block is closed. A record that is larger has a block of its own (STORE-F2).
    package static let rawLimit = 64 << 10

    package let entry: RecordsEntry
    /// The records of all runs, encoded.
    package let raw: [UInt8]
    /// For each of the entry's runs: where each of its records starts in `raw`, then where the last one ends.
    package let offsets: [[UInt32]]

    /// The bytes of a block at `place` that holds these runs, compressed where that is shorter.
    package static func encode(raw: [UInt8], runs: [RecordsEntry.Run], at place: SegmentPlace) -> [UInt8] {
        raw.withUnsafeBytes { encode(raw: $0, runs: runs, at: place) }
    }

    /// The same of bytes elsewhere.
    package static func encode(raw: UnsafeRawBufferPointer, runs: [RecordsEntry.Run], at place: SegmentPlace) -> [UInt8]
    {
        if let packed = Codec.compress(raw) {
            return encode(
                stored: packed, codec: .lz4, checksum: Checksum.crc32c(packed, seed: place.storeSeed),
                rawBytes: raw.count, runs: runs, at: place)
        }
        return encode(
            stored: raw, codec: .raw, checksum: Checksum.of(raw, seed: place.storeSeed), rawBytes: raw.count,
            runs: runs, at: place)
    }

    /// The bytes of a block whose body is already encoded, as a journal frame's body is (STORE-F4).
    package static func encode(
        stored: [UInt8], codec: Codec, checksum: UInt32, rawBytes: Int, runs: [RecordsEntry.Run], at place: SegmentPlace
    ) -> [UInt8] {
        stored.withUnsafeBytes {
            encode(stored: $0, codec: codec, checksum: checksum, rawBytes: rawBytes, runs: runs, at: place)
        }
    }

    /// The same of bytes elsewhere.
    package static func encode(
        stored: UnsafeRawBufferPointer, codec: Codec, checksum: UInt32, rawBytes: Int, runs: [RecordsEntry.Run],
        at place: SegmentPlace
    ) -> [UInt8] {
        let head = PieceHeader.size + RecordsEntry.fixedSize + RecordsEntry.runSize * runs.count
        var bytes = PieceHeader.begin(.block, kind: 0)
        bytes.reserveCapacity(head + stored.count)
        RecordsEntry(
            codec: codec, bodyOffset: UInt32(head), storedBytes: UInt32(stored.count), rawBytes: UInt32(rawBytes),
            bodyChecksum: checksum, runs: runs
        ).append(to: &bytes)
        PieceHeader.finish(&bytes, length: head + stored.count, covered: head, at: place)
        bytes.append(contentsOf: stored)
        return bytes
    }

    /// Decodes `bytes`, which must be exactly one block, and verifies every byte.
    package static func decode(_ bytes: [UInt8], at place: SegmentPlace) throws(FormatDamage) -> Block {
        guard bytes.count >= PieceHeader.size + RecordsEntry.fixedSize else {
            throw FormatDamage("the block is cut short")
        }
        let entryBytes = Int(LittleEndian.read(UInt32.self, from: bytes, at: PieceHeader.size + 4))
        let head = PieceHeader.size + entryBytes
        let header = try PieceHeader.verify(bytes, .block, covered: head, at: place)
        guard header.kind == 0 else { throw FormatDamage("a block of kind \(header.kind)", isNewerVersion: true) }
        let entry = try RecordsEntry.read(from: bytes, at: PieceHeader.size, limit: head)
        guard header.bytes == bytes.count, Int(entry.bodyOffset) == head, head + Int(entry.storedBytes) == bytes.count
        else { throw FormatDamage("the block's length and its body's differ") }
        guard Checksum.crc32c(bytes, head..<bytes.count, seed: place.storeSeed) == entry.bodyChecksum else {
            throw FormatDamage("the block's records have a wrong checksum")
        }
        guard let raw = entry.codec.decode(bytes[head...], rawCount: Int(entry.rawBytes)) else {
            throw FormatDamage("the block's records don't decompress")
        }
        var offsets: [[UInt32]] = []
        offsets.reserveCapacity(entry.runs.count)
        for run in entry.runs {
            guard
                let starts = RecordEncoding.offsets(of: Int(run.count), in: raw.span, from: Int(run.rawOffset)),
                starts.last == run.rawOffset + run.rawBytes
            else { throw FormatDamage("a run of the block is no sequence of records") }
            offsets.append(starts)
        }
        return Block(entry: entry, raw: raw, offsets: offsets)
    }

    /// The run at `index` of the entry, as readers receive it.
    package func run(_ index: Int, shard: ShardID, shardCreationSecond: UInt64) -> RecordRun {
        let run = entry.runs[index]
        return RecordRun(
            bytes: raw, offsets: offsets[index], range: 0..<Int(run.count), shard: shard,
            shardCreationSecond: shardCreationSecond, firstSequence: SequenceNumber(run.firstSequence),
            arrival: Timestamp(milliseconds: run.arrival))
    }

    /// The memory that the block takes in the cache, in bytes.
    package var memory: Int { raw.count + offsets.reduce(0) { $0 + $1.count * 4 } + entry.runs.count * 64 + 128 }
}
