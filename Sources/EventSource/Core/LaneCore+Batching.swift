import StreamModel
import StreamStorage

extension LaneCore {
    /// Closes the next batch if it is due, or gives up the missing or expired records that come first. The lane has no
    /// unit when this is called. Returns true if there may be more to decide.
    mutating func closeBatch(_ now: Moment) -> Bool {
        guard !hasTakenGoal else {
            windowOpened = nil
            return false
        }
        if let gap = queue.takeGap() {
            takenPosition = max(takenPosition, gap.range.upperBound)
            giveUp(gap)
            return true
        }
        let expired = queue.readable(through: horizon)
        if expired > 0 {
            giveUp(expired: take(expired))
            return true
        }
        guard wanted > 0 else {
            windowOpened = nil
            return false
        }
        if crashNote != nil { return resumeAfterCrash(now) }
        // The window opens when the lane is free and the batch has its first record, whichever is later (ESM-B3).
        let opened = windowOpened ?? now.monotonic
        windowOpened = opened
        guard let (count, cause) = closing(opened: opened, now.monotonic) else { return false }
        let unit = newUnit(take(count), .batch(cause))
        units.append(unit)
        batchCount += 1
        counters.batches[cause] += 1
        trace(.closed(unit.span, cause, after: now.monotonic - opened))
        windowOpened = nil
        return true
    }

    /// Why the open batch is closed now, and with how many records; nil if it waits for more (ESM-B1).
    private mutating func closing(
        opened: MonotonicTime, _ now: MonotonicTime
    ) -> (count: Int, cause: ClosingCause)? {
        let available = min(wanted, settings.batchSize)
        if let payload = settings.payload {
            let (fitting, isFull) = queue.fitting(available, payload)
            if isFull, fitting < settings.batchSize { return (fitting, .payload) }
        }
        if available == settings.batchSize { return (available, .size) }
        if queue.hasGap { return (available, .gap) }
        if shardHasEnded { return (available, .shardEnd) }
        if settings.batchWindow == .zero {
            // The batch takes all that is available: a read that ends at its own limits doesn't close a batch (ESM-B2,
            // ESM-S18).
            if isAtTip { return (available, .window) }
        } else if now >= opened + settings.batchWindow {
            return (available, .window)
        }
        // No later record belongs to this batch.
        if hasReadGoal { return (available, .caughtUp) }
        return canReadMoreAtOnce ? nil : (available, .memory)
    }

    /// The number of records before the first gap, up to the goal.
    private var wanted: Int {
        guard let goal, hasReadGoal else { return queue.readable }
        return queue.readable(through: goal)
    }

    private mutating func take(_ count: Int) -> RecordBatch {
        let records = queue.take(count)
        takenPosition = records.lastSequence
        batchHolds = (records.count, records.byteCount)
        return records
    }

    mutating func newUnit(_ records: RecordBatch, _ origin: Unit.Origin) -> Unit {
        unitCount += 1
        return Unit(id: unitCount, records: records, origin: origin)
    }

    /// Takes the unit whose invocation was running when the previous process ended. That end counts as a time-out
    /// (ESM-A9).
    private mutating func resumeAfterCrash(_ now: Moment) -> Bool {
        guard let note = crashNote, let first = queue.first?.sequenceNumber else { return false }
        guard note.first <= first, first <= note.last else {
            // The note names records that are done, or that are not the next ones.
            crashNote = nil
            return true
        }
        let found = queue.readable(through: note.last)
        let isWhole =
            found < queue.readable || queue.hasGap || shardHasEnded || isAtTip || hasReadGoal || !canReadMoreAtOnce
            || readPosition >= note.last
        guard isWhole else { return false }
        crashNote = nil
        var unit = newUnit(take(found), .batch(.crash))
        unit.attempts = note.count - 1
        units.append(unit)
        batchCount += 1
        counters.batches[.crash] += 1
        sentPosition = max(sentPosition, unit.last)
        trace(.closed(unit.span, .crash, after: .zero))
        let cause = note.cause.isEmpty ? "" : "; the attempt before it failed: \(note.cause)"
        fail(
            FunctionFailure("the process ended while the function had this batch\(cause)", type: "ProcessEnded"),
            newlyFailed: unit.records.count)
        bisectOrRetry(settings, now)
        return true
    }
}
