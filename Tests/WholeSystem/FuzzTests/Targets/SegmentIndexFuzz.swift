import StreamModel

@testable import SegmentStorage

/// The parts of a section's index and of a footer, and a segment's header.
enum SegmentIndexFuzz {
    static let place = SegmentPlace(storeSeed: CommitFuzz.store.seed, segment: 5, offset: 1 << 20)

    static func check(_ input: [UInt8]) throws {
        try checkParts(input)
        let bytes = mended(input, covered: input.count, at: place)
        try checkParts(bytes)
        try checkHeader(input)
    }

    private static func checkParts(_ bytes: [UInt8]) throws {
        if let trailer = try? SegmentIndex.decodeTrailer(bytes, at: place) {
            try hold(trailer.encoded(at: place) == bytes, "a trailer encodes again to other bytes")
        }
        if let directory = try? SegmentIndex.decodeDirectory(bytes, at: place) {
            try hold(
                SegmentIndex.encodeDirectory(directory, at: place) == bytes, "a directory encodes again to other bytes")
        }
        if let slices = try? SegmentIndex.decodeSlices(bytes, at: place) {
            try hold(
                SegmentIndex.encodePart(of: slices[...], at: place) == bytes, "slices encode again to other bytes")
            for slice in slices {
                try hold(slice.lastSequence >= slice.firstSequence, "a slice ends before it begins")
            }
        }
        if let streams = try? SegmentIndex.decodeStreams(bytes, at: place) {
            var again = PieceHeader.begin(.index, kind: SegmentIndex.PartKind.streams.rawValue)
            for stream in streams { stream.append(stream.shards[...], to: &again) }
            PieceHeader.finish(&again, length: again.count, covered: again.count, at: place)
            try hold(again == bytes, "streams encode again to other bytes")
            try hold(
                StreamDescriptor.merged(streams).map(\.id) == Set(streams.map(\.id)).sorted(), "a stream got lost")
        }
        if bytes.count >= PieceHeader.size { _ = try? SegmentIndex.partKind(bytes) }
    }

    private static func checkHeader(_ input: [UInt8]) throws {
        var bytes = Array(input.prefix(100)) + [UInt8](repeating: 0, count: SegmentHeader.size - min(100, input.count))
        LittleEndian.store(
            Checksum.crc32c(
                bytes, 0..<SegmentHeader.size - 4,
                seed: Checksum.placeSeed(store: CommitFuzz.store.seed, segment: 5, offset: 0)),
            in: &bytes, at: SegmentHeader.size - 4)
        guard let header = try? SegmentHeader.decode(bytes, storeID: CommitFuzz.store.bytes, segment: 5) else { return }
        try hold(header.encoded() == bytes, "a segment's header encodes again to other bytes")
    }

    /// The piece with its checksum made right.
    static func mended(_ input: [UInt8], covered: Int, at place: SegmentPlace) -> [UInt8] {
        guard input.count >= PieceHeader.size else { return input }
        var bytes = input
        LittleEndian.store(0 as UInt32, in: &bytes, at: 12)
        LittleEndian.store(Checksum.crc32c(bytes, 0..<covered, seed: place.seed), in: &bytes, at: 12)
        return bytes
    }
}
