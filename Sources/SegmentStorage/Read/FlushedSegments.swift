import DiskAccess
import StreamModel

/// The records that are in segments, as readers see them (STORE-D2: served is what validates, and nothing else).
final class FlushedSegments: FlushedRecords {
    let set: SegmentSet
    let reader: SegmentReader
    private let threads: BlockingThreads
    /// What damage has cost and somebody has given up, by shard.
    private let lost: [UInt32: [LostRange]]

    init(
        set: SegmentSet, reader: SegmentReader, lost: [UInt32: [LostRange]],
        threads: BlockingThreads = .shared
    ) {
        self.set = set
        self.reader = reader
        self.lost = lost
        self.threads = threads
    }

    func read(
        _ shard: ShardState, _ range: ClosedRange<SequenceNumber>, maximumRecords: Int, maximumBytes: Int
    ) async throws -> FlushedBatch {
        // Where nothing can be in segments no thread is asked.
        let isLost = lost[shard.key.rawValue] != nil
        guard isLost || !set.segments(of: UInt64(shard.stream.rawValue), shard: shard.id.number).isEmpty else {
            return FlushedBatch()
        }
        return try await threads.run {
            try self.readNow(shard, range, maximumRecords: maximumRecords, maximumBytes: maximumBytes)
        }
    }

    func firstSequence(of shard: ShardState, arrivedAtOrAfter time: Timestamp) async throws -> SequenceNumber? {
        let isThere = candidates(shard).contains {
            ($0.streams[UInt64(shard.stream.rawValue)]?.lastArrival ?? .min) >= time.milliseconds
        }
        guard isThere else { return nil }
        return try await threads.run { try self.firstSequenceNow(of: shard, arrivedAtOrAfter: time) }
    }

    func position(
        of shard: ShardState, before kept: SequenceNumber, arrivedAtOrAfter time: Timestamp
    ) -> SequenceNumber {
        LostRange.position(of: shard, before: kept, arrivedAtOrAfter: time, lost[shard.key.rawValue] ?? [])
    }

    /// The numbers of the shard's records, on the caller's thread, which may block.
    func numbers(of shard: ShardState) throws -> [ClosedRange<UInt64>] {
        try withSegments(of: shard) { segments in
            var cursor = ShardCursor(
                segments, stream: UInt64(shard.stream.rawValue), shardKey: shard.key.rawValue, reader: reader)
            var numbers: [ClosedRange<UInt64>] = []
            while let slice = try cursor.next()?.slice { numbers.append(slice.firstSequence...slice.lastSequence) }
            return numbers
        }
    }

    private func candidates(_ shard: ShardState) -> [RegisteredSegment] {
        set.segments(of: UInt64(shard.stream.rawValue), shard: shard.id.number)
    }

    /// Runs `body` with the shard's segments, again where one of them was deleted meanwhile.
    private func withSegments<Value>(
        of shard: ShardState, _ body: ([RegisteredSegment]) throws -> Value
    ) throws -> Value {
        while true {
            let segments = candidates(shard)
            do {
                return try body(segments)
            } catch {
                let now = candidates(shard).map(\.row.id)
                if segments.allSatisfy({ now.contains($0.row.id) }) { throw error }
            }
        }
    }

    /// As ``read(_:_:maximumRecords:maximumBytes:)``, on the caller's thread, which may block.
    func readNow(
        _ shard: ShardState, _ range: ClosedRange<SequenceNumber>, maximumRecords: Int, maximumBytes: Int
    ) throws -> FlushedBatch {
        try withSegments(of: shard) { segments in
            var result = FlushedBatch()
            var expected = range.lowerBound.rawValue
            var last = range.upperBound.rawValue
            var bytes = 0
            // What was given up is passed without looking at it, and told only where the batch begins behind it.
            let given = (lost[shard.key.rawValue] ?? []).map(\.numbers)
            if let here = given.first(where: { $0.contains(expected) }) {
                result.lost = SequenceNumber(expected)...SequenceNumber(min(here.upperBound, last))
                guard here.upperBound < last else { return result }
                expected = here.upperBound + 1
            }
            let wanted = last
            let next = given.filter { $0.lowerBound > expected }.min { $0.lowerBound < $1.lowerBound }
            if let next { last = min(last, next.lowerBound - 1) }
            var cursor = try ShardCursor(
                segments, stream: UInt64(shard.stream.rawValue), shardKey: shard.key.rawValue, reader: reader,
                at: expected)
            while let found = try cursor.next(), found.slice.firstSequence <= last {
                if found.slice.firstSequence > expected {
                    // The next read begins at the gap and is told of it.
                    guard result.batch.isEmpty else { break }
                    try explainGap(from: expected, of: shard, before: found, segments)
                    expected = found.slice.firstSequence
                }
                let block: Block
                do {
                    block = try reader.block(of: found.slice, in: found.segment)
                } catch {
                    // What is whole in front of the damage is served; the next read begins at it and is told.
                    if result.batch.isEmpty { throw error }
                    break
                }
                var run = block.run(Int(found.slice.run), shard: shard.id, shardCreationSecond: shard.creationSecond)
                let first = max(expected, run.firstSequence.rawValue) - run.firstSequence.rawValue
                let end = min(last, run.lastSequence.rawValue) - run.firstSequence.rawValue + 1
                run = run.extracting(Int(first)..<Int(end))
                let (part, isFull) = Self.cut(
                    run, records: maximumRecords - result.batch.count, bytes: maximumBytes - bytes,
                    isFirst: result.batch.isEmpty)
                guard var part else { break }
                // A few records must not hold a block that they share with many shards.
                if part.byteCount < block.raw.count / 2 { part = part.alone }
                result.batch.append(part)
                bytes += part.byteCount
                expected = part.lastSequence.rawValue + 1
                if isFull { break }
            }
            // Where numbers jumped (STORE-C4) nothing may be between the position and what was given up.
            if result.batch.isEmpty, result.lost == nil, let next, next.lowerBound <= wanted {
                result.lost = SequenceNumber(next.lowerBound)...SequenceNumber(min(next.upperBound, wanted))
            }
            return result
        }
    }

