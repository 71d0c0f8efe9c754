import StreamModel

/// Where consecutive records of one shard are stored: one run of one block.
package struct Slice: Hashable, Sendable {
    package static let size = 56

    package var stream: UInt64
    package var shardKey: UInt32
    package var count: UInt32
    /// The block's offset in the file and its length, in bytes.
    package var blockOffset: UInt64
    package var blockBytes: UInt32
    /// The index of the run among the block's runs.
    package var run: UInt32
    package var firstSequence: UInt64
    package var firstArrival: Int64
    package var lastArrival: Int64

    package var lastSequence: UInt64 { firstSequence + UInt64(count) - 1 }

    /// Whether such records are possible, so that arithmetic with these numbers can't overflow.
    var isPossible: Bool {
        count > 0 && firstSequence > 0 && firstSequence <= SequenceNumber.max.rawValue
            && SequenceNumber.max.rawValue - firstSequence >= UInt64(count) - 1
            && Timestamp.plausible.contains(firstArrival) && Timestamp.plausible.contains(lastArrival)
            && blockOffset <= UInt64(Int64.max) - UInt64(blockBytes)
    }

    /// The order of an index: by stream, then shard, then number.
    package static func precedes(_ left: Slice, _ right: Slice) -> Bool {
        (left.stream, left.shardKey, left.firstSequence) < (right.stream, right.shardKey, right.firstSequence)
    }

    package func append(to bytes: inout [UInt8]) {
        LittleEndian.append(stream, to: &bytes)
        LittleEndian.append(shardKey, to: &bytes)
        LittleEndian.append(count, to: &bytes)
        LittleEndian.append(blockOffset, to: &bytes)
        LittleEndian.append(blockBytes, to: &bytes)
        LittleEndian.append(run, to: &bytes)
        LittleEndian.append(firstSequence, to: &bytes)
        LittleEndian.append(firstArrival, to: &bytes)
        LittleEndian.append(lastArrival, to: &bytes)
    }

    package init(from bytes: [UInt8], at start: Int) {
        stream = LittleEndian.read(UInt64.self, from: bytes, at: start)
        shardKey = LittleEndian.read(UInt32.self, from: bytes, at: start + 8)
        count = LittleEndian.read(UInt32.self, from: bytes, at: start + 12)
        blockOffset = LittleEndian.read(UInt64.self, from: bytes, at: start + 16)
        blockBytes = LittleEndian.read(UInt32.self, from: bytes, at: start + 24)
        run = LittleEndian.read(UInt32.self, from: bytes, at: start + 28)
        firstSequence = LittleEndian.read(UInt64.self, from: bytes, at: start + 32)
        firstArrival = LittleEndian.read(Int64.self, from: bytes, at: start + 40)
        lastArrival = LittleEndian.read(Int64.self, from: bytes, at: start + 48)
    }

    package init(
        stream: UInt64, shardKey: UInt32, count: UInt32, blockOffset: UInt64, blockBytes: UInt32, run: UInt32,
        firstSequence: UInt64, firstArrival: Int64, lastArrival: Int64
    ) {
        self.stream = stream
        self.shardKey = shardKey
        self.count = count
        self.blockOffset = blockOffset
        self.blockBytes = blockBytes
        self.run = run
        self.firstSequence = firstSequence
        self.firstArrival = firstArrival
        self.lastArrival = lastArrival
    }
}

