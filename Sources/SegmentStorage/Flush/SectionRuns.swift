import StreamModel

/// The runs of a memtable that one section gets.
///
/// Only the place of each is kept, as a run may be one or two records: only `frames` is reference counted.
package struct SectionRuns: Sendable {
    /// A run by its place in ``SectionRuns/frames``.
    package struct Place: Sendable {
        package var stream: UInt64
        package var frame: UInt32
        package var run: UInt32
        /// The offset of its first byte in the frame.
        package var offset: UInt32

        /// The place of the stream's run with index `run` in `frame`, whose index is `number`.
        package init(stream: UInt64, run: Int, of frame: borrowing Memtable.Frame, number: Int) {
            self.stream = stream
            self.frame = UInt32(number)
            self.run = UInt32(run)
            offset = frame.chunk.offsets[frame.runs[run].records.lowerBound]
        }
    }

    package let frames: [Memtable.Frame]
    private(set) var places: [Place] = []
    /// Encoded bytes of each stream's records.
    private(set) var byteCounts: [UInt64: UInt64] = [:]

    /// Starts without any run of these frames.
    package init(_ frames: [Memtable.Frame]) { self.frames = frames }

    /// Adds runs of one stream, in the order of their commits.
    package mutating func append(_ places: [Place], of stream: UInt64, byteCount: Int) {
        self.places += places
        byteCounts[stream, default: 0] += UInt64(byteCount)
    }

    /// The runs in the order of a section: by stream, then shard, then sequence number. Within a shard that is the
    /// order of the commits, so only the shards are compared.
    consuming func sorted() -> SectionRuns {
        struct Lane {
            var stream: UInt64
            var shard: ShardNumber
            var count = 0
        }
        var lanes: [Lane] = []
        var known: ShardTable<Int> = [:]
        let laneOfPlace = places.map { place in
            let shard = frames.span[Int(place.frame)].runs[Int(place.run)].shard
            let lane = known[shard] ?? lanes.count
            if lane == lanes.count {
                lanes.append(Lane(stream: place.stream, shard: shard))
                known[shard] = lane
            }
            lanes[lane].count += 1
            return lane
        }
        var next = [Int](repeating: 0, count: lanes.count)
        var start = 0
        for lane in lanes.indices.sorted(by: {
            (lanes[$0].stream, lanes[$0].shard) < (lanes[$1].stream, lanes[$1].shard)
        }) {
            next[lane] = start
            start += lanes[lane].count
        }
        var sorted = places
        for (index, lane) in laneOfPlace.enumerated() {
            sorted[next[lane]] = places[index]
            next[lane] += 1
        }
        places = sorted
        return self
    }
}
