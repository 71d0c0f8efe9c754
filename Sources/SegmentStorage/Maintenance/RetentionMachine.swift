import DiskAccess
import StreamModel

/// Deletes segments without readable records (STORE-F6): first the rows are marked, then the files are removed, then
/// the rows. A deletion that a crash interrupts is finished at the next opening.
struct RetentionMachine {
    enum Step: Hashable {
        case marked
        case unlinked(UInt64)
        case syncedDirectory
        case removedRows
    }

    private enum Phase {
        case marking, unlinking, syncing, removing, done
    }

    private let archive: SegmentArchive
    private let segments: [RegisteredSegment]
    private var unlinked = 0
    private var phase: Phase

    init(_ segments: [RegisteredSegment], archive: SegmentArchive) {
        self.archive = archive
        self.segments = segments
        phase = segments.isEmpty ? .done : .marking
    }

    /// Does the next operation; nil when all are done.
    mutating func step() throws -> Step? {
        switch phase {
        case .marking:
            try archive.metadata.apply(
                segments.map { segment in
                    var row = segment.row
                    row.state = .deleting
                    return .put(row.row)
                })
            // From here on no reader finds the segments. A reader that has a file open continues to read it.
            for segment in segments { archive.set.remove(segment.row.id) }
            phase = .unlinking
            return .marked
        case .unlinking:
            guard unlinked < segments.count else {
                phase = .syncing
                return try step()
            }
            let id = segments[unlinked].row.id
            do {
                try archive.files.fileSystem.remove(archive.files.path(of: id))
            } catch {
                guard error.isMissing else { throw error }
            }
            archive.files.forget(id)
            archive.reader.cache.forget(id)
            unlinked += 1
            return .unlinked(id)
        case .syncing:
            try archive.files.fileSystem.synchronizeDirectory(archive.files.directory)
            phase = .removing
            return .syncedDirectory
        case .removing:
            try archive.metadata.apply(
                segments.flatMap { segment -> [MetadataChange] in
                    let key = [MetadataValue.bits(segment.row.id)]
                    return [
                        .remove(.section, key: key), .remove(.segmentStream, key: key), .remove(.segment, key: key),
                    ]
                })
            phase = .done
            return .removedRows
        case .done:
            return nil
        }
    }
}
