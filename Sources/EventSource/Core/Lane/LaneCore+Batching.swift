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
        if endWindow(&shared, now) { return true }
        guard queue.readable > 0 else {
            stage = .collecting(windowOpened: nil)
            return false
        }
        if case .resuming(let note) = crashGuard { return resumeAfterCrash(note, &shared, now) }
        // The window opens when the lane is free and the batch has its first record, whichever is later (ESM-B3).
        let opened = windowOpened ?? now.monotonic
        let window = nextWindow(shared.settings)
        guard let (count, cause) = closing(opened: opened, window, shared, now) else {
            stage = .collecting(windowOpened: opened)
            return false
        }
        let records = take(count)
        enter(window, with: records, &shared)
        begin(records, cause, after: now.monotonic - opened, &shared)
        return true
    }

    /// Why the open batch is closed now, and with how many records; nil if it waits for more (ESM-B1).
    private mutating func closing(
        opened: MonotonicTime, _ window: Window?, _ shared: borrowing Shared, _ now: Moment
    ) -> (count: Int, cause: ClosingCause)? {
        let batchSize = shared.settings.batchSize
        var available = min(queue.readable, batchSize)
        var isAtEdge = false
        if let window {
            let found = queue.readable(arrivedBefore: window.end, atMost: available)
            isAtEdge = found < available
            available = found
        }
        if let payload = shared.settings.payload {
            // ESM-S30
            let (fitting, isFull) = queue.fitting(available, payload.measuring(window))
            if isFull, fitting < batchSize { return (fitting, .payload) }
        }
        if available == batchSize { return (available, .size) }
        if isAtEdge { return (available, .tumblingWindow) }
        if queue.hasGap { return (available, .gap) }
        if shared.source.hasEnded { return (available, .shardEnd) }
        if shared.settings.batchWindow == .zero {
            // The batch takes all that is available: a read that ends at its own limits doesn't close a batch (ESM-B2,
            // ESM-S18).
            if shared.source.isAtTip { return (available, .window) }
        } else if now.monotonic >= opened + shared.settings.batchWindow {
            return (available, .window)
        } else if let window, now.wall >= window.end {
            return (available, .tumblingWindow)
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
        let window = nextWindow(shared.settings)
        if let window, queue.readable(arrivedBefore: window.end, atMost: found) < found {
            // Its batch was of other windows than there are now.
            crashGuard = .noting(last: nil)
            self.note = nil
            return true
        }
        let records = take(found)
        enter(window, with: records, &shared)
        begin(records, .crash, after: .zero, &shared)
        sentPosition = max(sentPosition, takenPosition)
        if carryOut(&shared) { return true }
        if shared.verdict?.paused.lane == number {
            // The records are not the same any more: they are tried again.
            shared.verdict = nil
            crashGuard = .noting(last: nil)
            return true
        }
        countCrash(note, newlyFailed: found, &shared, now)
        return true
    }

    /// Counts the end of the process before as a failed attempt of the unit on top, after those that its note says.
    mutating func countCrash(_ note: AttemptNote, newlyFailed: Int, _ shared: inout Shared, _ now: Moment) {
        crashGuard = .noting(last: nil)
        finalNote = nil
        units[units.count - 1].attempts = note.count - 1
        let cause = note.cause.isEmpty ? "" : "; the attempt before it failed: \(note.cause)"
        fail(
            FunctionFailure("the process ended while the function had this batch\(cause)", type: "ProcessEnded"),
            newlyFailed: newlyFailed, &shared)
        bisectOrRetry(shared.settings, &shared, now)
    }
}
