import StreamModel
import StreamStorage

extension LaneCore {
    /// Gives up the first `count` records of the unit on top, with the unit's attempts and a document of their own
    /// (ESM-X9). The other records become a fresh unit (ESM-A3, ESM-G2, ESM-G4, ESM-B5, ESM-R20).
    /// Where the settings say so, the shard is paused with them (ESM-N3), or their keys are parked (ESM-N1). `isOrdered` says
    /// that an operator wants them to be given up.
    mutating func giveUpHead(
        _ count: Int, _ condition: GiveUpCondition, isOrdered: Bool = false, _ shared: inout Shared
    ) {
        if !isOrdered, pauses(condition, shared) { return pauseShard(condition, &shared) }
        let unit = units[units.count - 1]
        if unit.isFinal { return giveUpWindow(condition, &shared) }
        if count < unit.records.count { cut(at: count, .age, &shared) }
        let records = units.removeLast().records
        let giveUp = GiveUp(
            lane: number, condition: condition, first: unit.first, last: records[records.count - 1].sequenceNumber,
            count: records.count, records: records, invocations: unit.attempts,
            lastInvocation: unit.lastInvocation,
            response: response(of: unit, condition),
            failure: unit.failure, unit: unit.id, takenThrough: nil)
        if condition.isOfFunction, !isOrdered { shared.counters.exhausted += records.count }
        if !isOrdered, parks(giveUp, shared.settings) { park(giveUp, &shared) } else { begin(giveUp, &shared) }
    }

    /// The document's response, if there was one (ESM-G3).
    private func response(of unit: Unit, _ condition: GiveUpCondition) -> GiveUp.Response? {
        let hasResponse = condition == .retryAttemptsExhausted || condition == .permanentFailure
        return hasResponse ? GiveUp.Response(functionError: unit.failedByReport ? nil : "Unhandled") : nil
    }

    /// Gives up the final invocation on top (ESM-T7). The destination gets the state.
    private mutating func giveUpWindow(_ condition: GiveUpCondition, _ shared: inout Shared) {
        let unit = units.removeLast()
        begin(
            GiveUp(
                lane: number, condition: condition, first: unit.first, last: unit.last, count: 0,
                records: RecordBatch(), invocations: unit.attempts, lastInvocation: unit.lastInvocation,
                response: response(of: unit, condition),
                failure: unit.failure, unit: unit.id, window: windowCall(for: unit), head: unit.span.head), &shared)
    }

    /// Gives up records that expired before they were taken into a unit (ESM-G4).
    mutating func giveUp(expired records: RecordBatch, _ shared: inout Shared) {
        begin(
            GiveUp(
                lane: number, condition: .recordsExpired, first: records[0].sequenceNumber,
                last: records[records.count - 1].sequenceNumber, count: records.count, records: records,
                invocations: 0, lastInvocation: nil, response: nil, failure: nil, unit: nil, takenThrough: nil), &shared
        )
    }

    /// Gives up records that were never read (ESM-G4).
    mutating func giveUp(_ gap: RecordQueue.Gap, _ shared: inout Shared) {
        let (first, last) = (gap.range.lowerBound, gap.range.upperBound)
        begin(
            GiveUp(
                lane: number, condition: gap.condition, first: first, last: last,
                count: shared.denseNumbers && gap.isWhole ? Int(clamping: gap.range.numberCount) : nil,
                records: RecordBatch(),
                invocations: 0, lastInvocation: nil, response: nil, failure: nil, unit: nil, takenThrough: nil), &shared
        )
    }

    private mutating func begin(_ giveUp: GiveUp, _ shared: inout Shared) {
        shared.counters.givenUpUnits[giveUp.condition, default: 0] += 1
        shared.counters.givenUpRecords[giveUp.condition, default: 0] += giveUp.count ?? 0
        if giveUp.condition == .recordsExpired { shared.counters.expired += giveUp.count ?? 0 }
        shared.trace(.gaveUp(GivenUpSpan(giveUp, kept: shared.settings.hasDestination)))
        if shared.settings.hasDestination {
            stage = .delivering(Delivery(giveUp: giveUp))
        } else {
            drop(giveUp, &shared)
        }
    }

    /// Without a destination the records are counted and dropped (ESM-D8).
    private mutating func drop(_ giveUp: GiveUp, _ shared: inout Shared) {
        let dropped = giveUp.records.count - giveUp.recordsTaken
        if giveUp.condition == .recordsExpired {
            shared.counters.expiredUnkept += dropped
        } else {
            shared.counters.dropped += dropped
        }
        ended(giveUp, &shared)
    }

    /// What was given up is dropped or in the destination.
    private mutating func ended(_ giveUp: GiveUp, _ shared: inout Shared) {
        if shared.verdict?.isCarriedOut == true, shared.verdict?.paused.lane == number { shared.verdict = nil }
        let settings = shared.settings
        finished(giveUp.last)
        if let window = giveUp.window {
            windowEnded(early: window.isTerminatedEarly, settings)
        } else if giveUp.unit != nil, let last = giveUp.records.last {
            windowMoved(to: last, state: nil)
        }
        goOn()
    }

    /// The destination has stored the records durably.
    mutating func destinationTook(_ shared: inout Shared) {
        guard case .delivering(let delivery) = stage else { return }
        countTaken(delivery.giveUp, through: delivery.giveUp.last, &shared)
        shared.trace(.handedOver(through: delivery.giveUp.last))
        ended(delivery.giveUp, &shared)
    }

    /// Retries the delivery after a pause. The function is not called meanwhile, and the checkpoint stays before the
    /// records that the destination did not take (ESM-D9).
    mutating func destinationFailed(
        _ error: String, takenThrough: SequenceNumber?, _ shared: inout Shared, _ now: Moment
    ) {
        guard case .delivering(var delivery) = stage else { return }
        shared.counters.destinationFailures += 1
        delivery.failures += 1
        if let takenThrough {
            countTaken(delivery.giveUp, through: takenThrough, &shared)
            delivery.giveUp.takenThrough = takenThrough
            finished(takenThrough)
        }
        let wait = shared.pause(before: delivery.failures)
        delivery.step = .failed(until: now.monotonic + wait)
        stage = .delivering(delivery)
        shared.trace(.destinationFailed(error, failures: delivery.failures, wait: wait))
    }

    private func countTaken(_ giveUp: GiveUp, through position: SequenceNumber, _ shared: inout Shared) {
        guard !giveUp.records.isEmpty else {
            shared.counters.destinationDelivered += giveUp.count ?? 0
            shared.counters.deliveredUnread += giveUp.count ?? 0
            return
        }
        shared.counters.destinationDelivered += giveUp.records.count(through: position) - giveUp.recordsTaken
    }

    /// Repeats a failed delivery when it is due. Returns true if there may be more to decide.
    mutating func deliverAgain(_ delivery: Delivery, _ shared: inout Shared, _ now: Moment) -> Bool {
        guard case .failed(let until) = delivery.step else { return false }
        guard shared.settings.hasDestination else {
            drop(delivery.giveUp, &shared)
            return true
        }
        if now.monotonic >= until {
            var delivery = delivery
            delivery.step = .due
            stage = .delivering(delivery)
        }
        return false
    }
}

extension LaneCore.GiveUp {
    /// The number of the records that the destination already has.
    var recordsTaken: Int { takenThrough.map { records.count(through: $0) } ?? 0 }
}
