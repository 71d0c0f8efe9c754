import DiskAccess
import StreamModel

/// Writes a memtable to sections of segments, one disk operation a step (STORE-F5).
///
/// The order is what makes a flush atomic: sections are written, then synced, then registered in SQLite together with
/// the new start position, then published to readers. A crash between any two steps leaves the store as it was before
/// the flush or as it is after it.
///
/// Only the flush thread uses it.
struct FlushMachine {
    /// What a step did.
    enum Step: Hashable {
        /// A new segment's file was made.
        case created(UInt64)
        /// About 1 MiB of blocks was written (`wroteBlocks`), or the index after them with the rest of the blocks
        /// (`wroteIndex`).
        case wroteBlocks(UInt64)
        case wroteIndex(UInt64)
        /// The segment was synced.
        case synced(UInt64)
        /// The names of new segments were made durable.
        case syncedDirectory
        /// A part of the changed rows was written; the start position is unchanged.
        case wroteRows
        /// The sections, the rest of the rows and the new start position were written.
        case registered
        /// Readers find the sections.
        case published
    }

    /// Bytes of blocks in one write.
    static let pieceBytes = 1 << 20
    /// The most rows of one transaction before the last one.
    static let rowsAtOnce = 4096

    private let archive: SegmentArchive
    private let commits: ClosedRange<UInt64>
    private let now: Int64
    private let streams: [UInt64: StreamDescriptor]
    private var rows: [MetadataChange]
    private let start: StoreRow
    private var sections: [SectionWriter]
    private var current = 0
    private var isDirectorySynced = false
    private var registered: [RegisteredSegment] = []
    private var phase = Phase.sections

    private enum Phase {
        case sections, rows, publishing, done
    }

    /// - Parameters:
    ///   - rows: the changed rows of the catalogue since the last flush.
    ///   - start: the store's row with the position at which replay begins once this flush is registered.
    init(_ memtable: Memtable, rows: [MetadataChange], start: StoreRow, now: Timestamp, archive: SegmentArchive) {
        let plan = FlushPlan(memtable, in: archive.set, ownSegmentFrom: archive.ownSegmentFrom)
        self.archive = archive
        self.rows = rows
        self.start = start
        self.now = now.milliseconds
        streams = plan.streams
        commits = memtable.firstCommit...max(memtable.firstCommit, memtable.lastCommit)
        sections = plan.parts.map { SectionWriter($0) }
        isDirectorySynced = plan.parts.allSatisfy { $0.registered != nil }
    }

    /// Does the next operation; nil when all are done.
    mutating func step() throws -> Step? {
        switch phase {
        case .sections:
            while current < sections.count {
                if let step = try sections[current].step(archive, streams: streams, commits: commits, now: now) {
                    return step
                }
                current += 1
            }
            if !isDirectorySynced {
                try archive.files.fileSystem.synchronizeDirectory(archive.files.directory)
                isDirectorySynced = true
                return .syncedDirectory
            }
            phase = .rows
            return try step()
        case .rows:
            if rows.count > Self.rowsAtOnce {
                try archive.metadata.apply(Array(rows.prefix(Self.rowsAtOnce)))
                rows.removeFirst(Self.rowsAtOnce)
                return .wroteRows
            }
            var last = rows
            for section in sections {
                let segment = section.result(streams: streams, commits: commits, now: now)
                registered.append(segment)
                last.append(.put(segment.row.row))
                // A segment may have a thousand streams: only the rows that this section changed are written.
                last += section.touchedStreams.compactMap { segment.streams[$0] }.map { .put($0.row) }
                if let section = segment.sections.last { last.append(.put(section.row)) }
            }
            var start = start
            start.nextSegment = archive.set.nextNumber
            last.append(.put(start.row))
            try archive.metadata.apply(last)
            phase = .publishing
            return .registered
        case .publishing:
            for segment in registered { archive.set.register(segment) }
            phase = .done
            return .published
        case .done:
            return nil
        }
    }

    /// Removes what a flush that failed on a full disk has written; nothing of it is registered.
    func abandon() {
        for section in sections { section.abandon(archive) }
    }
}

/// Writes one section after those that a segment already holds.
private struct SectionWriter {
    private enum Phase {
        case opening, blocks, index, syncing, done
    }

    private let part: FlushPlan.Part
    private var builder: SectionBuilder
    private var phase = Phase.opening
    private var file: (any File)?
    private let start: UInt64
    /// The end of what is made of the section so far.
    private var end: UInt64
    /// What is made and not in the file yet.
    private var output: SectionOutput?
    private var index: (offset: UInt64, length: UInt64, checksum: UInt32) = (0, 0, 0)

