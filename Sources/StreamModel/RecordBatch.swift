/// Records of one shard in sequence order, as a function gets them.
///
/// A batch shares the chunks that its records were read in: making, slicing and copying one copies no record.
public struct RecordBatch: RandomAccessCollection, Sendable {
    package private(set) var runs: [RecordRun] = []
    /// The place of each run's first record; one for each run.
    private var starts: [Int] = []
    /// How many records the batch has.
    public private(set) var count = 0

    /// A batch without records.
    public init() {}

    package init(_ runs: [RecordRun]) { for run in runs { append(run) } }

    package mutating func append(_ run: RecordRun) {
        starts.append(count)
        count += run.count
        runs.append(run)
    }

    package mutating func append(_ other: RecordBatch) { for run in other.runs { append(run) } }

    /// Always 0.
    public var startIndex: Int { 0 }
    /// ``count``.
    public var endIndex: Int { count }

    /// The record at this place, which must be below ``count``.
    public subscript(position: Int) -> Record {
        precondition(position >= 0 && position < count, "the batch has no record \(position), only \(count) records")
        let run = runIndex(of: position)
        return runs[run][position - starts[run]]
    }

    private func runIndex(of position: Int) -> Int {
        if runs.count == 1 { return 0 }
        var low = 0
        var high = runs.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if starts[middle] <= position { low = middle } else { high = middle - 1 }
        }
        return low
    }

    /// The records at these places as a batch of its own, which counts from 0.
    package func extracting(_ bounds: Range<Int>) -> RecordBatch {
        var part = RecordBatch()
        guard !bounds.isEmpty else { return part }
        for index in runIndex(of: bounds.lowerBound)..<runs.count {
            let start = starts[index]
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
        return starts[run] + Int(sequenceNumber.rawValue - runs[run].firstSequence.rawValue)
    }

    /// Walks the runs, so that a record costs no search.
    public struct Iterator: IteratorProtocol {
        private let runs: [RecordRun]
        private var run = 0
        private var index = 0

        init(_ runs: [RecordRun]) { self.runs = runs }

        /// The next record, nil behind the last.
        public mutating func next() -> Record? {
            while run < runs.count {
                if index < runs[run].count {
                    defer { index += 1 }
                    return runs[run][index]
                }
                run += 1
                index = 0
            }
            return nil
        }
    }

    /// Walks the records in order.
    public func makeIterator() -> Iterator { Iterator(runs) }
}
