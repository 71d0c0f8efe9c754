import StreamModel
import StreamStorage

extension LaneCore {
    /// Decides about the unit on top, in the order of ESM-A11, so that halves can age out (ESM-X10). Returns true if there
    /// may be more to decide.
    mutating func decide(_ shared: inout Shared, _ now: Moment) -> Bool {
        if endLargeWindow(&shared) { return true }
        let unit = units[units.count - 1]
        let expired = unit.records.count(through: shared.horizon)
        if expired > 0 {
            giveUpHead(expired, .recordsExpired, &shared)
            return true
        }
        if carryOut(&shared) { return true }
        let tooOld = countTooOld(unit.records, shared.settings.maximumRecordAge, now.wall)
        if tooOld > 0 || unit.isFinal && isTooOld(unit, shared.settings.maximumRecordAge, now.wall) {
            giveUpHead(tooOld, .recordAgeExceeded, &shared)
            return true
        }
        if let limit = shared.settings.maximumRetryAttempts, unit.attempts > limit {
            giveUpHead(unit.records.count, .retryAttemptsExhausted, &shared)
            return true
        }
        if let payload = shared.settings.payload, unit.records.count == 1,
            payload.envelope + payload.size(unit.records[0]) > payload.limit
        {
            giveUpHead(1, .payloadSizeExceeded, &shared)
            return true
        }
        protect(&shared, now)
        if let notBefore = units[units.count - 1].notBefore, now.monotonic < notBefore { return false }
        // The function is called while few finished units lack their durable checkpoint (ESM-P9).
        guard unsaved.count <= shared.settings.maximumUnsavedUnits else { return false }
        guard isNoted(unit) else { return false }
        invoke(&shared, now)
        return false
    }

    private func isTooOld(_ unit: Unit, _ limit: Duration?, _ wall: Timestamp) -> Bool {
        limit.map { wall - ageBegins(unit) >= $0 } ?? false
    }

    /// The number of records at the head of the unit that have reached the age limit (ESM-G1, ESM-G2). The count ends
    /// at the first younger record: on stores whose arrival times can decrease, a young record is never given up
    /// because an older one follows it.
    private func countTooOld(_ records: RecordBatch, _ limit: Duration?, _ wall: Timestamp) -> Int {
        guard let limit else { return 0 }
        var count = 0
        for record in records {
            guard wall - record.approximateArrivalTimestamp >= limit else { break }
            count += 1
        }
        return count
    }

    /// A fresh unit waits if a long series of records before it failed, to protect the systems that the function
    /// depends on (ESM-A8).
    private mutating func protect(_ shared: inout Shared, _ now: Moment) {
        let unit = units[units.count - 1]
        guard unit.attempts == 0, unit.notBefore == nil, shared.settings.maximumRetryAttempts != 0,
            failedInARow > max(200, 2 * shared.settings.batchSize)
        else { return }
        protectionWaits += 1
        let wait = shared.pause(before: protectionWaits)
        units[units.count - 1].notBefore = now.monotonic + wait
        shared.trace(.protecting(unit.span, failedInARow: failedInARow, wait: wait))
    }

    /// Whether the unit may be invoked. After an unclean end of the previous process, every attempt of the first batch
    /// must be durable before the function is called (ESM-A9).
    private mutating func isNoted(_ unit: Unit) -> Bool {
        guard case .noting(let last) = crashGuard else { return true }
        guard batchCount == 1 else {
            // The end of the first batch must be durable before the second batch is invoked: if that one crashed the
            // process, the lane would otherwise start at the first batch again.
            guard unsaved.isEmpty else { return false }
            crashGuard = .off
            return true
        }
        if let last, last == (unit.id, unit.attempts) { return true }
        let note = AttemptNote(
            first: unit.first, last: unit.last, count: unit.attempts + 1,
            cause: String(decoding: (unit.failure?.text ?? "").utf8.prefix(Self.noteBytes), as: UTF8.self))
        self.note = note
        stage = .noting(note)
        return false
    }

    /// The bytes of a cause that a note keeps.
    private static let noteBytes = 1024

    private mutating func invoke(_ shared: inout Shared, _ now: Moment) {
        let top = units[units.count - 1]
        var calls = [shared.newInvocation(of: top, lane: number, window: windowCall(for: top))]
        // As many as may be finished before the first one's checkpoint is durable (ESM-P9), and this one.
        let most = min(shared.settings.maximumChain, 1 + shared.settings.maximumUnsavedUnits - unsaved.count)
        while calls.count < most, let next = unit(after: calls.count, &shared, now) {
            calls.append(shared.newInvocation(of: next, lane: number, window: nil))
        }
        begin(calls[...], &shared)
        shared.invocations.append(calls)
    }

    /// The function has these units now, of which the first is on top.
    mutating func begin(_ calls: ArraySlice<Invocation>, _ shared: inout Shared) {
        guard let first = calls.first else { return }
        stage = .invoking(calls)
        units[units.count - 1].lastInvocation = first.number
        shared.trace(.invoked(first.unit.span, invocation: first.number, attempt: first.attempt))
    }

    /// The unit that comes after so many others, if nothing but their success is needed to invoke it: a full batch, which
    /// is closed now if the queue has one.
    private mutating func unit(after count: Int, _ shared: inout Shared, _ now: Moment) -> Unit? {
        // In a window a unit waits for the state that the one before returns.
        guard failedInARow == 0, case .off = crashGuard, window == nil, shared.settings.tumblingWindow == nil else {
            return nil
        }
        if count < units.count {
            let unit = units[units.count - 1 - count]
            return unit.origin == .batch(.size) && unit.lastInvocation == nil && unit.notBefore == nil ? unit : nil
        }
        guard let first = queue.first, queue.readable >= shared.settings.batchSize,
            first.sequenceNumber > shared.horizon,
            shared.settings.maximumRecordAge.map({ now.wall - first.approximateArrivalTimestamp < $0 }) ?? true
        else { return nil }
        if let payload = shared.settings.payload {
            // One record alone may be too large (ESM-B5).
            let (fitting, isFull) = queue.fitting(shared.settings.batchSize, payload)
            guard fitting == shared.settings.batchSize, !(isFull && fitting == 1) else { return nil }
        }
        let unit = newBatch(take(shared.settings.batchSize), .size, after: .zero, &shared)
        units.insert(unit, at: 0)
        return unit
    }

    /// The function can be reached again: a unit that waits for that is invoked now.
    mutating func reachable(_ now: Moment) {
        guard let unit = units.last, unit.unreached > 0 else { return }
        units[units.count - 1].notBefore = now.monotonic
    }
}
