import StreamModel
import StreamStorage

extension LaneCore {
    mutating func invocationEnded(_ number: Int, _ result: InvocationResult, _ now: Moment) {
        guard case .invoking(let invocation) = work, invocation.number == number else {
            assertionFailure("invocation \(number) ended, which was not running")
            return
        }
        work = .none
        let unit = invocation.unit
        // The response is judged by the settings that the function was called with (ESM-L4).
        let settings = invocation.settings
        switch result {
        case .notReached(let failure): return notReached(failure, now)
        case .notCalled: return
        case .expired:
            if unit.attempts == 0 { units[units.count - 1].lastInvocation = nil }
            return
        default: break
        }
        units[units.count - 1].unreached = 0
        countReached(unit)
        switch result {
        case .notReached, .notCalled, .expired, .cancelled: break
        case .success:
            units.removeLast()
            succeeded(unit.records)
            trace(.succeeded(unit.span))
        case .failed(let failure):
            units[units.count - 1].failedByReport = false
            failWhole(failure, settings, now)
        case .badReport(let failure):
            units[units.count - 1].failedByReport = true
            failWhole(failure, settings, now)
        case .partial(let number, let failure):
            guard settings.reportsFailures else { return failWhole(failure, settings, now) }
            guard let index = unit.records.index(of: number) else { return foreign(number, settings, now) }
            partial(index, failure, settings, now)
        case .permanent(let number?, let failure):
            guard let index = unit.records.index(of: number) else { return foreign(number, settings, now) }
            permanent(index, failure)
        case .permanent(nil, let failure):
            permanentSomewhere(failure)
        }
    }

    /// Counts the result of an invocation that ended after its lane. Nothing is decided from it.
    package mutating func invocationAbandoned(_ result: InvocationResult) {
        guard case .invoking(let invocation) = work else { return }
        work = .none
        if case .notReached = result { counters.notReached += 1 }
        guard result.isReached else { return }
        countReached(invocation.unit)
        switch result {
        case .success: succeeded(units.removeLast().records)
        case .cancelled: break
        default: countFailedInvocation()
        }
    }

    /// Retries the same unit after a pause, without counting an attempt (ESM-A4).
    private mutating func notReached(_ failure: FunctionFailure, _ now: Moment) {
        let top = units.count - 1
        counters.notReached += 1
        units[top].unreached += 1
        let wait = settings.backOff.delay(before: units[top].unreached, using: &generator)
        units[top].notBefore = now.monotonic + wait
        trace(.notReached(units[top].span, failure, wait: wait))
    }

    private mutating func countReached(_ unit: Unit) {
        counters.invocations += 1
        counters.invokedRecords += unit.records.count
        counters.resentRecords += unit.records.count(through: sentPosition)
        if unit.attempts > 0 { counters.retries += 1 }
        sentPosition = max(sentPosition, unit.last)
    }

    private mutating func succeeded(_ records: RecordBatch) {
        counters.succeeded += records.count
        finished(records.lastSequence)
        failedInARow = 0
        protectionWaits = 0
        failedPosition = max(failedPosition, records.lastSequence)
    }

    /// Records a failed attempt of the unit on top. Its first `newlyFailed` records count for ESM-A8, each record once.
    mutating func fail(_ failure: FunctionFailure, newlyFailed: Int, namesFirst: Bool = false) {
        let top = units.count - 1
        units[top].attempts += 1
        units[top].failure = failure
        let records = units[top].records
        let before = min(records.count(through: failedPosition), newlyFailed)
        failedInARow += newlyFailed - before
        if newlyFailed > 0 { failedPosition = max(failedPosition, records[newlyFailed - 1].sequenceNumber) }
        let span = namesFirst ? units[top].span.failing(at: records[0]) : units[top].span
        trace(.failed(span, attempt: units[top].attempts, failure))
    }

    private mutating func countFailedInvocation() {
        counters.errors += 1
        counters.failedInvokedRecords += units[units.count - 1].records.count
    }

    private mutating func failWhole(_ failure: FunctionFailure, _ settings: Settings, _ now: Moment) {
        countFailedInvocation()
        fail(failure, newlyFailed: units[units.count - 1].records.count)
        bisectOrRetry(settings, now)
    }

