import StreamModel

/// Which of a shard's numbers records have. Nothing else may take the difference of two numbers for a count of records.
extension ShardState {
    /// So many ranges of ``skipped`` are kept apart; beyond them the two oldest become one, with the records between them.
    static let mostSkippedRanges = 1000

    /// Lets the next `count` numbers out.
    package mutating func jump(over count: UInt64) {
        let first = nextSequence
        floor = first.advanced(by: Int(count) - 1)
        skip(first...floor)
    }

    /// Takes note of numbers that no record has. What is known already changes nothing.
    mutating func skip(_ numbers: ClosedRange<SequenceNumber>) {
        let all = NumberRanges.merged(skipped.map(\.rawValues) + [numbers.rawValues])
        skipped = all.map { SequenceNumber($0.lowerBound)...SequenceNumber($0.upperBound) }
        while skipped.count > Self.mostSkippedRanges {
            skipped.replaceSubrange(0..<2, with: [skipped[0].lowerBound...skipped[1].upperBound])
        }
    }

    /// How many records were put behind `position`, up to `end`: those that retention has removed too, those that
    /// damage took not.
    ///
    /// - Parameter lost: what damage took.
    func recordCount(
        after position: SequenceNumber, through end: SequenceNumber, lost: [ClosedRange<UInt64>]
    ) -> UInt64 {
        recordNumbers(after: position, through: end, lost: lost).reduce(0) { $0 + $1.numberCount }
    }

    /// The numbers that these records have, in order.
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

    /// The last number that a reader or a mapping may have come to. Where records that were seen may be lost, that is one
    /// that was jumped over (STORE-C4).
    var lastPosition: SequenceNumber { max(lastSequence, floor) }

    /// What of `numbers` records had, in order.
    package func given(in numbers: ClosedRange<SequenceNumber>) -> [ClosedRange<SequenceNumber>] {
        NumberRanges.subtract(skipped.map(\.rawValues), from: numbers.rawValues)
            .map { SequenceNumber($0.lowerBound)...SequenceNumber($0.upperBound) }
    }

    /// Finds what numbers have jumped over in a shard of which no row says it: gaps of 2^32 numbers or more, which damage
    /// alone never leaves (STORE-C4).
    ///
    /// - Parameters:
    ///   - runs: the numbers of all records that there are.
    ///   - lost: what damage took.
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
        // Earlier versions jumped from the newest record that was left, over what was given up behind it. Otherwise
        // what is in front of the jump has expired.
        var left = gap.numberCount.isMultiple(of: OpenedEntry.jump) ? count : count - count % OpenedEntry.jump
        for range in free.reversed() where left > 0 {
            let taken = min(left, range.numberCount)
            skip(SequenceNumber(range.upperBound - taken + 1)...SequenceNumber(range.upperBound))
            left -= taken
        }
    }
}

extension Catalogue {
    /// Finds in shards whose numbers have jumped, and of which no row says over what, what that was: rows of earlier
    /// versions, and damaged ones, don't. Returns the shards.
    ///
    /// - Parameter isRebuilt: whether rows are lost, so that not even jumps are known.
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
    /// How many numbers it has; records have all of them only where ``ShardState`` says so.
    package var numberCount: UInt64 { upperBound - lowerBound + 1 }
}
