import DiskAccess
import StreamModel

/// Seals a segment: merges its sections' indexes into one footer, so that a shard is found with one lookup (STORE-F1).
/// The footer is synced before it is registered.
struct SealMachine {
    enum Step: Hashable {
        case wroteFooter
        case synced
        case registered
        case published
    }

    private enum Phase {
        case writing, syncing, registering, publishing, done
    }

    private let archive: SegmentArchive
    private let segment: RegisteredSegment
    private let now: Int64
    private var phase = Phase.writing
    private var file: (any File)?
    private var sealed: RegisteredSegment?

    init(_ segment: RegisteredSegment, now: Timestamp, archive: SegmentArchive) {
        self.segment = segment
        self.now = now.milliseconds
        self.archive = archive
    }

    /// Does the next operation; nil when all are done. Throws `corrupt` where a section's index is damaged: the segment
    /// then stays open, and its undamaged sections are found as before.
    mutating func step() throws -> Step? {
        switch phase {
        case .writing:
            var slices: [Slice] = []
            var streams: [StreamDescriptor] = []
            for trailer in segment.trailers {
                let content = try archive.reader.everything(trailer, in: segment.row.id)
                slices += content.slices
                streams += content.streams
            }
            slices.sort(by: Slice.precedes)
            let offset = segment.row.bytes
            let footer = SegmentIndex.encode(
                .footer, slices: slices, streams: StreamDescriptor.merged(streams),
                firstBlock: UInt64(SegmentHeader.size), commits: segment.row.commits, written: now,
                at: archive.reader.place(segment.row.id, offset))
            let file = try archive.files.fileSystem.open(archive.files.path(of: segment.row.id), .readWrite)
            try file.writeAll(footer, at: Int(offset))
            self.file = file
            var row = segment.row
            row.state = .sealed
            row.bytes = offset + UInt64(footer.count)
            row.footerOffset = row.bytes - UInt64(SegmentIndex.trailerSize)
            row.footerChecksum = SegmentIndex.checksum(ofTrailer: Array(footer.suffix(SegmentIndex.trailerSize)))
            sealed = RegisteredSegment(row: row, sections: [], streams: segment.streams)
            phase = .syncing
            return .wroteFooter
        case .syncing:
            try file?.synchronize()
            phase = .registering
            return .synced
        case .registering:
            guard let sealed else { return nil }
            try archive.metadata.apply([.put(sealed.row.row), .remove(.section, key: [.bits(sealed.row.id)])])
            phase = .publishing
            return .registered
        case .publishing:
            if let sealed { archive.set.register(sealed) }
            phase = .done
            return .published
        case .done:
            return nil
        }
    }
}
