import StreamModel
import StreamStorage

extension LaneCore {
    /// Decides about the unit on top, in the order of ESM-A11. Returns true if there may be more to decide.
    mutating func decide(_ now: Moment) -> Bool {
        let unit = units[units.count - 1]
        let expired = unit.records.count(through: horizon)
        if expired > 0 {
            giveUpHead(expired, .recordsExpired)
            return true
        }
        let tooOld = countTooOld(unit.records, now.wall)
        if tooOld > 0 {
            giveUpHead(tooOld, .recordAgeExceeded)
            return true
        }
        if let limit = settings.maximumRetryAttempts, unit.attempts > limit {
            giveUpHead(unit.records.count, .retryAttemptsExhausted)
            return true
        }
        if let payload = settings.payload, unit.records.count == 1,
            payload.envelope + payload.size(unit.records[0]) > payload.limit
        {
            giveUpHead(1, .payloadSizeExceeded)
            return true
        }
        protect(now)
        if let notBefore = units[units.count - 1].notBefore, now.monotonic < notBefore { return false }
        // The function is called while at most one finished unit lacks its durable checkpoint (ESM-P9).
        guard unpersisted.count <= 1 else { return false }
        guard isNoted(unit) else { return false }
        invoke()
        return false
    }

    /// The number of records at the head of the unit that have reached the age limit (ESM-G1, ESM-G2). The count ends
    /// at the first younger record: on stores whose arrival times can decrease, a young record is never given up
    /// because an older one follows it.
    private func countTooOld(_ records: RecordBatch, _ wall: Timestamp) -> Int {
        guard let limit = settings.maximumRecordAge else { return 0 }
        var count = 0
        for record in records {
            guard wall - record.approximateArrivalTimestamp >= limit else { break }
            count += 1
        }
        return count
    }

    /// A fresh unit waits if a long series of records before it failed, to protect the systems that the function
    /// depends on (ESM-A8).
    private mutating func protect(_ now: Moment) {
        let unit = units[units.count - 1]
        guard unit.attempts == 0, unit.notBefore == nil, settings.maximumRetryAttempts != 0,
            failedInARow > max(200, 2 * settings.batchSize)
        else { return }
        protectionWaits += 1
        let wait = settings.backOff.delay(before: protectionWaits, using: &generator)
        units[units.count - 1].notBefore = now.monotonic + wait
        trace(.protecting(unit.span, failedInARow: failedInARow, wait: wait))
    }

    /// Whether the unit may be invoked. After an unclean end of the previous process, every attempt of the first batch
    /// must be durable before the function is called (ESM-A9).
    private mutating func isNoted(_ unit: Unit) -> Bool {
        guard notesAttempts else { return true }
        // A checkpoint drops the note, so all checkpoints must be durable before a note is written. The end of the
        // first batch must be durable before the second batch is invoked: if that one crashed the process, the lane
        // would otherwise start at the first batch again.
        guard unpersisted.isEmpty, openCheckpoint == nil else { return false }
        guard batchCount == 1 else {
            notesAttempts = false
            return true
        }
        if let noted, noted == (unit.id, unit.attempts) { return true }
        let note = AttemptNote(
            first: unit.first, last: unit.last, count: unit.attempts + 1, cause: unit.failure?.text ?? "")
        work = .noting(note)
        act(.noteAttempt(note))
        return false
    }

    mutating func attemptNoted() {
        guard case .noting(let note) = work else { return }
        work = .none
        if let unit = units.last { noted = (unit.id, note.count - 1) }
    }

    private mutating func invoke() {
        invocationCount += 1
        units[units.count - 1].lastInvocation = invocationCount
        let invocation = Invocation(number: invocationCount, unit: units[units.count - 1], settings: settings)
        work = .invoking(invocation)
        trace(
            .invoked(invocation.unit.span, invocation: invocationCount, attempt: invocation.attempt))
        // The checkpoint's write starts first; the function does not wait for it (ESM-P9).
        settleCheckpoint()
        act(.invoke(invocation))
    }

    mutating func reachable(_ now: Moment) {
        guard let unit = units.last, unit.unreached > 0 else { return }
        units[units.count - 1].notBefore = now.monotonic
    }
}