    /// The records of `run` up to the limits, the first one of all in any case.
    private static func cut(_ run: RecordRun, records: Int, bytes: Int, isFirst: Bool) -> (RecordRun?, isFull: Bool) {
        var count = 0
        let start = Int(run.offsets[run.range.lowerBound])
        while count < min(run.count, max(records, isFirst ? 1 : 0)) {
            // A record is taken as long as what was taken before it is below the limit.
            let before = Int(run.offsets[run.range.lowerBound + count]) - start
            if before >= bytes, !(isFirst && count == 0) { break }
            count += 1
        }
        guard count > 0 else { return (nil, true) }
        return (count == run.count ? run : run.extracting(0..<count), count < run.count || count == records)
    }

    /// Returns where the numbers from `expected` to the slice that was found are behind retention or were jumped over
    /// (STORE-C4); throws where damage took them.
    private func explainGap(
        from expected: UInt64, of shard: ShardState, before found: ShardCursor.Found, _ segments: [RegisteredSegment]
    ) throws {
        // Retention takes from the front, so a gap is damage only where something is in front of it.
        var cursor = ShardCursor(
            segments, stream: UInt64(shard.stream.rawValue), shardKey: shard.key.rawValue, reader: reader)
        var previous: Slice?
        while let slice = try cursor.next()?.slice, slice.lastSequence < expected { previous = slice }
        guard let previous else { return }
        let given = (lost[shard.key.rawValue] ?? []).map(\.numbers)
        let gap = previous.lastSequence + 1...found.slice.firstSequence - 1
        let missing = NumberRanges.subtract(given, from: gap).reduce(0) { $0 + $1.numberCount }
        // Earlier versions jumped from the newest record that was left, over what was given up behind it.
        let isJump =
            missing.isMultiple(of: OpenedEntry.jump)
            || gap.numberCount.isMultiple(of: OpenedEntry.jump)
        guard !isJump else { return }
        throw ShardlineError(
            .corrupt,
            "shard key \(shard.key.rawValue): sequence numbers \(previous.lastSequence + 1) to \(found.slice.firstSequence - 1) are missing in front of '\(reader.files.path(of: found.segment))' offset \(found.slice.blockOffset)"
        )
    }

    /// As ``firstSequence(of:arrivedAtOrAfter:)``, on the caller's thread, which may block.
    func firstSequenceNow(of shard: ShardState, arrivedAtOrAfter time: Timestamp) throws -> SequenceNumber? {
        try withSegments(of: shard) { segments in
            let stream = UInt64(shard.stream.rawValue)
            let reaching = segments.filter { ($0.streams[stream]?.lastArrival ?? .min) >= time.milliseconds }
            var cursor = ShardCursor(reaching, stream: stream, shardKey: shard.key.rawValue, reader: reader)
            while let found = try cursor.next() {
                guard found.slice.lastArrival >= time.milliseconds else { continue }
                if found.slice.firstArrival >= time.milliseconds { return SequenceNumber(found.slice.firstSequence) }
                let run = try reader.block(of: found.slice, in: found.segment)
                    .run(Int(found.slice.run), shard: shard.id, shardCreationSecond: shard.creationSecond)
                // Arrivals never decrease within a shard.
                var low = 0
                var high = run.count - 1
                while low < high {
                    let middle = (low + high) / 2
                    if run[middle].approximateArrivalTimestamp >= time { high = middle } else { low = middle + 1 }
                }
                return run[low].sequenceNumber
            }
            return nil
        }
    }
}
