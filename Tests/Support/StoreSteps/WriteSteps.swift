import DiskAccess
internal import SegmentStorage
package import StreamModel
import StreamStorage

/// The steps of a put one by one, without queue, disk and readers around them: for measuring them. Nothing else uses
/// this, and no step is done here otherwise than the store does it.
package struct WriteSteps: Sendable {
    /// An append as its caller hands it to the writer.
    package struct Prepared: Sendable {
        fileprivate let append: PreparedAppend
    }

    /// A commit as it goes to the disk, with the records as readers and the flush get them.
    package struct Written: Sendable {
        /// Bytes in the journal.
        package let byteCount: Int
        fileprivate let frames: [Memtable.Frame]
    }

    private static let name = "steps"
    private let seed: UInt32 = 1
    private let stream: StreamState
    private var catalogue: Catalogue
    private var commit: UInt64 = 2

    /// The steps of a store with one stream of this many shards.
    package init(shards: Int) throws {
        var planner = Planner(Catalogue(), seed: seed, now: Timestamp(milliseconds: 0), commit: 1)
        _ = try planner.plan(.createStream(name: Self.name, settings: StreamSettings(shards: shards)))
        catalogue = planner.catalogue
        stream = try catalogue.stream(Self.name)
    }

    /// What the caller's thread does: hash, sort, encode, compress, checksum.
    package func prepare(_ records: [NewRecord]) -> Prepared {
        var encoder = AppendEncoder(Append(records, to: Self.name), stream: stream, target: nil, seed: seed)
        while encoder.encodeFrame() {}
        return Prepared(append: encoder.finish())
    }

    /// Compresses a chunk and takes its checksum, which is the last part of preparing; answers the stored bytes.
    package func store(_ chunk: [UInt8]) -> Int { StoredBody(chunk, seed: seed).bytes.count }

    /// What the writer does for calls that it takes together, but for writing and syncing: checks, numbers, entries,
    /// the commit's bytes.
    package mutating func write(_ calls: [Prepared]) throws -> Written {
        // As the writer, so that the first change of the catalogue does not copy it.
        var planner = Planner(catalogue, seed: seed, now: Timestamp(milliseconds: 1), commit: commit)
        catalogue = Catalogue()
        for call in calls { _ = try planner.plan(.commit([.append(call.append)])) }
        let header = CommitHeader(
            number: commit, durableThrough: commit - 1, fileNumber: 1, block: 1, incarnation: 1,
            wallTime: Timestamp(milliseconds: 1), previousChecksum: 0)
        let pieces = planner.builder.finish(header).pieces()
        catalogue = planner.catalogue
        commit += 1
        return Written(byteCount: pieces.reduce(0) { $0 + $1.count }, frames: planner.frames)
    }

    /// What the flush does with commits, but for writing and registering: sorts, makes blocks; answers their bytes.
    package func flush(_ commits: [Written]) -> Int {
        let frames = commits.flatMap(\.frames)
        var runs = SectionRuns(frames)
        let number = UInt64(stream.key.rawValue)
        for (frame, its) in frames.enumerated() {
            runs.append(
                its.runs.indices.map { SectionRuns.Place(stream: number, run: $0, of: its, number: frame) },
                of: number, byteCount: its.chunk.bytes.count)
        }
        var builder = SectionBuilder(runs)
        var bytes = 0
        while let block = builder.nextBlock(
            at: SegmentPlace(storeSeed: seed, segment: 1, offset: UInt64(SegmentHeader.size + bytes)))
        {
            bytes += block.count
        }
        return bytes
    }
}
