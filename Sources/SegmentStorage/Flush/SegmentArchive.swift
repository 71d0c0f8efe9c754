import DiskAccess
import Logging
import StreamModel

/// The segments of a store: files, what is registered of them, and the ways in and out.
final class SegmentArchive: Sendable {
    let store: StoreID
    let files: SegmentFiles
    let set: SegmentSet
    let reader: SegmentReader
    let metadata: any MetadataStore
    let logger: Logger
    /// Bytes of one stream in one flush from which it gets a segment to itself.
    let ownSegmentFrom: Int
    /// Length at which a segment is sealed.
    let sealFrom: UInt64

    static let defaultSealFrom: UInt64 = 128 << 20

    /// - Parameter contents: what the database holds.
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

    /// The segments that are to be sealed now: long enough, or open for an eighth of what their streams are kept
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

    /// The segments in which nothing is left that anybody may read: of each stream in them either the newest record is
    /// as old as the stream's retention as it is now or has expired permanently, or the stream is deleted (STORE-F6).
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
