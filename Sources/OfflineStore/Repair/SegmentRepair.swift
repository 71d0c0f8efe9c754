import DiskAccess
import SegmentStorage
import StreamModel

/// The repair of a segment: its damaged bytes are copied to quarantine, and it is sealed with an index of the undamaged
/// blocks. The file's content stays in place; the new index is written after it.
struct SegmentRepair {
    var row: SegmentRow
    /// The length of the content, after which the index is written; nil where the file is missing.
    var end: Int?
    /// The entries of the index.
    var slices: [Slice]
    var streams: [StreamDescriptor]
    var rewritesHeader: Bool
    /// Bytes that are copied to quarantine first.
    var damaged: [Range<Int>]

    init(_ inspection: SegmentInspection, catalogue: Catalogue) {
        row = inspection.segment.row
        // Content never ends before the header's end, also where a file was cut within the header.
        end = inspection.size.map { max(SegmentHeader.size, min($0, Int(clamping: inspection.segment.row.bytes))) }
        slices = inspection.slices.filter { catalogue.shards[ShardNumber($0.shardKey)] != nil }
        streams = Self.descriptors(of: slices, catalogue)
        rewritesHeader = inspection.damage.contains { $0.bytes?.lowerBound == 0 }
        damaged = inspection.damage.compactMap(\.bytes).filter { $0.lowerBound < inspection.size ?? 0 }
    }

    /// - Parameter slices: all readable runs in the first `end` bytes.
    init(
        row: SegmentRow, end: Int, slices: [Slice], rewritesHeader: Bool, damaged: [Range<Int>], catalogue: Catalogue
    ) {
        self.row = row
        self.end = end
        self.slices = slices
        streams = Self.descriptors(of: slices, catalogue)
        self.rewritesHeader = rewritesHeader
        self.damaged = damaged
    }

    private static func descriptors(of slices: [Slice], _ catalogue: Catalogue) -> [StreamDescriptor] {
        var keys: [StreamNumber: ShardSet] = [:]
        for slice in slices {
            guard let shard = catalogue.shards[ShardNumber(slice.shardKey)] else { continue }
            keys[shard.stream, default: []].insert(shard.key)
        }
        return keys.sorted { $0.key < $1.key }.compactMap { key, shards in
            catalogue.streams[key].map { FlushPlan.descriptor(of: $0, shards, catalogue) }
        }
    }

    /// The segment's rows after the repair; none where its file is missing.
    func rows(footer: [UInt8], catalogue: Catalogue) -> [MetadataRow] {
        guard let end else { return [] }
        var row = row
        row.state = .sealed
        row.bytes = UInt64(end + footer.count)
        row.footerOffset = row.bytes - UInt64(SegmentIndex.trailerSize)
        row.footerChecksum = SegmentIndex.checksum(ofTrailer: Array(footer.suffix(SegmentIndex.trailerSize)))
        var parts: [UInt64: SegmentStreamRow] = [:]
        for slice in slices {
            guard let shard = catalogue.shards[ShardNumber(slice.shardKey)] else { continue }
            var part =
                parts[slice.stream]
                ?? SegmentStreamRow(
                    segment: row.id, stream: slice.stream, shards: [], firstArrival: .max, lastArrival: .min, bytes: 0)
            part.insert(shard: shard.id.number)
            part.firstArrival = min(part.firstArrival, slice.firstArrival)
            part.lastArrival = max(part.lastArrival, slice.lastArrival)
            part.bytes += UInt64(slice.blockBytes)
            parts[slice.stream] = part
        }
        return [row.row] + parts.sorted { $0.key < $1.key }.map(\.value.row)
    }

    /// The new index.
    func footer(_ store: StoreID, now: Timestamp) -> [UInt8] {
        SegmentIndex.encode(
            .footer, slices: slices.sorted(by: Slice.precedes), streams: streams,
            firstBlock: UInt64(SegmentHeader.size), commits: row.commits, written: now.milliseconds,
            at: SegmentPlace(storeSeed: store.seed, segment: row.id, offset: UInt64(end ?? 0)))
    }

    /// Writes the index, and the header where that is damaged. May be repeated after a crash.
    func write(_ footer: [UInt8], to path: String, _ fileSystem: any FileSystem, _ store: StoreID) throws {
        guard let end else { return }
        let file = try fileSystem.open(path, .readWrite)
        if rewritesHeader {
            let header = SegmentHeader(
                storeID: store.bytes, segment: row.id, retentionClass: UInt16(row.grouping.code), created: row.created)
            try file.writeAll(header.encoded(), at: 0)
        }
        try file.writeAll(footer, at: end)
        try file.synchronize()
    }
}
