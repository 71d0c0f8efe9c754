import DiskAccess
import SegmentStorage
import StreamModel

/// Compares a segment's file with its rows in the metadata.
struct SegmentInspection {
    let segment: RegisteredSegment
    /// The length of the file; nil where it is missing.
    private(set) var size: Int?
    /// Readable runs of records as index entries, in the order of an index.
    private(set) var slices: [Slice] = []
    /// Runs that the index names and whose blocks can't be read.
    private(set) var lost: [Slice] = []
    /// The streams that the undamaged indexes describe.
    private(set) var streams: [StreamDescriptor] = []
    /// Damaged bytes that are in use.
    private(set) var damage: [(bytes: Range<Int>?, reason: String, lost: [Slice])] = []
    /// Damaged bytes that are not in use.
    private(set) var unused: [Range<Int>] = []
    private(set) var blocks = 0
    /// Whether the registered index names all runs and can be read.
    private(set) var isIndexWhole = true
    private var newer: FormatDamage?

    /// Not nil where a part has a newer format and can't be judged.
    var newerVersion: FormatDamage? { newer }
    var isWhole: Bool { damage.isEmpty && newer == nil }

    /// Reads the whole segment. `streamOfShard` returns the stream of a shard where the segment's own indexes don't
    /// name it.
    init(
        _ segment: RegisteredSegment, store: StoreID, files: SegmentFiles, streamOfShard: (UInt32) -> UInt64?
    ) throws(FileError) {
        self.segment = segment
        let id = segment.row.id
        let path = files.path(of: id)
        guard let length = try files.fileSystem.status(path)?.size else {
            damage.append((nil, "the file is missing", []))
            isIndexWhole = false
            return
        }
        size = length
        let file = try files.fileSystem.open(path, .read)
        checkHeader(try file.bytes(at: 0, count: min(length, SegmentHeader.size)), store: store)
        let end = min(length, Int(clamping: segment.row.bytes))
        if length < Int(clamping: segment.row.bytes) {
            damage.append((length..<Int(clamping: segment.row.bytes), "the file is cut short", []))
        }
        let found = try scan(file, upTo: end, store: store)
        let index = RegisteredIndex(segment, store: store, files: files)
        if let reason = index.damage { judge(reason) }
        let readable = compare(index, with: found.blocks)
        addUnnamed(found.blocks, beside: readable, streamOfShard: streamOfShard)
        slices.sort(by: Slice.precedes)
        let used = [0..<min(end, SegmentHeader.size)] + index.used + index.slices.map(Self.bytes)
        judge(found.damaged, used: used)
    }

    /// What is in a segment's pieces, without the records themselves, of which there may be gigabytes.
    private struct Found {
        /// By the offset of a block, its runs as an index would name them, but for their stream.
        var blocks: [UInt64: [Slice]] = [:]
        var damaged: [(bytes: Range<Int>, reason: String)] = []
    }

    private mutating func scan(_ file: any File, upTo end: Int, store: StoreID) throws(FileError) -> Found {
        var found = Found()
        var scan = SegmentScan(
            file, segment: segment.row.id, storeSeed: store.seed, from: min(SegmentHeader.size, end), to: end)
        while let next = try scan.next() {
            switch next {
            case .piece(.block(let block), let range):
                found.blocks[UInt64(range.lowerBound)] = block.entry.runs.indices.map {
                    Slice(block, run: $0, offset: UInt64(range.lowerBound), bytes: range.count, stream: 0)
                }
                blocks += 1
            case .piece(.streams(let descriptors), _): streams += descriptors
            case .piece: break
            case .damage(let range, let reason):
                if reason.isNewerVersion { newer = reason }
                found.damaged.append((range, reason.reason))
            }
        }
        streams = StreamDescriptor.merged(streams)
        return found
    }

    private static func bytes(_ slice: Slice) -> Range<Int> {
        Int(clamping: slice.blockOffset)..<Int(clamping: slice.blockOffset + UInt64(slice.blockBytes))
    }

    /// Sorts what the index names into what can be read and what can't; returns the places of the first.
    private mutating func compare(_ index: RegisteredIndex, with blocks: [UInt64: [Slice]]) -> Set<Place> {
        var readable: Set<Place> = []
        for slice in index.slices {
            if let runs = blocks[slice.blockOffset], slice.run < runs.count, slice.isSame(as: runs[Int(slice.run)]) {
                slices.append(slice)
                readable.insert(Place(slice))
            } else {
                lost.append(slice)
            }
        }
        return readable
    }

