import StreamModel

/// Which records of a memtable go into which segment (STORE-F1, STORE-F7).
package struct FlushPlan {
    /// The records that one segment gets.
    package struct Part {
        var segment: UInt64
        var grouping: SegmentGrouping
        /// The segment as it is registered; nil for a new one.
        var registered: RegisteredSegment?
        var runs: SectionRuns
    }

    /// Bytes of one stream in one memtable from which it gets a segment of its own.
    package static let ownSegmentFrom = 4 << 20

    package private(set) var parts: [Part] = []
    /// Every stream that has records here, with the shards that have records.
    package private(set) var streams: [UInt64: StreamDescriptor] = [:]

    /// Assigns the memtable's runs to segments. Runs of streams and shards that the catalogue does not know belong to
    /// deleted ones and are dropped. The catalogue is read only here: records that are deleted later are garbage that
    /// retention frees.
    package init(_ memtable: Memtable, in set: SegmentSet, ownSegmentFrom: Int = Self.ownSegmentFrom) {
        var found: [StreamNumber: StreamRuns] = [:]
        // Most frames hold records of the stream of the one before.
        var (current, its) = (StreamNumber(0), StreamRuns())
        for (place, frame) in memtable.frames.enumerated() {
            for (index, run) in frame.runs.enumerated() {
                guard let stream = memtable.catalogue.shards[run.shard]?.stream else { continue }
                if stream != current {
                    if !its.places.isEmpty { found[current] = its }
                    (current, its) = (stream, found.removeValue(forKey: stream) ?? StreamRuns())
                }
                its.places.append(
                    SectionRuns.Place(stream: UInt64(stream.rawValue), run: index, of: frame, number: place))
                its.byteCount += frame.byteCount(of: run)
                its.shards.insert(run.shard)
            }
        }
        if !its.places.isEmpty { found[current] = its }
        for (stream, runs) in found.sorted(by: { $0.key < $1.key }) {
            guard let state = memtable.catalogue.streams[stream] else { continue }
            place(
                UInt64(stream.rawValue), runs, of: memtable, retention: state.retention.wholeMilliseconds,
                isBig: runs.byteCount >= ownSegmentFrom, in: set)
            streams[UInt64(stream.rawValue)] = Self.descriptor(of: state, runs.shards, memtable.catalogue)
        }
    }

    /// The runs that a memtable has of a stream.
    private struct StreamRuns {
        var places: [SectionRuns.Place] = []
        var byteCount = 0
        var shards: ShardSet = []
    }

    private mutating func place(
        _ stream: UInt64, _ runs: StreamRuns, of memtable: Memtable, retention: Int64, isBig: Bool, in set: SegmentSet
    ) {
        let own = SegmentGrouping(retentionMilliseconds: retention, isOwn: true)
        let shared = SegmentGrouping(retentionMilliseconds: retention, isOwn: false)
        let newest = set.newest(of: stream)
        func add(_ segment: UInt64, _ grouping: SegmentGrouping, _ registered: RegisteredSegment?) {
            var part = Part(
                segment: segment, grouping: grouping, registered: registered, runs: SectionRuns(memtable.frames))
            part.runs.append(runs.places, of: stream, byteCount: runs.byteCount)
            parts.append(part)
        }
        let isInOpenOwn = newest.map { $0.row.state == .open && $0.row.grouping.isOwn } ?? false

        if let newest, isInOpenOwn, isBig || !mayJoin(set.openShared(shared), after: newest) {
            add(newest.row.id, newest.row.grouping, newest)
        } else if isBig {
            add(set.takeNumber(), own, nil)
        } else if let open = parts.firstIndex(where: { $0.grouping == shared }) {
            // Only one shared segment of a retention class is open. Where the stream may not return to it, it opens its
            // own.
            if parts[open].registered.map({ mayJoin($0, after: newest) }) ?? true {
                parts[open].runs.append(runs.places, of: stream, byteCount: runs.byteCount)
            } else {
                add(set.takeNumber(), own, nil)
            }
        } else if let open = set.openShared(shared) {
            if mayJoin(open, after: newest) {
                add(open.row.id, shared, open)
            } else {
                add(set.takeNumber(), own, nil)
            }
        } else {
            add(set.takeNumber(), shared, nil)
        }
    }

    /// Whether a stream whose newest records are in `newest` may continue in `segment`: only where that was opened
    /// after them. The segments of a shard then never interleave, and binary search works on them.
    private func mayJoin(_ segment: RegisteredSegment?, after newest: RegisteredSegment?) -> Bool {
        guard let segment else { return false }
        guard let newest, newest.row.id != segment.row.id else { return true }
        return segment.row.id > newest.row.id && segment.row.commits.lowerBound > newest.row.commits.upperBound
    }

    /// The description of a stream and the given shards that a section repeats, for a rebuild of the metadata.
    package static func descriptor(
        of stream: StreamState, _ keys: ShardSet, _ catalogue: Catalogue
    ) -> StreamDescriptor {
        StreamDescriptor(
            id: UInt64(stream.key.rawValue), created: stream.createdAt.low32, name: stream.name,
            retention: stream.retention.wholeMilliseconds,
            shards: keys.compactMap { key in
                catalogue.shards[key].map { shard in
                    StreamDescriptor.Shard(
                        key: key.rawValue, number: shard.id.number, range: shard.range,
                        parent: shard.parents.first?.number,
                        adjacent: shard.parents.count > 1 ? shard.parents[1].number : nil,
                        creationSecond: shard.creationSecond, firstSequence: shard.origin.rawValue + 1)
                }
            })
    }
}
