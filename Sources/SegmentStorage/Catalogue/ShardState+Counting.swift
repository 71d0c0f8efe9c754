import StreamModel

/// Which of a shard's numbers belong to records. Use these functions to count records: the difference of two sequence
/// numbers is not a count.
extension ShardState {
    /// The most ranges that ``skipped`` keeps apart. Beyond it the two oldest are joined, including the records between
    /// them.
    static let mostSkippedRanges = 1000

    /// Skips the next `count` numbers.
    package mutating func jump(over count: UInt64) {
        let first = nextSequence
        floor = first.advanced(by: Int(count) - 1)
        skip(first...floor)
    }

    /// Marks numbers as belonging to no record. Marking them again changes nothing.
    mutating func skip(_ numbers: ClosedRange<SequenceNumber>) {
        let all = NumberRanges.merged(skipped.map(\.rawValues) + [numbers.rawValues])
        skipped = all.map { SequenceNumber($0.lowerBound)...SequenceNumber($0.upperBound) }
        while skipped.count > Self.mostSkippedRanges {
            skipped.replaceSubrange(0..<2, with: [skipped[0].lowerBound...skipped[1].upperBound])
        }
    }

    /// The number of records after `position` and up to `end`, including those that retention has removed, without
    /// those that were lost to damage.
    ///
    /// - Parameter lost: the numbers that were lost to damage.
    func recordCount(
        after position: SequenceNumber, through end: SequenceNumber, lost: [ClosedRange<UInt64>]
    ) -> UInt64 {
        recordNumbers(after: position, through: end, lost: lost).reduce(0) { $0 + $1.numberCount }
    }

    /// The numbers of these records, in order.
    func recordNumbers(
        after position: SequenceNumber, through end: SequenceNumber, lost: [ClosedRange<UInt64>]
    ) -> [ClosedRange<UInt64>] {
        let before = max(position, origin)
        let last = min(end, lastSequence)
        guard before < last else { return [] }
        let numbers = before.advanced(by: 1)...last
        if skipped.isEmpty, lost.isEmpty { return [numbers.rawValues] }
        return NumberRanges.subtract(NumberRanges.merged(skipped.map(\.rawValues) + lost), from: numbers.rawValues)
    }

    /// The last number that a reader or a mapping may have reached. Where visible records may have been lost, it is a
    /// number that was jumped over (STORE-C4).
    var lastPosition: SequenceNumber { max(lastSequence, floor) }

    /// The parts of `numbers` that were given to records, in order.
    package func given(in numbers: ClosedRange<SequenceNumber>) -> [ClosedRange<SequenceNumber>] {
        NumberRanges.subtract(skipped.map(\.rawValues), from: numbers.rawValues)
            .map { SequenceNumber($0.lowerBound)...SequenceNumber($0.upperBound) }
    }

    /// Finds the numbers that were jumped over in a shard without a row about them: gaps of 2^32 numbers or more, which
    /// damage alone never leaves (STORE-C4).
    ///
    /// - Parameters:
    ///   - runs: the numbers of all records that exist.
    ///   - lost: the numbers that were lost to damage.
    package mutating func findSkipped(between runs: [ClosedRange<UInt64>], lost: [ClosedRange<UInt64>]) {
        var last = origin.rawValue
        for run in NumberRanges.merged(runs) where run.upperBound > last {
            if run.lowerBound > last + 1 { skipJump(in: last + 1...run.lowerBound - 1, lost) }
            last = run.upperBound
        }
        if floor.rawValue > last { skipJump(in: last + 1...floor.rawValue, lost) }
    }

    private mutating func skipJump(in gap: ClosedRange<UInt64>, _ lost: [ClosedRange<UInt64>]) {
        let free = NumberRanges.subtract(lost, from: gap)
        let count = free.reduce(0) { $0 + $1.numberCount }
        // Earlier versions jumped from the newest record that was left, over the lost ranges after it. Otherwise the
        // numbers before the jump belonged to records that have expired.
        var left = gap.numberCount.isMultiple(of: OpenedEntry.jump) ? count : count - count % OpenedEntry.jump
        for range in free.reversed() where left > 0 {
            let taken = min(left, range.numberCount)
            skip(SequenceNumber(range.upperBound - taken + 1)...SequenceNumber(range.upperBound))
            left -= taken
        }
    }
}

extension Catalogue {
    /// Finds the skipped numbers of shards whose numbers have jumped and that have no row about it: rows of earlier
    /// versions and lost rows don't tell. Returns these shards.
    ///
    /// - Parameter isRebuilt: whether rows are lost, so that the jumps themselves are unknown too.
    package mutating func findSkipped(
        lost: [UInt32: [LostRange]], isRebuilt: Bool = false, runs: (ShardState) throws -> [ClosedRange<UInt64>]?
    ) rethrows -> [ShardNumber] {
        var found: [ShardNumber] = []
        for shard in shards.values where shard.skipped.isEmpty {
            let highest = isRebuilt ? max(shard.lastSequence, shard.floor) : shard.floor
            guard highest.rawValue >= shard.origin.rawValue + OpenedEntry.jump else { continue }
            guard let there = try runs(shard) else { continue }
            let gone = (lost[shard.key.rawValue] ?? []).map(\.numbers)
            _ = shards.update(shard.key) { $0.findSkipped(between: there, lost: gone) }
            found.append(shard.key)
        }
        return found
    }
}

extension ClosedRange<SequenceNumber> {
    var rawValues: ClosedRange<UInt64> { lowerBound.rawValue...upperBound.rawValue }
}

extension ClosedRange<UInt64> {
    /// The count of numbers in the range. Only ``ShardState`` knows how many of them belong to records.
    package var numberCount: UInt64 { upperBound - lowerBound + 1 }
}
