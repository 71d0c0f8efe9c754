import StreamModel
import StreamStorage

extension LaneCore {
    /// The first of the calls has ended. If it succeeded, the next one runs; otherwise there is none.
    mutating func ended(
        _ calls: ArraySlice<Invocation>, _ result: InvocationResult, state: [UInt8]?, added: [AddedRecord],
        _ shared: inout Shared, _ now: Moment
    ) {
        let invocation = calls[calls.startIndex]
        shared.adding.offer(added, of: invocation.unit)
        defer { shared.adding.endOffer() }
        stage = .deciding
        defer { if case .deciding = stage { goOn() } }
        let unit = invocation.unit
        // The response is judged by the settings that the function was called with (ESM-L4).
        let settings = invocation.settings
        switch result {
        case .notReached(let failure): return notReached(failure, &shared, now)
        case .notCalled, .expired:
            if unit.attempts == 0 { units[units.count - 1].lastInvocation = nil }
            return
        default: break
        }
        units[units.count - 1].unreached = 0
        countReached(unit, &shared)
        // What is done needs a state that covers it, also where it is a part of the unit.
        let refusal = refusal(of: state, for: invocation)
        switch result {
        case .notReached, .notCalled, .expired, .cancelled: break
        case .success:
            if let refusal { return failWhole(refusal, settings, &shared, now) }
            units.removeLast()
            succeeded(unit, state, &shared)
            shared.trace(.succeeded(unit.span))
            begin(calls.dropFirst(), &shared)
        case .failed(let failure):
            units[units.count - 1].failedByReport = false
            failWhole(failure, settings, &shared, now)
        case .badReport(let failure):
            units[units.count - 1].failedByReport = true
            failWhole(failure, settings, &shared, now)
        case .partial(let number, let failure):
            guard settings.reportsFailures else { return failWhole(failure, settings, &shared, now) }
            guard let index = unit.records.index(of: number) else { return foreign(number, settings, &shared, now) }
            if index > 0, let refusal { return failWhole(refusal, settings, &shared, now) }
            partial(index, failure, state, settings, &shared, now)
        case .permanent(let number?, let failure):
            guard let index = unit.records.index(of: number) else { return foreign(number, settings, &shared, now) }
            if index > 0, let refusal { return failWhole(refusal, settings, &shared, now) }
            permanent(index, failure, state, &shared)
        case .permanent(nil, let failure):
            permanentSomewhere(failure, &shared)
        }
    }

    /// Counts the result of an invocation that ended after its shard. Nothing is decided from it.
    mutating func abandoned(_ calls: ArraySlice<Invocation>, _ result: InvocationResult, _ shared: inout Shared) {
        stage = .deciding
        if case .notReached = result { shared.counters.notReached += 1 }
        guard result.isReached else { return }
        countReached(calls[calls.startIndex].unit, &shared)
        switch result {
        case .success:
            succeeded(units.removeLast(), nil, &shared)
            begin(calls.dropFirst(), &shared)
        case .cancelled: break
        default: countFailedInvocation(&shared)
        }
    }

    /// Retries the same unit after a pause, without counting an attempt (ESM-A4) or splitting it (ESM-X4).
    private mutating func notReached(
        _ failure: FunctionFailure, _ shared: inout Shared, _ now: Moment
    ) {
        let top = units.count - 1
        shared.counters.notReached += 1
        units[top].unreached += 1
        let wait = shared.pause(before: units[top].unreached)
        units[top].notBefore = now.monotonic + wait
        shared.trace(.notReached(units[top].span, failure, wait: wait))
    }

    private mutating func countReached(_ unit: Unit, _ shared: inout Shared) {
        shared.counters.invocations += 1
        shared.counters.invokedRecords += unit.records.count
        shared.counters.resentRecords += unit.records.count(through: sentPosition)
        if unit.attempts > 0 { shared.counters.retries += 1 }
        sentPosition = max(sentPosition, unit.last)
    }

    /// The unit is done; `state` is what the function returned for its window.
    private mutating func succeeded(_ unit: Unit, _ state: [UInt8]?, _ shared: inout Shared) {
        shared.counters.succeeded += unit.records.count
        shared.adding.accept(unit, lane: number)
        finished(unit.last)
        failedInARow = 0
        protectionWaits = 0
        failedPosition = max(failedPosition, unit.last)
        switch unit.origin {
        case .windowEnd(let early): windowEnded(early: early, shared.settings)
        case .batch, .part: if window != nil { windowMoved(to: unit.records[unit.records.count - 1], state: state) }
        }
    }

    /// Records a failed attempt of the unit on top. Its first `newlyFailed` records count for ESM-A8, each record once.
    mutating func fail(
        _ failure: FunctionFailure, newlyFailed: Int, namesFirst: Bool = false, _ shared: inout Shared
    ) {
        let top = units.count - 1
        units[top].attempts += 1
        units[top].failure = failure
        let records = units[top].records
        let before = min(records.count(through: failedPosition), newlyFailed)
        failedInARow += newlyFailed - before
        if newlyFailed > 0 { failedPosition = max(failedPosition, records[newlyFailed - 1].sequenceNumber) }
        let span = namesFirst ? units[top].span.failing(at: records[0]) : units[top].span
        shared.trace(.failed(span, attempt: units[top].attempts, failure))
    }

    private mutating func countFailedInvocation(_ shared: inout Shared) {
        shared.counters.errors += 1
        shared.counters.failedInvokedRecords += units[units.count - 1].records.count
    }

