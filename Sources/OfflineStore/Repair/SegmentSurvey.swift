import DiskAccess
import SegmentStorage
import StreamModel

/// What a segment's file holds, read without any metadata.
struct SegmentSurvey {
    struct Section {
        var start: Int
        var end: Int
        var commits: ClosedRange<UInt64>
    }

    let id: UInt64
    let size: Int
    private(set) var header: SegmentHeader?
    /// Undamaged runs, in the order of their blocks; `stream` is not set.
    private(set) var slices: [Slice] = []
    private(set) var streams: [StreamDescriptor] = []
    private(set) var sections: [Section] = []
    private(set) var damaged: [Range<Int>] = []

    init(_ id: UInt64, _ path: String, _ fileSystem: any FileSystem, store: StoreID) throws(FileError) {
        self.id = id
        let file = try fileSystem.open(path, .read)
        size = try file.size()
        header = try? SegmentHeader.decode(
            file.bytes(at: 0, count: min(size, SegmentHeader.size)), storeID: store.bytes, segment: id)
        if header == nil { damaged.append(0..<min(size, SegmentHeader.size)) }
        var scan = SegmentScan(
            file, segment: id, storeSeed: store.seed, from: min(SegmentHeader.size, size), to: size)
        while let next = try scan.next() {
            switch next {
            case .damage(let range, _): damaged.append(range)
            case .piece(.block(let block), let range):
                slices += block.entry.runs.indices.map {
                    Slice(block, run: $0, offset: UInt64(range.lowerBound), bytes: range.count, stream: 0)
                }
            case .piece(.streams(let found), _): streams += found
            case .piece(.trailer(let trailer), let range):
                if trailer.kind == .section {
                    sections.append(
                        Section(start: Int(trailer.firstBlock), end: range.upperBound, commits: trailer.commits))
                }
            case .piece: break
            }
        }
        streams = StreamDescriptor.merged(streams)
    }
}