    init(_ part: FlushPlan.Part) {
        self.part = part
        builder = SectionBuilder(part.runs)
        start = part.registered?.row.bytes ?? UInt64(SegmentHeader.size)
        end = start
    }

    mutating func step(
        _ archive: SegmentArchive, streams: [UInt64: StreamDescriptor], commits: ClosedRange<UInt64>, now: Int64
    ) throws -> FlushMachine.Step? {
        switch phase {
        case .opening:
            let path = archive.files.path(of: part.segment)
            phase = .blocks
            guard part.registered == nil else {
                file = try archive.files.fileSystem.open(path, .readWrite)
                return try step(archive, streams: streams, commits: commits, now: now)
            }
            let file = try archive.files.fileSystem.open(path, .create)
            self.file = file
            try file.writeAll(
                SegmentHeader(
                    storeID: archive.store.bytes, segment: part.segment, retentionClass: UInt16(part.grouping.code),
                    created: now
                ).encoded(), at: 0)
            return .created(part.segment)
        case .blocks:
            guard let file else { return nil }
            var output = output ?? SectionOutput(at: Int(end))
            while output.count < FlushMachine.pieceBytes,
                let block = builder.nextBlock(at: archive.reader.place(part.segment, end))
            {
                try output.append(block, to: file)
                end += UInt64(block.count)
            }
            if builder.isDone { phase = .index }
            self.output = output
            guard output.count >= FlushMachine.pieceBytes else {
                return try step(archive, streams: streams, commits: commits, now: now)
            }
            try self.output?.writePages(to: file)
            return .wroteBlocks(part.segment)
        case .index:
            guard let file else { return nil }
            let slices = builder.slices
            let bytes = SegmentIndex.encode(
                .section, slices: slices, streams: Set(slices.map(\.stream)).sorted().compactMap { streams[$0] },
                firstBlock: start, commits: commits, written: now, at: archive.reader.place(part.segment, end))
            index = (
                end, UInt64(bytes.count),
                SegmentIndex.checksum(ofTrailer: Array(bytes.suffix(SegmentIndex.trailerSize)))
            )
            try output?.append(bytes, to: file)
            try output?.writeAll(to: file)
            output = nil
            end += UInt64(bytes.count)
            phase = .syncing
            return .wroteIndex(part.segment)
        case .syncing:
            try file?.synchronize()
            phase = .done
            return .synced(part.segment)
        case .done:
            return nil
        }
    }

    /// The streams that have records in the section.
    var touchedStreams: [UInt64] { part.runs.byteCounts.keys.sorted() }

    /// The segment as it is to be registered.
    func result(
        streams descriptors: [UInt64: StreamDescriptor], commits: ClosedRange<UInt64>, now: Int64
    ) -> RegisteredSegment {
        let before = part.registered
        let row = SegmentRow(
            id: part.segment, state: .open, grouping: part.grouping, bytes: end, footerOffset: 0, footerChecksum: 0,
            commits: (before?.row.commits.lowerBound ?? commits.lowerBound)...commits.upperBound,
            created: before?.row.created ?? now)
        let section = SectionRow(
            segment: part.segment, offset: start, indexOffset: index.offset, indexLength: index.length,
            indexChecksum: index.checksum, commits: commits)
        var streams = before?.streams ?? [:]
        var numbers: [UInt32: UInt32] = [:]
        for stream in touchedStreams {
            for shard in descriptors[stream]?.shards ?? [] { numbers[shard.key] = shard.number }
        }
        for slice in builder.slices {
            var stream =
                streams[slice.stream]
                ?? SegmentStreamRow(
                    segment: part.segment, stream: slice.stream, shards: [], firstArrival: .max, lastArrival: .min,
                    bytes: 0)
            if let number = numbers[slice.shardKey], !stream.holds(shard: number) { stream.insert(shard: number) }
            stream.firstArrival = min(stream.firstArrival, slice.firstArrival)
            stream.lastArrival = max(stream.lastArrival, slice.lastArrival)
            streams[slice.stream] = stream
        }
        for (stream, bytes) in part.runs.byteCounts { streams[stream]?.bytes += bytes }
        return RegisteredSegment(row: row, sections: (before?.sections ?? []) + [section], streams: streams)
    }

    func abandon(_ archive: SegmentArchive) {
        // Best effort: what is left is truncated or removed at the next opening.
        if part.registered == nil {
            try? archive.files.fileSystem.remove(archive.files.path(of: part.segment))
        } else if end > start {
            try? file?.truncate(to: Int(start))
        }
    }
}