    /// All of the unit failed. It may be halved, also where the function may report (ESM-X5).
    private mutating func failWhole(
        _ failure: FunctionFailure, _ settings: Settings, _ shared: inout Shared, _ now: Moment
    ) {
        countFailedInvocation(&shared)
        fail(failure, newlyFailed: units[units.count - 1].records.count, &shared)
        bisectOrRetry(settings, &shared, now)
    }

    /// The function's error or response names a record that is not in the unit (ESM-R8).
    private mutating func foreign(
        _ number: SequenceNumber, _ settings: Settings, _ shared: inout Shared, _ now: Moment
    ) {
        units[units.count - 1].failedByReport = true
        failWhole(
            FunctionFailure(
                "the function reported record \(number), which is not in this batch", type: "BadReport"), settings,
            &shared,
            now)
    }

    /// Halves a unit of several records if the settings say so (ESM-X1), and retries the unit otherwise.
    mutating func bisectOrRetry(_ settings: Settings, _ shared: inout Shared, _ now: Moment) {
        let count = units[units.count - 1].records.count
        if settings.bisectsOnError, count > 1 {
            halve(count, &shared)
        } else {
            retry(&shared, now)
        }
    }

    /// What that costs follows from it (ESM-X11, ESM-X12).
    private mutating func halve(_ count: Int, _ shared: inout Shared) {
        shared.counters.splits += 1
        cut(at: (count + 1) / 2, .bisect, &shared)
    }

    /// Sets the pause before the next attempt (ESM-A7). Whether the attempt is made is decided when it is due
    /// (ESM-A11).
    private mutating func retry(_ shared: inout Shared, _ now: Moment) {
        let top = units.count - 1
        if let limit = shared.settings.maximumRetryAttempts, units[top].attempts > limit { return }
        let wait = shared.pause(before: units[top].attempts)
        units[top].notBefore = now.monotonic + wait
        shared.trace(.retrying(units[top].span, retry: units[top].attempts, wait: wait))
    }

    /// The function reported the record at `index` as the first that failed (ESM-R10).
    private mutating func partial(
        _ index: Int, _ failure: FunctionFailure, _ state: [UInt8]?, _ settings: Settings, _ shared: inout Shared,
        _ now: Moment
    ) {
        countFailedInvocation(&shared)
        guard index > 0 else {
            // Without progress it counts as an attempt of the unit (ESM-R16).
            units[units.count - 1].failedByReport = true
            fail(failure, newlyFailed: 1, namesFirst: true, &shared)
            guard settings.bisectsOnError, units[units.count - 1].records.count > 1 else { return retry(&shared, now) }
            shared.counters.splits += 1
            return cut(at: 1, .isolate, &shared)
        }
        let unit = units[units.count - 1]
        shared.trace(.failed(unit.span.failing(at: unit.records[index]), attempt: unit.attempts + 1, failure))
        finishHead(index, state, &shared)
        let record = units[units.count - 1].first
        if record > failedPosition {
            failedInARow += 1
            failedPosition = record
        }
    }

    /// The records before `index` in the unit on top are done, and the returned state covers them (ESM-T9); the others
    /// become a fresh unit (ESM-R15), also with bisect (ESM-X6).
    private mutating func finishHead(_ index: Int, _ state: [UInt8]?, _ shared: inout Shared) {
        let unit = units[units.count - 1]
        shared.counters.partialSuccesses += 1
        shared.trace(.progressed(unit.span, before: unit.records[index].sequenceNumber))
        cut(at: index, .progress, &shared)
        succeeded(units.removeLast(), state, &shared)
    }

    /// The record at `index` is given up at once. The records before it are done, and those after it become a fresh
    /// unit (ESM-R20).
    private mutating func permanent(
        _ index: Int, _ failure: FunctionFailure, _ state: [UInt8]?, _ shared: inout Shared
    ) {
        countFailedInvocation(&shared)
        let invoked = units[units.count - 1]
        shared.trace(.failed(invoked.span.failing(at: invoked.records[index]), attempt: invoked.attempts + 1, failure))
        if index > 0 { finishHead(index, state, &shared) }
        if units[units.count - 1].records.count > 1 { cut(at: 1, .permanent, &shared) }
        // The document of the record counts the attempts of the unit that was invoked (ESM-D4).
        let top = units.count - 1
        units[top].attempts = invoked.attempts + 1
        units[top].lastInvocation = invoked.lastInvocation
        units[top].failure = failure
        giveUpHead(1, .permanentFailure, &shared)
    }

    /// An unnamed record of the unit can never succeed. Halving finds it, also if units are not bisected on other
    /// failures, because a retry of the whole unit would fail again (ESM-R20).
    private mutating func permanentSomewhere(_ failure: FunctionFailure, _ shared: inout Shared) {
        countFailedInvocation(&shared)
        fail(failure, newlyFailed: 0, &shared)
        let count = units[units.count - 1].records.count
        if count > 1 { halve(count, &shared) } else { giveUpHead(1, .permanentFailure, &shared) }
    }

    /// Splits the unit on top into two fresh units without attempts (ESM-X3): its first `count` records on top, the
    /// others below.
    mutating func cut(at count: Int, _ reason: SplitReason, _ shared: inout Shared) {
        let unit = units.removeLast()
        let head = shared.newUnit(unit.records.extracting(0..<count), .part(of: unit.id, reason), lane: number)
        let tail = shared.newUnit(
            unit.records.extracting(count..<unit.records.count), .part(of: unit.id, reason), lane: number)
        units.append(tail)
        units.append(head)
        shared.trace(.split(unit.span, reason, into: head.span, and: tail.span))
    }
}
