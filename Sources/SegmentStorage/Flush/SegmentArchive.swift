import DiskAccess
import Logging
import StreamModel

/// The segments of a store: their files, their registration, their reader and the metadata. Any thread may read; only
/// the flush thread, or an opening, changes segments.
final class SegmentArchive: Sendable {
    let store: StoreID
    let files: SegmentFiles
    let set: SegmentSet
    let reader: SegmentReader
    let metadata: any MetadataStore
    let logger: Logger
    /// Bytes of one stream in one flush from which it gets a segment of its own.
    let ownSegmentFrom: Int
    /// Length in bytes at which a segment is sealed.
    let sealFrom: UInt64

    static let defaultSealFrom: UInt64 = 128 << 20

    /// - Parameter contents: the content of the database.
    init(
        store: StoreID, fileSystem: any FileSystem, directory: String, metadata: any MetadataStore,
        contents: MetadataContents, nextSegment: UInt64, logger: Logger, cacheLimit: Int = PieceCache.defaultLimit,
        ownSegmentFrom: Int = FlushPlan.ownSegmentFrom, sealFrom: UInt64 = SegmentArchive.defaultSealFrom
    ) throws(MetadataError) {
        self.store = store
        self.metadata = metadata
        self.logger = logger
        self.ownSegmentFrom = ownSegmentFrom
        self.sealFrom = sealFrom
        files = SegmentFiles(fileSystem: fileSystem, directory: directory)
        set = try SegmentSet(contents, next: nextSegment)
        reader = SegmentReader(files: files, cache: PieceCache(limit: cacheLimit), storeSeed: store.seed)
    }

    /// The segments that are due for sealing: long enough, or open for an eighth of the retention of their streams
    /// (STORE-F1).
    func dueForSealing(_ catalogue: Catalogue, now: Timestamp) -> [RegisteredSegment] {
        set.all.filter { segment in
            guard segment.row.state == .open, !segment.sections.isEmpty else { return false }
            if segment.row.bytes >= sealFrom { return true }
            var span = segment.row.grouping.longestSpan
            if let owner = segment.owner, let stream = catalogue.streams[StreamNumber(UInt32(owner))] {
                span = min(span, stream.retention.wholeMilliseconds / 8)
            }
            return now.milliseconds - segment.firstArrival >= span
        }
    }

    /// The segments without readable records: for each stream in them, either its newest record there has expired, by
    /// the current retention or permanently, or the stream is deleted (STORE-F6).
    func deletable(_ catalogue: Catalogue, now: Timestamp) -> [RegisteredSegment] {
        set.all.filter { segment in
            segment.row.state == .deleting
                || segment.streams.values.allSatisfy { part in
                    guard let stream = catalogue.streams[StreamNumber(UInt32(part.stream))] else { return true }
                    return part.lastArrival <= stream.expiry(at: now).milliseconds
                }
        }
    }
}
