import StreamModel

@testable import SegmentStorage

/// Blocks of segments, as they are and with their checksums made right.
enum BlockFuzz {
    static let place = SegmentPlace(storeSeed: CommitFuzz.store.seed, segment: 5, offset: 4096)

    static func check(_ input: [UInt8]) throws {
        _ = try? Block.decode(input, at: place)
        let bytes = mended(input)
        guard let block = try? Block.decode(bytes, at: place) else { return }
        let entry = block.entry
        try hold(
            block.raw.count <= 255 * bytes.count, "\(block.raw.count) raw bytes come of a block of \(bytes.count)")
        let head = PieceHeader.size + entry.encodedSize
        let again = Block.encode(
            stored: Array(bytes[head...]), codec: entry.codec, checksum: entry.bodyChecksum,
            rawBytes: Int(entry.rawBytes), runs: entry.runs, at: place)
        try hold(again == bytes, "a block encodes again to other bytes")
        for index in entry.runs.indices {
            try RecordFuzz.checkRun(block.run(index, shard: ShardID(3), shardCreationSecond: 1))
        }
        // A reader keeps a block for as long as anybody needs a record of it.
        try hold(block.memory >= block.raw.count, "a block counts less memory than it takes")
    }

    static func mended(_ input: [UInt8]) -> [UInt8] {
        guard input.count >= PieceHeader.size + RecordsEntry.fixedSize else { return input }
        var bytes = input
        let head = PieceHeader.size + Int(LittleEndian.read(UInt32.self, from: bytes, at: PieceHeader.size + 4))
        guard head >= PieceHeader.size + RecordsEntry.fixedSize, head <= bytes.count else { return bytes }
        let body = Checksum.crc32c(bytes, head..<bytes.count, seed: place.storeSeed)
        LittleEndian.store(body, in: &bytes, at: PieceHeader.size + 20)
        return SegmentIndexFuzz.mended(bytes, covered: head, at: place)
    }
}