    /// The function's error or response names a record that is not in the unit (ESM-R8).
    private mutating func foreign(_ number: SequenceNumber, _ settings: Settings, _ now: Moment) {
        units[units.count - 1].failedByReport = true
        failWhole(
            FunctionFailure(
                "the function reported record \(number), which is not in this batch", type: "BadReport"), settings, now)
    }

    /// Halves a unit of several records if the settings say so (ESM-X1), and retries the unit otherwise.
    mutating func bisectOrRetry(_ settings: Settings, _ now: Moment) {
        let count = units[units.count - 1].records.count
        if settings.bisectsOnError, count > 1 {
            halve(count)
        } else {
            retry(now)
        }
    }

    private mutating func halve(_ count: Int) {
        counters.splits += 1
        cut(at: (count + 1) / 2, .bisect)
    }

    /// Sets the pause before the next attempt (ESM-A7). Whether the attempt is made is decided when it is due
    /// (ESM-A11).
    private mutating func retry(_ now: Moment) {
        let top = units.count - 1
        if let limit = settings.maximumRetryAttempts, units[top].attempts > limit { return }
        let wait = settings.backOff.delay(before: units[top].attempts, using: &generator)
        units[top].notBefore = now.monotonic + wait
        trace(.retrying(units[top].span, retry: units[top].attempts, wait: wait))
    }

    /// The function reported the record at `index` as the first that failed (ESM-R10).
    private mutating func partial(_ index: Int, _ failure: FunctionFailure, _ settings: Settings, _ now: Moment) {
        countFailedInvocation()
        guard index > 0 else {
            units[units.count - 1].failedByReport = true
            fail(failure, newlyFailed: 1, namesFirst: true)
            guard settings.bisectsOnError, units[units.count - 1].records.count > 1 else { return retry(now) }
            counters.splits += 1
            return cut(at: 1, .isolate)
        }
        let unit = units[units.count - 1]
        trace(.failed(unit.span.failing(at: unit.records[index]), attempt: unit.attempts + 1, failure))
        finishHead(index)
        let record = units[units.count - 1].first
        if record > failedPosition {
            failedInARow += 1
            failedPosition = record
        }
    }

    /// The records before `index` in the unit on top are done; the others become a fresh unit (ESM-R15).
    private mutating func finishHead(_ index: Int) {
        let unit = units[units.count - 1]
        counters.partialSuccesses += 1
        trace(.progressed(unit.span, before: unit.records[index].sequenceNumber))
        cut(at: index, .progress)
        succeeded(units.removeLast().records)
    }

    /// The record at `index` is given up at once. The records before it are done, and those after it become a fresh
    /// unit (ESM-R20).
    private mutating func permanent(_ index: Int, _ failure: FunctionFailure) {
        countFailedInvocation()
        let invoked = units[units.count - 1]
        trace(.failed(invoked.span.failing(at: invoked.records[index]), attempt: invoked.attempts + 1, failure))
        if index > 0 { finishHead(index) }
        if units[units.count - 1].records.count > 1 { cut(at: 1, .permanent) }
        // The document of the record counts the attempts of the unit that was invoked (ESM-D4).
        let top = units.count - 1
        units[top].attempts = invoked.attempts + 1
        units[top].lastInvocation = invoked.lastInvocation
        units[top].failure = failure
        giveUpHead(1, .permanentFailure)
    }

    /// An unnamed record of the unit can never succeed. Halving finds it, also if units are not bisected on other
    /// failures, because a retry of the whole unit would fail again (ESM-R20).
    private mutating func permanentSomewhere(_ failure: FunctionFailure) {
        countFailedInvocation()
        fail(failure, newlyFailed: 0)
        let count = units[units.count - 1].records.count
        if count > 1 { halve(count) } else { giveUpHead(1, .permanentFailure) }
    }

    /// Splits the unit on top into two fresh units: its first `count` records on top, the others below.
    mutating func cut(at count: Int, _ reason: SplitReason) {
        let unit = units.removeLast()
        let head = newUnit(unit.records.extracting(0..<count), .part(of: unit.id, reason))
        let tail = newUnit(unit.records.extracting(count..<unit.records.count), .part(of: unit.id, reason))
        units.append(tail)
        units.append(head)
        trace(.split(unit.span, reason, into: head.span, and: tail.span))
    }
}
