import DequeModule
import StreamModel

/// The records that a lane got and has not yet taken into a unit, and the ranges where records are missing, in order.
struct RecordQueue: Sendable {
    /// A range whose records can't be read, and why.
    struct Gap: Hashable, Sendable {
        var range: ClosedRange<SequenceNumber>
        let condition: GiveUpCondition
        /// Whether none of the records that the range had is known to be done.
        var isWhole = true
    }

    private enum Item: Sendable {
        case run(RecordRun)
        case gap(Gap)
    }

    /// The queue's only content, if that is one read: a lane that keeps up takes it whole, without splitting it into
    /// runs. `items` is empty meanwhile.
    private var whole: RecordBatch?
    private var items: Deque<Item> = []
    /// The number of all records.
    private(set) var count = 0
    /// Encoded bytes of all records.
    private(set) var bytes = 0
    /// The number of records before the first gap.
    private(set) var readable = 0
    private var gaps = 0
    // How far the records of the open batch are measured. Every removal from the front resets this, so the indices stay
    // valid.
    private var measured = (item: 0, index: 0, count: 0, size: 0)

    var isEmpty: Bool { whole == nil && items.isEmpty }
    /// Whether a gap is queued.
    var hasGap: Bool { gaps > 0 }

    /// The first record; nil if the queue is empty or starts with a gap.
    var first: Record? {
        if let whole { return whole[0] }
        guard case .run(let run)? = items.first else { return nil }
        return run[0]
    }

    /// The number of the first record or of the gap that comes first; nil if the queue is empty.
    var firstNumber: SequenceNumber? {
        if let whole { return whole.firstSequence }
        switch items.first {
        case .run(let run): return run.firstSequence
        case .gap(let gap): return gap.range.lowerBound
        case nil: return nil
        }
    }

    mutating func append(_ batch: RecordBatch) {
        guard !batch.isEmpty else { return }
        count += batch.count
        bytes += batch.byteCount
        if gaps == 0 { readable += batch.count }
        guard !isEmpty else {
            whole = batch
            return
        }
        takeApart()
        for run in batch.runs { items.append(.run(run)) }
    }

    private mutating func takeApart() {
        guard let batch = whole else { return }
        whole = nil
        for run in batch.runs { items.append(.run(run)) }
    }

    mutating func append(_ gap: Gap) {
        takeApart()
        items.append(.gap(gap))
        gaps += 1
    }

    /// Takes the first `wanted` of the readable records.
    mutating func take(_ wanted: Int) -> RecordBatch {
        precondition(wanted <= readable)
        if let batch = whole, batch.count == wanted {
            removeAll()
            return batch
        }
        takeApart()
        var batch = RecordBatch()
        while batch.count < wanted, case .run(let run)? = items.popFirst() {
            let missing = wanted - batch.count
            if run.count <= missing {
                batch.append(run)
            } else {
                batch.append(run.extracting(0..<missing))
                items.prepend(.run(run.extracting(missing..<run.count)))
            }
        }
        count -= wanted
        readable -= wanted
        bytes -= batch.byteCount
        measureAnew()
        return batch
    }

    /// Removes and returns the gap at the front, if there is one.
    mutating func takeGap() -> Gap? {
        guard case .gap(let gap)? = items.first else { return nil }
        items.removeFirst()
        gaps -= 1
        for case let item in items {
            guard case .run(let run) = item else { break }
            readable += run.count
        }
        measureAnew()
        return gap
    }

    /// How many of the readable records have numbers up to `position`.
    func readable(through position: SequenceNumber) -> Int {
        if let whole { return whole.count(through: position) }
        var found = 0
        for item in items {
            guard case .run(let run) = item, run.firstSequence <= position else { break }
            found += run.count(through: position)
        }
        return found
    }

