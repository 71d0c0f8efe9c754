import StreamModel

/// Iterates over the slices of one shard in the order of their numbers, through segments and their indexes. Calls
/// block.
struct ShardCursor {
    /// A slice and its segment.
    struct Found {
        var segment: UInt64
        var slice: Slice
    }

    private let reader: SegmentReader
    private let stream: UInt64
    private let shardKey: UInt32
    private let segments: [RegisteredSegment]
    private var segment = 0
    private var trailer = 0
    private var part = 0
    private var pending: ArraySlice<Slice> = []

    /// Begins at the shard's first slice.
    init(_ segments: [RegisteredSegment], stream: UInt64, shardKey: UInt32, reader: SegmentReader) {
        self.reader = reader
        self.stream = stream
        self.shardKey = shardKey
        self.segments = segments
    }

    /// Begins at the slice that contains `position`, or else at the next one after it.
    init(
        _ segments: [RegisteredSegment], stream: UInt64, shardKey: UInt32, reader: SegmentReader, at position: UInt64
    ) throws {
        self.init(segments, stream: stream, shardKey: shardKey, reader: reader)
        // The segments of a shard never interleave (STORE-F1), so the first one that does not end before the position
        // contains it.
        var low = 0
        var high = segments.count
        while low < high {
            let middle = (low + high) / 2
            if let last = try lastSequence(in: segments[middle]), last < position {
                low = middle + 1
            } else {
                high = middle
            }
        }
        segment = low
        guard low < segments.count else { return }
        trailer = segments[low].row.state == .open ? try firstTrailer(of: segments[low], reaching: position) : 0
        while let found = try peek(), found.slice.lastSequence < position { pending.removeFirst() }
    }

    mutating func next() throws -> Found? {
        guard let found = try peek() else { return nil }
        pending.removeFirst()
        return found
    }

    private mutating func peek() throws -> Found? {
        while segment < segments.count {
            if let slice = pending.first { return Found(segment: segments[segment].row.id, slice: slice) }
            let trailers = segments[segment].trailers
            guard trailer < trailers.count else {
                segment += 1
                (trailer, part) = (0, 0)
                continue
            }
            let directory = try reader.directory(trailers[trailer], in: segments[segment].row.id)
            if part == 0 { part = firstPart(in: directory) }
            // The search ends at the first part that begins after the shard: an earlier part may end with the shard's
            // slices.
            guard part < directory.count, precedesOrIs(directory[part]) else {
                trailer += 1
                part = 0
                continue
            }
            pending = try shardsSlices(directory[part], in: segments[segment].row.id)
            part += 1
        }
        return nil
    }

    /// The shard's slices in one part, found by binary search.
    private func shardsSlices(_ part: SegmentIndex.PartReference, in segment: UInt64) throws -> ArraySlice<Slice> {
        let slices = try reader.slices(part, in: segment)
        func first(where isBehind: (Slice) -> Bool) -> Int {
            var low = 0
            var high = slices.count
            while low < high {
                let middle = (low + high) / 2
                if isBehind(slices[middle]) { high = middle } else { low = middle + 1 }
            }
            return low
        }
        let start = first { ($0.stream, $0.shardKey) >= (stream, shardKey) }
        let end = first { ($0.stream, $0.shardKey) > (stream, shardKey) }
        return slices[start..<end]
    }

    private func precedesOrIs(_ part: SegmentIndex.PartReference) -> Bool {
        (part.stream, part.shardKey) <= (stream, shardKey)
    }

    /// The last part that begins before the shard. The shard's slices begin in it or in the next one.
    private func firstPart(in directory: [SegmentIndex.PartReference]) -> Int {
        var low = 0
        var high = directory.count
        while low < high {
            let middle = (low + high) / 2
            if (directory[middle].stream, directory[middle].shardKey) < (stream, shardKey) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return max(0, low - 1)
    }

    /// The shard's last number in a segment; nil where its indexes have no slice of the shard.
    private func lastSequence(in segment: RegisteredSegment) throws -> UInt64? {
        for trailer in segment.trailers.reversed() {
            if let last = try lastSequence(trailer, in: segment.row.id) { return last }
        }
        return nil
    }

    private func lastSequence(_ trailer: (offset: UInt64, checksum: UInt32), in segment: UInt64) throws -> UInt64? {
        let directory = try reader.directory(trailer, in: segment)
        var index = directory.count - 1
        while index >= 0 {
            if precedesOrIs(directory[index]) {
                if let last = try shardsSlices(directory[index], in: segment).last { return last.lastSequence }
                if (directory[index].stream, directory[index].shardKey) < (stream, shardKey) { return nil }
            }
            index -= 1
        }
        return nil
    }

    /// The first section that does not end before `position`. Galloping search from the end, where readers mostly are,
    /// then binary search.
    private func firstTrailer(of segment: RegisteredSegment, reaching position: UInt64) throws -> Int {
        let trailers = segment.trailers
        /// Whether the shard's records up to the end of this section end before the position.
        func endsBefore(_ index: Int) throws -> Bool {
            // A section without records of the shard does not decide; the one before it does.
            for index in stride(from: index, through: 0, by: -1) {
                if let last = try lastSequence(trailers[index], in: segment.row.id) { return last < position }
            }
            return true
        }
        var high = trailers.count
        var low = 0
        var step = 1
        while high > low {
            let index = max(low, high - step)
            if try endsBefore(index) {
                low = index + 1
                break
            }
            high = index
            step *= 2
        }
        while low < high {
            let middle = (low + high) / 2
            if try endsBefore(middle) { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
