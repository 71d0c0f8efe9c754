import StreamModel

/// Which records of an epoch go into which segment (F1, F7).
struct FlushPlan {
    /// What one segment gets.
    struct Part {
        var segment: UInt64
        var grouping: SegmentGrouping
        /// The segment as it was registered; nil: it is new.
        var registered: RegisteredSegment?
        var runs: [FlushRun] = []
    }

    /// Stored or raw bytes of one stream in one epoch from which it gets a segment to itself.
    static let ownSegmentFrom = 4 << 20

    private(set) var parts: [Part] = []
    /// Every stream that has records here, with the shards that have.
    private(set) var streams: [UInt64: StreamDescriptor] = [:]

    /// Places the epoch's runs. Those of streams and shards that the catalogue does not know are of deleted ones: they
    /// are dropped. The catalogue is looked at here only, so what is deleted later is garbage that retention frees.
    init(_ epoch: Epoch, in set: SegmentSet, ownSegmentFrom: Int = Self.ownSegmentFrom) {
        var runs: [UInt64: [FlushRun]] = [:]
        for run in epoch.runs {
            guard let shard = epoch.catalogue.shards[run.shard] else { continue }
            runs[UInt64(shard.stream.rawValue), default: []].append(
                FlushRun(
                    stream: UInt64(shard.stream.rawValue), shardKey: run.shard.rawValue, run: run.records,
                    stored: run.stored))
        }
        for (stream, itsRuns) in runs.sorted(by: { $0.key < $1.key }) {
            guard let state = epoch.catalogue.streams[StreamKey(UInt32(stream))] else { continue }
            let bytes = itsRuns.reduce(0) { $0 + $1.run.byteCount }
            place(
                stream, itsRuns, retention: state.retention.wholeMilliseconds, isBig: bytes >= ownSegmentFrom, in: set)
            streams[stream] = Self.descriptor(of: state, Set(itsRuns.map(\.shardKey)), epoch.catalogue)
        }
    }

    private mutating func place(
        _ stream: UInt64, _ runs: [FlushRun], retention: Int64, isBig: Bool, in set: SegmentSet
    ) {
        let own = SegmentGrouping(retentionMilliseconds: retention, isOwn: true)
        let shared = SegmentGrouping(retentionMilliseconds: retention, isOwn: false)
        let newest = set.newest(of: stream)
        let isInOpenOwn = newest.map { $0.row.state == .open && $0.row.grouping.isOwn } ?? false

        if let newest, isInOpenOwn, isBig || !mayJoin(set.openShared(shared), after: newest) {
            add(runs, to: newest.row.id, newest.row.grouping, newest)
        } else if isBig {
            add(runs, to: set.takeNumber(), own, nil)
        } else if let open = parts.firstIndex(where: { $0.grouping == shared }) {
            // Only one shared segment of a class is open. Where the stream may not go back there it opens its own.
            if parts[open].registered.map({ mayJoin($0, after: newest) }) ?? true {
                parts[open].runs += runs
            } else {
                add(runs, to: set.takeNumber(), own, nil)
            }
        } else if let open = set.openShared(shared) {
            if mayJoin(open, after: newest) {
                add(runs, to: open.row.id, shared, open)
            } else {
                add(runs, to: set.takeNumber(), own, nil)
            }
        } else {
            add(runs, to: set.takeNumber(), shared, nil)
        }
    }

    /// Whether a stream whose newest records are in `newest` may go on in `segment`: only where that was opened behind
    /// them, so that the segments of a shard never interleave and can be searched by halves.
    private func mayJoin(_ segment: RegisteredSegment?, after newest: RegisteredSegment?) -> Bool {
        guard let segment else { return false }
        guard let newest, newest.row.id != segment.row.id else { return true }
        return segment.row.id > newest.row.id && segment.row.commits.lowerBound > newest.row.commits.upperBound
    }

    private mutating func add(
        _ runs: [FlushRun], to segment: UInt64, _ grouping: SegmentGrouping, _ registered: RegisteredSegment?
    ) {
        parts.append(Part(segment: segment, grouping: grouping, registered: registered, runs: runs))
    }

    /// What a section repeats of a stream and those of its shards.
    static func descriptor(
        of stream: StreamState, _ keys: Set<UInt32>, _ catalogue: Catalogue
    ) -> StreamDescriptor {
        StreamDescriptor(
            id: UInt64(stream.key.rawValue), name: stream.name, retention: stream.retention.wholeMilliseconds,
            shards: keys.sorted().compactMap { key in
                catalogue.shards[ShardKey(key)].map { shard in
                    StreamDescriptor.Shard(
                        key: key, number: shard.id.number, range: shard.range, parent: shard.parents.first?.number,
                        adjacent: shard.parents.count > 1 ? shard.parents[1].number : nil,
                        creationSecond: shard.creationSecond, firstSequence: shard.origin.rawValue + 1)
                }
            })
    }
}
