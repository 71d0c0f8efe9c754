import DiskAccess
import StreamModel

/// Reads and verifies pieces of segments, and reports exactly what is damaged. All calls block and may come from any
/// thread.
package final class SegmentReader: Sendable {
    package let files: SegmentFiles
    package let cache: PieceCache
    private let storeSeed: UInt32

    package init(files: SegmentFiles, cache: PieceCache, storeSeed: UInt32) {
        self.files = files
        self.cache = cache
        self.storeSeed = storeSeed
    }

    /// The block that contains a slice.
    package func block(of slice: Slice, in segment: UInt64) throws -> Block {
        let key = PieceCache.Key(segment: segment, offset: slice.blockOffset)
        let block: Block
        if case .block(let known)? = cache[key] {
            block = known
        } else {
            block = try checked(segment, slice.blockOffset, lost: slice) {
                try Block.decode(
                    try self.bytes(segment, slice.blockOffset, Int(slice.blockBytes)),
                    at: self.place(segment, slice.blockOffset))
            }
            cache.insert(.block(block), for: key)
        }
        let run = slice.run < block.entry.runs.count ? block.entry.runs[Int(slice.run)] : nil
        guard let run, run.shardKey == slice.shardKey, run.firstSequence == slice.firstSequence,
            run.count == slice.count
        else {
            throw damage(segment, slice.blockOffset, "the block holds other records than its index says", lost: slice)
        }
        return block
    }

    /// The references to the parts of slices in the index with this trailer.
    package func directory(_ trailer: (offset: UInt64, checksum: UInt32), in segment: UInt64) throws -> [SegmentIndex
        .PartReference]
    {
        let key = PieceCache.Key(segment: segment, offset: trailer.offset)
        if case .directory(let known)? = cache[key] { return known }
        let content = try self.trailer(trailer, in: segment)
        let directory = try checked(segment, content.directory) {
            try SegmentIndex.decodeDirectory(
                try self.bytes(segment, content.directory, Int(content.directoryBytes)),
                at: self.place(segment, content.directory))
        }
        guard directory.count == content.parts else {
            throw damage(segment, content.directory, "the directory names \(directory.count) of \(content.parts) parts")
        }
        cache.insert(.directory(directory), for: key)
        return directory
    }

    /// The trailer of an index. Throws unless it is the one that the metadata registered.
    package func trailer(_ trailer: (offset: UInt64, checksum: UInt32), in segment: UInt64) throws
        -> SegmentIndex.Trailer
    {
        try checked(segment, trailer.offset) { try self.readTrailer(trailer, in: segment) }
    }

    /// As ``trailer(_:in:)``, but it reads once and throws the bare ``FormatDamage`` or file error.
    package func readTrailer(
        _ trailer: (offset: UInt64, checksum: UInt32), in segment: UInt64
    ) throws -> SegmentIndex.Trailer {
        let bytes = try self.bytes(segment, trailer.offset, SegmentIndex.trailerSize)
        let content = try SegmentIndex.decodeTrailer(bytes, at: self.place(segment, trailer.offset))
        guard SegmentIndex.checksum(ofTrailer: bytes) == trailer.checksum else {
            throw FormatDamage("the index is not the one that was registered")
        }
        return content
    }

    /// The slices of the index with this trailer, found through its directory as readers do. It reads once, past the
    /// cache, and throws the bare ``FormatDamage`` or file error.
    package func readParts(of trailer: SegmentIndex.Trailer, in segment: UInt64) throws -> [Slice] {
        let parts = try SegmentIndex.decodeDirectory(
            try bytes(segment, trailer.directory, Int(trailer.directoryBytes)), at: place(segment, trailer.directory))
        guard parts.count == trailer.parts else {
            throw FormatDamage("the directory names \(parts.count) of \(trailer.parts) parts")
        }
        var slices: [Slice] = []
        for part in parts {
            let found = try SegmentIndex.decodeSlices(
                try bytes(segment, part.offset, Int(part.bytes)), at: place(segment, part.offset))
            guard let first = found.first, first.stream == part.stream, first.shardKey == part.shardKey,
                first.firstSequence == part.firstSequence
            else { throw FormatDamage("the directory contradicts its parts") }
            slices += found
        }
        guard UInt64(slices.count) == trailer.slices else {
            throw FormatDamage("the index names \(slices.count) of \(trailer.slices) runs")
        }
        return slices
    }

    /// The slices of one part of an index.
    package func slices(_ part: SegmentIndex.PartReference, in segment: UInt64) throws -> [Slice] {
        let key = PieceCache.Key(segment: segment, offset: part.offset)
        if case .slices(let known)? = cache[key] { return known }
        let slices = try checked(segment, part.offset) {
            try SegmentIndex.decodeSlices(
                try self.bytes(segment, part.offset, Int(part.bytes)), at: self.place(segment, part.offset))
        }
        cache.insert(.slices(slices), for: key)
        return slices
    }

    /// All slices and descriptors of an index, past the cache: for merging the sections' indexes into a footer.
    func everything(
        _ trailer: (offset: UInt64, checksum: UInt32), in segment: UInt64
    ) throws -> (slices: [Slice], streams: [StreamDescriptor]) {
        let content = try self.trailer(trailer, in: segment)
        var slices: [Slice] = []
        var streams: [StreamDescriptor] = []
        var at = content.firstPart
        while at < content.directory {
            let start = at
            at += try checked(segment, start) {
                let (kind, length) = try SegmentIndex.partKind(try self.bytes(segment, start, PieceHeader.size))
                // The length is not verified yet, so no memory is allocated for a part that would end outside the
                // index.
                guard UInt64(length) <= content.directory - start else {
                    throw FormatDamage("a part of the index ends outside of it")
                }
                let bytes = try self.bytes(segment, start, length)
                switch kind {
                case .streams: streams += try SegmentIndex.decodeStreams(bytes, at: self.place(segment, start))
                case .slices: slices += try SegmentIndex.decodeSlices(bytes, at: self.place(segment, start))
                case .directory: throw FormatDamage("the directory begins too early")
                }
                return UInt64(length)
            }
        }
        guard UInt64(slices.count) == content.slices else {
            throw damage(segment, content.firstPart, "the index names \(slices.count) of \(content.slices) runs")
        }
        return (slices, StreamDescriptor.merged(streams))
    }

    package func place(_ segment: UInt64, _ offset: UInt64) -> SegmentPlace {
        SegmentPlace(storeSeed: storeSeed, segment: segment, offset: offset)
    }

    private func bytes(_ segment: UInt64, _ offset: UInt64, _ count: Int) throws -> [UInt8] {
        guard offset <= UInt64(Int.max) - UInt64(count) else {
            throw FormatDamage("an index points outside of the file")
        }
        let bytes = try files.file(of: segment).bytes(at: Int(offset), count: count)
        guard bytes.count == count else { throw FormatDamage("the file ends too early") }
        return bytes
    }

    /// Runs `read`, and a second time where it fails. The error of a second failure names the place and the records
    /// that can't be read.
    private func checked<Value>(
        _ segment: UInt64, _ offset: UInt64, lost slice: Slice? = nil, _ read: () throws -> Value
    ) throws -> Value {
        if let value = try? read() { return value }
        do {
            return try read()
        } catch let reason as FormatDamage {
            if reason.isNewerVersion {
                throw ShardlineError(
                    .newerFormat, "'\(files.path(of: segment))' at offset \(offset): \(reason); use a newer version")
            }
            throw damage(segment, offset, reason.reason, lost: slice)
        } catch let error as FileError {
            if error.isMissing {
                throw ShardlineError(
                    .corrupt,
                    "the segment file '\(files.path(of: segment))' is missing\(Self.cost(slice)); put it back where there is a copy",
                    cause: error)
            }
            throw ShardlineError(.readFailed, "\(error), at offset \(offset)", cause: error)
        }
    }

    private func damage(
        _ segment: UInt64, _ offset: UInt64, _ reason: String, lost slice: Slice? = nil
    ) -> ShardlineError {
        ShardlineError(
            .corrupt, "'\(files.path(of: segment))' is damaged at offset \(offset): \(reason)\(Self.cost(slice))")
    }

    /// Which records can't be read without this slice, as text.
    private static func cost(_ slice: Slice?) -> String {
        slice.map {
            ": shard key \($0.shardKey), sequence numbers \($0.firstSequence) to \($0.lastSequence) can't be read"
        } ?? ""
    }
}
