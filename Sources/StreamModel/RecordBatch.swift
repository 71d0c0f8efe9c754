/// Records of one shard in sequence order, as a function receives them.
///
/// A batch shares the chunks that its records were read in: making, slicing and copying one copies no record.
public struct RecordBatch: RandomAccessCollection, Sendable {
    package private(set) var runs: [RecordRun] = []
    /// The place of each run's first record, from the second run on. Most batches have one run and store nothing here.
    private var laterStarts: [Int] = []
    /// How many records the batch has.
    public private(set) var count = 0

    /// A batch without records.
    public init() {}

    /// A batch of these runs in their order. It does not touch the runs' chunks.
    package init(_ runs: [RecordRun]) {
        self.runs = runs
        guard runs.count > 1 else {
            count = runs.first?.count ?? 0
            return
        }
        laterStarts.reserveCapacity(runs.count - 1)
        let all = runs.span
        for index in all.indices {
            if index > 0 { laterStarts.append(count) }
            count += all[index].count
        }
    }

    package mutating func append(_ run: RecordRun) {
        if !runs.isEmpty { laterStarts.append(count) }
        count += run.count
        runs.append(run)
    }

    /// Reserves memory for the given number of runs.
    package mutating func reserve(runs count: Int) {
        runs.reserveCapacity(count)
        if count > 1 { laterStarts.reserveCapacity(count - 1) }
    }

    /// The encoded bytes of all records.
    package var byteCount: Int {
        let runs = runs.span
        var bytes = 0
        for index in runs.indices { bytes += runs[index].byteCount }
        return bytes
    }

    /// The first record's number, without reading the record. The batch must not be empty.
    package var firstSequence: SequenceNumber { runs.span[0].firstSequence }
    /// The last record's number, without reading the record. The batch must not be empty.
    package var lastSequence: SequenceNumber { runs.span[runs.count - 1].lastSequence }

    package mutating func append(_ other: RecordBatch) { for run in other.runs { append(run) } }

    /// Always 0.
    public var startIndex: Int { 0 }
    /// ``count``.
    public var endIndex: Int { count }

    /// The record at this place, which must be below ``count``.
    public subscript(position: Int) -> Record {
        precondition(position >= 0 && position < count, "the batch has no record \(position), only \(count) records")
        let run = runIndex(of: position)
        // Through a span, because the array's own subscript would retain the run's members for every record.
        return runs.span[run][position - start(of: run)]
    }

    /// The place of the run's first record.
    private func start(of run: Int) -> Int { run == 0 ? 0 : laterStarts[run - 1] }

    private func runIndex(of position: Int) -> Int {
        if runs.count == 1 { return 0 }
        var low = 0
        var high = runs.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if start(of: middle) <= position { low = middle } else { high = middle - 1 }
        }
        return low
    }

    /// The records at these places as a batch of their own, which counts from 0.
    package func extracting(_ bounds: Range<Int>) -> RecordBatch {
        var part = RecordBatch()
        guard !bounds.isEmpty else { return part }
        for index in runIndex(of: bounds.lowerBound)..<runs.count {
            let start = start(of: index)
            guard start < bounds.upperBound else { break }
            let run = runs[index]
            let wanted = Swift.max(0, bounds.lowerBound - start)..<Swift.min(run.count, bounds.upperBound - start)
            part.append(wanted.count == run.count ? run : run.extracting(wanted))
        }
        return part
    }

    /// The place of the record with this number; nil if it is not in the batch.
    package func index(of sequenceNumber: SequenceNumber) -> Int? {
        guard
            let run = runs.lastIndex(where: { $0.firstSequence <= sequenceNumber }),
            sequenceNumber <= runs[run].lastSequence
        else { return nil }
        return start(of: run) + Int(sequenceNumber.rawValue - runs[run].firstSequence.rawValue)
    }

    /// Walks the runs, so that no record has to be searched.
    public struct Iterator: IteratorProtocol {
        private let runs: [RecordRun]
        private var run = 0
        private var index = 0
        @usableFromInline var left: Int

        init(_ batch: RecordBatch) {
            runs = batch.runs
            left = batch.count
        }

        /// The next record; nil after the last.
        @inlinable public mutating func next() -> Record? {
            // Inlined, because returning an optional record from a function costs as much as making the record.
            guard left > 0 else { return nil }
            left -= 1
            return take()
        }

        @usableFromInline mutating func take() -> Record {
            if index == runs.span[run].count {
                run += 1
                index = 0
                fetchAhead()
            }
            // Through a span, because the array's own subscript would retain the run's members for every record.
            let record = runs.span[run][index]
            index += 1
            return record
        }

        /// Prefetches the first record of a later run: runs of one record are scattered in memory.
        @inline(__always) private func fetchAhead() {
            let later = run + 4
            guard later < runs.count else { return }
            let place = Int(runs.span[later].lower)
            Prefetch.bytes(
                Prefetch.record, at: runs.span[later].chunk.address + UInt(runs.span[later].chunk.offsets[place]))
        }
    }

    /// Walks the records in order.
    public func makeIterator() -> Iterator { Iterator(self) }
}