    /// Adds runs that are in blocks and that the index does not name.
    private mutating func addUnnamed(
        _ blocks: [UInt64: [Slice]], beside readable: Set<Place>, streamOfShard: (UInt32) -> UInt64?
    ) {
        let known = Dictionary(
            streams.flatMap { stream in stream.shards.map { ($0.key, stream.id) } }, uniquingKeysWith: { $1 })
        var unnamed: [Slice] = []
        // An index made by a repair leaves out removed shards, whose records stay in blocks that they share with others.
        for var slice in blocks.values.joined()
        where !readable.contains(Place(slice)) && streamOfShard(slice.shardKey) != nil {
            slice.stream = known[slice.shardKey] ?? streamOfShard(slice.shardKey) ?? 0
            unnamed.append(slice)
        }
        guard !unnamed.isEmpty else { return }
        if isIndexWhole {
            let at = unnamed.map { Int($0.blockOffset) }.min() ?? 0
            damage.append((at..<at + 1, "the index does not name all records of its blocks", []))
            isIndexWhole = false
        }
        slices += unnamed
    }

    /// Tells damage that matters from damage in bytes that nothing uses, and both from what is missing.
    private mutating func judge(_ damaged: [(bytes: Range<Int>, reason: String)], used: [Range<Int>]) {
        for (range, reason) in damaged {
            let gone = lost.filter { range.overlaps(Self.bytes($0)) }
            if segment.row.state == .open || !gone.isEmpty || used.contains(where: { $0.overlaps(range) }) {
                damage.append((range, reason, gone))
            } else {
                unused.append(range)
            }
        }
        // Blocks that an index names and that don't exist, such as after the end of a file that was cut.
        let told = Set(damage.flatMap(\.lost))
        let untold = lost.filter { !told.contains($0) }
        if !untold.isEmpty {
            damage.append((nil, "the index names blocks that are not there, or hold something else", untold))
        }
    }

    private struct Place: Hashable {
        var offset: UInt64
        var run: UInt32
        init(_ slice: Slice) { (offset, run) = (slice.blockOffset, slice.run) }
    }

    private mutating func checkHeader(_ bytes: [UInt8], store: StoreID) {
        do {
            _ = try SegmentHeader.decode(bytes, storeID: store.bytes, segment: segment.row.id)
        } catch {
            if error.isNewerVersion { newer = error }
            damage.append((0..<SegmentHeader.size, error.reason, []))
        }
    }

    private mutating func judge(_ reason: RegisteredIndex.Damage) {
        if reason.reason.isNewerVersion { newer = reason.reason }
        isIndexWhole = false
        damage.append((reason.bytes, "the index: \(reason.reason)", []))
    }
}

/// The index of a segment that is registered in the metadata and that readers use.
private struct RegisteredIndex {
    struct Damage {
        var bytes: Range<Int>
        var reason: FormatDamage
    }

    var slices: [Slice] = []
    var used: [Range<Int>] = []
    var damage: Damage?

    init(_ segment: RegisteredSegment, store: StoreID, files: SegmentFiles) {
        // The cache is empty, so that everything is read from the file.
        let reader = SegmentReader(files: files, cache: PieceCache(limit: 0), storeSeed: store.seed)
        for registered in segment.trailers {
            let at = Int(clamping: registered.offset)
            var here = at..<at + SegmentIndex.trailerSize
            do {
                let trailer = try reader.readTrailer(registered, in: segment.row.id)
                here = Int(clamping: trailer.firstPart)..<at + SegmentIndex.trailerSize
                used.append(here)
                let content = try reader.readParts(of: trailer, in: segment.row.id)
                slices += content
            } catch let reason as FormatDamage {
                damage = damage ?? Damage(bytes: here, reason: reason)
            } catch {
                damage = damage ?? Damage(bytes: here, reason: FormatDamage("\(error)"))
            }
        }
    }
}

extension Slice {
    /// The index entry of the run with index `run` in a block.
    init(_ block: Block, run: Int, offset: UInt64, bytes: Int, stream: UInt64) {
        let entry = block.entry.runs[run]
        let records = block.run(run, shard: ShardID(0), shardCreationSecond: 0)
        self.init(
            stream: stream, shardKey: entry.shardKey, count: entry.count, blockOffset: offset,
            blockBytes: UInt32(bytes), run: UInt32(run), firstSequence: entry.firstSequence,
            firstArrival: records[0].approximateArrivalTimestamp.milliseconds,
            lastArrival: records[records.count - 1].approximateArrivalTimestamp.milliseconds)
    }

    /// Whether this index entry matches `found`, which was made from the block itself.
    func isSame(as found: Slice) -> Bool {
        var found = found
        found.stream = stream
        return self == found
    }
}