    /// How many of the first `most` readable records arrived before `time`, up to the first one that did not.
    func readable(arrivedBefore time: Timestamp, atMost most: Int) -> Int {
        var found = 0
        func counts(_ run: RecordRun) -> Bool {
            let early = run.count(arrivedBefore: time)
            found += early
            return early == run.count && found < most
        }
        if let whole {
            for run in whole.runs { guard counts(run) else { break } }
        } else {
            for item in items { guard case .run(let run) = item, counts(run) else { break } }
        }
        return min(found, most)
    }

    mutating func removeAll() {
        self = RecordQueue()
    }

    /// Removes everything after `position`. Returns the number of records that are removed.
    mutating func cut(after position: SequenceNumber) -> Int {
        takeApart()
        let before = count
        var kept = RecordQueue()
        for item in items {
            switch item {
            case .run(let run) where run.firstSequence <= position:
                kept.append(RecordBatch([run.extracting(0..<run.count(through: position))]))
            case .gap(var gap) where gap.range.lowerBound <= position:
                gap.range = gap.range.lowerBound...min(gap.range.upperBound, position)
                kept.append(gap)
            case .run, .gap: break
            }
        }
        self = kept
        return before - count
    }

    /// Removes the records of parked keys, and returns them.
    mutating func takeParked(_ keys: ParkedKeys) -> RecordBatch {
        takeApart()
        var (kept, parked) = (RecordQueue(), RecordBatch())
        for item in items {
            switch item {
            case .run(let run):
                let (found, others) = keys.divide(RecordBatch([run]))
                parked.append(found)
                kept.append(others)
            case .gap(let gap): kept.append(gap)
            }
        }
        self = kept
        return parked
    }

    /// Removes the records that the filter doesn't match. Returns their number.
    mutating func keep(_ filter: RecordFilter) -> Int {
        takeApart()
        let before = count
        var kept = RecordQueue()
        for item in items {
            switch item {
            case .run(let run): kept.append(RecordBatch(filter.matching(run)))
            case .gap(let gap): kept.append(gap)
            }
        }
        self = kept
        return before - count
    }

    /// The number of the first `wanted` readable records that fit into one event, at least one, and whether the event
    /// is full then. Each record is measured once.
    mutating func fitting(_ wanted: Int, _ measure: LaneCore.PayloadMeasure) -> (count: Int, isFull: Bool) {
        // If all encoded bytes are below the limit, every batch is.
        if measure.isWithinEncoding, bytes + measure.envelope + wanted * measure.separator < measure.limit {
            return (wanted, false)
        }
        takeApart()
        while measured.count < wanted, case .run(let run) = items[measured.item] {
            let size = measure.size(run[measured.index])
            let total = measured.count == 0 ? measure.envelope + size : measured.size + measure.separator + size
            if measured.count > 0, total > measure.limit { return (measured.count, true) }
            measured.count += 1
            measured.size = total
            measured.index += 1
            if measured.index == run.count {
                measured.item += 1
                measured.index = 0
            }
        }
        return (measured.count, measured.size >= measure.limit)
    }

    /// Discards the measurements, for another batch or another measure.
    mutating func measureAnew() { measured = (0, 0, 0, 0) }
}

extension RecordRun {
    /// How many of the run's first records arrived before `time`, up to the first one that did not. Its records may have
    /// arrival times of their own.
    func count(arrivedBefore time: Timestamp) -> Int {
        guard arrival < time else { return 0 }
        if self[count - 1].approximateArrivalTimestamp < time { return count }
        return (0..<count).first { self[$0].approximateArrivalTimestamp >= time } ?? count
    }

    /// How many of the run's records have numbers up to `position`.
    func count(through position: SequenceNumber) -> Int {
        if position < firstSequence { return 0 }
        return position < lastSequence ? Int(position.rawValue - firstSequence.rawValue) + 1 : count
    }
}

extension RecordBatch {
    /// How many of the records have numbers up to `position`.
    func count(through position: SequenceNumber) -> Int {
        var found = 0
        // Usually none: the position is mostly before the batch.
        guard !isEmpty, firstSequence <= position else { return 0 }
        for run in runs where run.firstSequence <= position { found += run.count(through: position) }
        return found
    }
}
