import StreamModel
import StreamStorage

extension LaneCore {
    /// Closes the next batch if it is due, or gives up the missing or expired records that come first. Returns true if
    /// there may be more to decide.
    mutating func closeBatch(
        windowOpened: MonotonicTime?, _ shared: inout Shared, _ now: Moment
    ) -> Bool {
        if let gap = queue.takeGap() {
            takenPosition = max(takenPosition, gap.range.upperBound)
            giveUp(gap, &shared)
            return true
        }
        let expired = queue.readable(through: shared.horizon)
        if expired > 0 {
            giveUp(expired: take(expired), &shared)
            return true
        }
        guard queue.readable > 0 else {
            stage = .collecting(windowOpened: nil)
            return false
        }
        if case .resuming(let note) = crashGuard { return resumeAfterCrash(note, &shared, now) }
        // The window opens when the lane is free and the batch has its first record, whichever is later (ESM-B3).
        let opened = windowOpened ?? now.monotonic
        guard let (count, cause) = closing(opened: opened, shared, now.monotonic) else {
            stage = .collecting(windowOpened: opened)
            return false
        }
        begin(take(count), cause, after: now.monotonic - opened, &shared)
        return true
    }

    /// Why the open batch is closed now, and with how many records; nil if it waits for more (ESM-B1).
    private mutating func closing(
        opened: MonotonicTime, _ shared: borrowing Shared, _ now: MonotonicTime
    ) -> (count: Int, cause: ClosingCause)? {
        let batchSize = shared.settings.batchSize
        let available = min(queue.readable, batchSize)
        if let payload = shared.settings.payload {
            let (fitting, isFull) = queue.fitting(available, payload)
            if isFull, fitting < batchSize { return (fitting, .payload) }
        }
        if available == batchSize { return (available, .size) }
        if queue.hasGap { return (available, .gap) }
        if shared.source.hasEnded { return (available, .shardEnd) }
        if shared.settings.batchWindow == .zero {
            // The batch takes all that is available: a read that ends at its own limits doesn't close a batch (ESM-B2,
            // ESM-S18).
            if shared.source.isAtTip { return (available, .window) }
        } else if now >= opened + shared.settings.batchWindow {
            return (available, .window)
        }
        // No later record belongs to this batch.
        if shared.source.hasReadGoal { return (available, .caughtUp) }
        return shared.source.canReadMore ? nil : (available, .memory)
    }

    mutating func take(_ count: Int) -> RecordBatch {
        let records = queue.take(count)
        takenPosition = records.lastSequence
        batchHolds.records += records.count
        batchHolds.bytes += records.byteCount
        return records
    }

    /// Begins with the next batch, as the lane's only unit.
    private mutating func begin(
        _ records: RecordBatch, _ cause: ClosingCause, after: Duration, _ shared: inout Shared
    ) {
        units.append(newBatch(records, cause, after: after, &shared))
        stage = .deciding
    }

    /// The unit of a batch that is closed now, for this reason and so long after its window opened.
    mutating func newBatch(
        _ records: RecordBatch, _ cause: ClosingCause, after: Duration, _ shared: inout Shared
    ) -> Unit {
        let unit = shared.newUnit(records, .batch(cause), lane: number)
        batchCount += 1
        shared.counters.batches[cause] += 1
        shared.trace(.closed(unit.span, cause, after: after))
        return unit
    }

    /// Takes the unit whose invocation was running when the previous process ended. That end counts as a time-out
    /// (ESM-A9).
    private mutating func resumeAfterCrash(
        _ note: AttemptNote, _ shared: inout Shared, _ now: Moment
    ) -> Bool {
        guard let first = queue.firstNumber else { return false }
        guard note.first <= first, first <= note.last else {
            // The note names records that are done, or that are not the next ones.
            crashGuard = .noting(last: nil)
            self.note = nil
            return true
        }
        let found = queue.readable(through: note.last)
        let source = shared.source
        let isWhole =
            found < queue.readable || queue.hasGap || source.hasEnded || source.isAtTip || source.hasReadGoal
            || !source.canReadMore || source.readPosition >= note.last
        guard isWhole else { return false }
        crashGuard = .noting(last: nil)
        begin(take(found), .crash, after: .zero, &shared)
        units[units.count - 1].attempts = note.count - 1
        sentPosition = max(sentPosition, takenPosition)
        let cause = note.cause.isEmpty ? "" : "; the attempt before it failed: \(note.cause)"
        fail(
            FunctionFailure("the process ended while the function had this batch\(cause)", type: "ProcessEnded"),
            newlyFailed: found, &shared)
        bisectOrRetry(shared.settings, &shared, now)
        return true
    }
}
