import DiskAccess
import StreamModel

/// The records in segments, as readers see them. Only records whose checksums are valid are served (STORE-D2).
final class FlushedSegments: FlushedRecords {
    let set: SegmentSet
    let reader: SegmentReader
    private let threads: BlockingThreads
    /// The lost ranges by shard number.
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
        // Without segments or lost ranges no thread is needed.
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

    /// The numbers of the shard's records. Blocks the caller's thread.
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

    /// Runs `body` with the shard's segments. Runs it again where it failed and one of them was deleted in the
    /// meantime.
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

    /// As ``read(_:_:maximumRecords:maximumBytes:)``. Blocks the caller's thread.
    func readNow(
        _ shard: ShardState, _ range: ClosedRange<SequenceNumber>, maximumRecords: Int, maximumBytes: Int
    ) throws -> FlushedBatch {
        try withSegments(of: shard) { segments in
            var result = FlushedBatch()
            var expected = range.lowerBound.rawValue
            var last = range.upperBound.rawValue
            var bytes = 0
            // A lost range is skipped without reading, and reported only where the batch begins after it.
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
                    // The next read begins at the gap and reports it.
                    guard result.batch.isEmpty else { break }
                    try explainGap(from: expected, of: shard, before: found, segments)
                    expected = found.slice.firstSequence
                }
                let block: Block
                do {
                    block = try reader.block(of: found.slice, in: found.segment)
                } catch {
                    // Records before the damage are served. The next read begins at the damage and throws.
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
                // A few records must not keep a block in memory that they share with many shards.
                if part.byteCount < block.raw.count / 2 { part = part.alone }
                result.batch.append(part)
                bytes += part.byteCount
                expected = part.lastSequence.rawValue + 1
                if isFull { break }
            }
            // Where numbers jumped (STORE-C4), no record may lie between the position and the lost range.
            if result.batch.isEmpty, result.lost == nil, let next, next.lowerBound <= wanted {
                result.lost = SequenceNumber(next.lowerBound)...SequenceNumber(min(next.upperBound, wanted))
            }
            return result
        }
    }

    /// The records of `run` up to the limits, but always the first record of the batch.
    private static func cut(_ run: RecordRun, records: Int, bytes: Int, isFirst: Bool) -> (RecordRun?, isFull: Bool) {
        var count = 0
        let start = Int(run.offsets[run.range.lowerBound])
        while count < min(run.count, max(records, isFirst ? 1 : 0)) {
            // A record is included while the bytes before it are below the limit.
            let before = Int(run.offsets[run.range.lowerBound + count]) - start
            if before >= bytes, !(isFirst && count == 0) { break }
            count += 1
        }
        guard count > 0 else { return (nil, true) }
        return (count == run.count ? run : run.extracting(0..<count), count < run.count || count == records)
    }

    /// Returns where the numbers from `expected` to the found slice were removed by retention or jumped over
    /// (STORE-C4). Throws `corrupt` where damage took them.
    private func explainGap(
        from expected: UInt64, of shard: ShardState, before found: ShardCursor.Found, _ segments: [RegisteredSegment]
    ) throws {
        // Retention removes the oldest records first, so a gap is damage only where a record precedes it.
        var cursor = ShardCursor(
            segments, stream: UInt64(shard.stream.rawValue), shardKey: shard.key.rawValue, reader: reader)
        var previous: Slice?
        while let slice = try cursor.next()?.slice, slice.lastSequence < expected { previous = slice }
        guard let previous else { return }
        let given = (lost[shard.key.rawValue] ?? []).map(\.numbers)
        let gap = previous.lastSequence + 1...found.slice.firstSequence - 1
        let missing = NumberRanges.subtract(given, from: gap).reduce(0) { $0 + $1.numberCount }
        // Earlier versions jumped from the newest record that was left, over the lost ranges after it.
        let isJump =
            missing.isMultiple(of: OpenedEntry.jump)
            || gap.numberCount.isMultiple(of: OpenedEntry.jump)
        guard !isJump else { return }
        throw ShardlineError(
            .corrupt,
            "shard key \(shard.key.rawValue): sequence numbers \(previous.lastSequence + 1) to \(found.slice.firstSequence - 1) are missing in front of '\(reader.files.path(of: found.segment))' offset \(found.slice.blockOffset)"
        )
    }

    /// As ``firstSequence(of:arrivedAtOrAfter:)``. Blocks the caller's thread.
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