/// The index after a section's blocks, and the footer that merges those of a sealed segment (STORE-F1, STORE-F3).
///
/// Both consist of parts of at most 64 KiB, each a piece with its own checksum: the streams' descriptors, the slices in
/// order, a directory of the slices' parts, and the trailer, which is always the last 80 bytes:
///
///     16 u64 first block · 24 u64 first part · 32 u64 directory · 40 u32 bytes of the directory
///     44 u32 parts of slices · 48 u64 slices · 56 u64 first commit · 64 u64 last commit · 72 i64 written ms
package struct SegmentIndex: Sendable {
    package static let trailerSize = 80
    static let partLimit = 64 << 10

    package enum Kind: UInt16, Sendable {
        case section = 1
        case footer = 2
    }

    package enum PartKind: UInt16 {
        case streams = 1
        case slices = 2
        case directory = 3
    }

    /// The contents of the trailer, which has a fixed size.
    package struct Trailer: Hashable, Sendable {
        package var kind: Kind
        package var firstBlock: UInt64
        package var firstPart: UInt64
        package var directory: UInt64
        package var directoryBytes: UInt32
        package var parts: UInt32
        package var slices: UInt64
        package var commits: ClosedRange<UInt64>
        package var written: Int64

        /// The piece at `place`, 80 bytes.
        package func encoded(at place: SegmentPlace) -> [UInt8] {
            var trailer = PieceHeader.begin(.trailer, kind: kind.rawValue)
            for offset in [firstBlock, firstPart, directory] { LittleEndian.append(offset, to: &trailer) }
            LittleEndian.append(directoryBytes, to: &trailer)
            LittleEndian.append(parts, to: &trailer)
            LittleEndian.append(slices, to: &trailer)
            LittleEndian.append(commits.lowerBound, to: &trailer)
            LittleEndian.append(commits.upperBound, to: &trailer)
            LittleEndian.append(written, to: &trailer)
            PieceHeader.finish(&trailer, length: trailerSize, covered: trailerSize, at: place)
            return trailer
        }
    }

    /// A part of slices, as the directory lists it.
    package struct PartReference: Hashable, Sendable {
        package static let size = 32
        package var stream: UInt64
        package var shardKey: UInt32
        package var bytes: UInt32
        package var firstSequence: UInt64
        package var offset: UInt64
    }

    /// The bytes of an index that begins at `place`, with the trailer at the end.
    ///
    /// - Parameter slices: sorted by stream, shard and number.
    package static func encode(
        _ kind: Kind, slices: [Slice], streams: [StreamDescriptor], firstBlock: UInt64, commits: ClosedRange<UInt64>,
        written: Int64, at place: SegmentPlace
    ) -> [UInt8] {
        var index: [UInt8] = []
        var here: SegmentPlace {
            SegmentPlace(
                storeSeed: place.storeSeed, segment: place.segment, offset: place.offset + UInt64(index.count))
        }
        for part in StreamDescriptor.parts(of: streams, limit: partLimit - PieceHeader.size) {
            var piece = PieceHeader.begin(.index, kind: PartKind.streams.rawValue)
            piece.append(contentsOf: part)
            PieceHeader.finish(&piece, length: piece.count, covered: piece.count, at: here)
            index.append(contentsOf: piece)
        }
        var references: [PartReference] = []
        let slicesPerPart = (partLimit - PieceHeader.size) / Slice.size
        for start in stride(from: 0, to: slices.count, by: slicesPerPart) {
            let part = slices[start..<min(start + slicesPerPart, slices.count)]
            let piece = encodePart(of: part, at: here)
            references.append(
                PartReference(
                    stream: slices[start].stream, shardKey: slices[start].shardKey, bytes: UInt32(piece.count),
                    firstSequence: slices[start].firstSequence, offset: here.offset))
            index.append(contentsOf: piece)
        }
        let directory = here
        let piece = encodeDirectory(references, at: directory)
        index.append(contentsOf: piece)
        let trailer = Trailer(
            kind: kind, firstBlock: firstBlock, firstPart: place.offset, directory: directory.offset,
            directoryBytes: UInt32(piece.count), parts: UInt32(references.count), slices: UInt64(slices.count),
            commits: commits, written: written)
        index.append(contentsOf: trailer.encoded(at: here))
        return index
    }

    /// One part of slices as a piece at `place`.
    static func encodePart(of slices: ArraySlice<Slice>, at place: SegmentPlace) -> [UInt8] {
        var piece = PieceHeader.begin(.index, kind: PartKind.slices.rawValue)
        for slice in slices { slice.append(to: &piece) }
        PieceHeader.finish(&piece, length: piece.count, covered: piece.count, at: place)
        return piece
    }

    /// The directory as a piece at `place`.
    static func encodeDirectory(_ references: [PartReference], at place: SegmentPlace) -> [UInt8] {
        var piece = PieceHeader.begin(.index, kind: PartKind.directory.rawValue)
        for reference in references {
            LittleEndian.append(reference.stream, to: &piece)
            LittleEndian.append(reference.shardKey, to: &piece)
            LittleEndian.append(reference.bytes, to: &piece)
            LittleEndian.append(reference.firstSequence, to: &piece)
            LittleEndian.append(reference.offset, to: &piece)
        }
        PieceHeader.finish(&piece, length: piece.count, covered: piece.count, at: place)
        return piece
    }

    /// The checksum in a trailer. The metadata keeps it for each section.
    package static func checksum(ofTrailer bytes: [UInt8]) -> UInt32 {
        LittleEndian.read(UInt32.self, from: bytes, at: 12)
    }

    package static func decodeTrailer(_ bytes: [UInt8], at place: SegmentPlace) throws(FormatDamage) -> Trailer {
        guard bytes.count == trailerSize else { throw FormatDamage("the index' trailer is cut short") }
        let header = try PieceHeader.verify(bytes, .trailer, covered: trailerSize, at: place)
        func number(_ offset: Int) -> UInt64 { LittleEndian.read(UInt64.self, from: bytes, at: offset) }
        let (first, last) = (number(56), number(64))
        guard header.bytes == trailerSize, let kind = Kind(rawValue: header.kind), first <= last,
            number(16) <= number(24), number(24) <= number(32), number(32) <= place.offset
        else { throw FormatDamage("the index' trailer contradicts itself") }
        return Trailer(
            kind: kind, firstBlock: number(16), firstPart: number(24), directory: number(32),
            directoryBytes: LittleEndian.read(UInt32.self, from: bytes, at: 40),
            parts: LittleEndian.read(UInt32.self, from: bytes, at: 44), slices: number(48), commits: first...last,
            written: LittleEndian.read(Int64.self, from: bytes, at: 72))
    }

    package static func decodeDirectory(
        _ bytes: [UInt8], at place: SegmentPlace
    ) throws(FormatDamage) -> [PartReference] {
        let content = try content(of: bytes, .directory, at: place)
        guard content.count % PartReference.size == 0 else { throw FormatDamage("the directory has an odd length") }
        return stride(from: content.lowerBound, to: content.upperBound, by: PartReference.size).map { start in
            PartReference(
                stream: LittleEndian.read(UInt64.self, from: bytes, at: start),
                shardKey: LittleEndian.read(UInt32.self, from: bytes, at: start + 8),
                bytes: LittleEndian.read(UInt32.self, from: bytes, at: start + 12),
                firstSequence: LittleEndian.read(UInt64.self, from: bytes, at: start + 16),
                offset: LittleEndian.read(UInt64.self, from: bytes, at: start + 24))
        }
    }

    package static func decodeSlices(_ bytes: [UInt8], at place: SegmentPlace) throws(FormatDamage) -> [Slice] {
        let content = try content(of: bytes, .slices, at: place)
        guard content.count % Slice.size == 0 else { throw FormatDamage("a part of the index has an odd length") }
        let slices = stride(from: content.lowerBound, to: content.upperBound, by: Slice.size).map {
            Slice(from: bytes, at: $0)
        }
        guard slices.allSatisfy(\.isPossible) else {
            throw FormatDamage("a part of the index names records that can't be")
        }
        return slices
    }

    package static func decodeStreams(
        _ bytes: [UInt8], at place: SegmentPlace
    ) throws(FormatDamage) -> [StreamDescriptor] {
        try StreamDescriptor.decode(bytes, try content(of: bytes, .streams, at: place))
    }

    /// The kind and the length of the part that begins with `bytes`, which hold at least a piece's header. Verifies no
    /// checksum.
    package static func partKind(_ bytes: [UInt8]) throws(FormatDamage) -> (kind: PartKind, bytes: Int) {
        let header = try PieceHeader.peek(bytes)
        guard header.magic == .index, let kind = PartKind(rawValue: header.kind) else {
            throw FormatDamage("no part of an index begins here")
        }
        return (kind, header.bytes)
    }

    private static func content(
        of bytes: [UInt8], _ kind: PartKind, at place: SegmentPlace
    ) throws(FormatDamage) -> Range<Int> {
        let header = try PieceHeader.verify(bytes, .index, covered: bytes.count, at: place)
        guard header.bytes == bytes.count, header.kind == kind.rawValue else {
            throw FormatDamage("another part of the index begins here")
        }
        return PieceHeader.size..<bytes.count
    }
}
