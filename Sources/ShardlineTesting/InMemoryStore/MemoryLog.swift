import DequeModule
import DiskAccess
import StreamModel
import StreamStorage

/// The records of one shard, and the reads that wait for more.
struct MemoryLog {
    private var runs: Deque<RecordRun> = []
    /// The newest number that retention has removed; zero if it has removed none.
    private var trimmed = SequenceNumber.zero
    /// The ranges that a test has declared lost, in order.
    private var lost: [ClosedRange<SequenceNumber>] = []
    var waiters = WaitList<Void, Void>()

    mutating func append(_ run: RecordRun) { runs.append(run) }

    mutating func lose(_ range: ClosedRange<SequenceNumber>) {
        lost.append(range)
        lost.sort { $0.lowerBound < $1.lowerBound }
    }

    /// Removes the records that arrived at or before `limit` (STORE-F6), permanently.
    mutating func trim(arrivedAtOrBefore limit: Timestamp) {
        while let first = runs.first, first.arrival <= limit {
            trimmed = first.lastSequence
            runs.removeFirst()
        }
    }

    /// The number of records after `position`, up to `end`: only lost ranges make gaps in the numbers.
    func recordCount(after position: SequenceNumber, through end: SequenceNumber, in shard: MemoryShard) -> Int {
        let before = max(position, shard.base)
        let last = min(end, shard.last)
        guard before < last else { return 0 }
        var count = (before.advanced(by: 1)...last).numberCount
        var counted = before
        for gap in lost where gap.upperBound > counted && gap.lowerBound <= last {
            let gone = max(gap.lowerBound, counted.advanced(by: 1))...min(gap.upperBound, last)
            count -= gone.numberCount
            counted = gone.upperBound
        }
        return Int(count)
    }

    /// The last record after `position`, up to `end`.
    func lastRecord(
        after position: SequenceNumber, through end: SequenceNumber, in shard: MemoryShard
    ) -> SequenceNumber? {
        let before = max(position, shard.base)
        var last = min(end, shard.last)
        for gap in lost.reversed() where gap.contains(last) && last > before { last = gap.lowerBound.previous }
        return last > before ? last : nil
    }

    func trimHorizon(of shard: MemoryShard) -> SequenceNumber { max(trimmed, shard.base) }

    /// The number before the first record that arrived at or after `time`.
    func position(before time: Timestamp, in shard: MemoryShard) -> SequenceNumber {
        guard let run = runs.first(where: { $0.arrival >= time }) else { return shard.last }
        return run.firstSequence.previous
    }

    func read(_ request: ReadRequest, in shard: MemoryShard) -> ReadResult {
        let horizon = trimHorizon(of: shard)
        var start = request.after
        var expired: ClosedRange<SequenceNumber>?
        if start < horizon {
            // A child's numbers start after its parents'. Smaller numbers never existed in it, so they are not reported
            // as expired.
            let before = max(start, shard.base)
            if before < horizon { expired = before.advanced(by: 1)...horizon }
            start = horizon
        }
        var result = ReadResult(batch: RecordBatch(), expired: expired, next: start, tip: shard.last)
        let limit: SequenceNumber
        if start < .max, let gap = lost.first(where: { $0.upperBound > start }) {
            if gap.lowerBound <= start.advanced(by: 1) {
                result.lost = max(gap.lowerBound, start.advanced(by: 1))...gap.upperBound
                result.next = gap.upperBound
                return finished(result, shard)
            }
            limit = gap.lowerBound.previous
        } else {
            limit = .max
        }
        var left = (records: request.maximumRecords, bytes: request.maximumBytes)
        var index = firstRun(behind: start)
        while index < runs.count, left.records > 0, left.bytes > 0, result.next < limit {
            guard let run = runs[index].after(result.next) else { break }
            var count = 0
            while count < run.count, left.records > 0, left.bytes > 0, result.next < limit {
                let record = run[count]
                left.records -= 1
                left.bytes -= record.keyByteCount + record.dataByteCount
                result.next = record.sequenceNumber
                count += 1
            }
            result.batch.append(count == run.count ? run : run.extracting(0..<count))
            index += 1
        }
        return finished(result, shard)
    }

    private func finished(_ result: ReadResult, _ shard: MemoryShard) -> ReadResult {
        var result = result
        if shard.closedAt != nil, result.next >= shard.last { result.endOfShard = shard.children }
        return result
    }

    private func firstRun(behind position: SequenceNumber) -> Int {
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].lastSequence <= position { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
