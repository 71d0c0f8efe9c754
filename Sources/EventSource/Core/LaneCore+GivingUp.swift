import StreamModel
import StreamStorage

extension LaneCore {
    /// Gives up the first `count` records of the unit on top, with the unit's attempts. The other records become a
    /// fresh unit (ESM-A3, ESM-G2, ESM-G4, ESM-B5, ESM-R20).
    mutating func giveUpHead(_ count: Int, _ condition: GiveUpCondition) {
        let unit = units[units.count - 1]
        if count < unit.records.count { cut(at: count, .age) }
        let records = units.removeLast().records
        let hasResponse = condition == .retryAttemptsExhausted || condition == .permanentFailure
        begin(
            GiveUp(
                condition: condition, first: unit.first, last: records[records.count - 1].sequenceNumber,
                count: records.count, records: records, invocations: unit.attempts,
                lastInvocation: unit.lastInvocation,
                response: hasResponse
                    ? GiveUp.Response(functionError: unit.failedByReport ? nil : "Unhandled") : nil,
                failure: unit.failure, unit: unit.id, takenThrough: nil))
    }

    /// Gives up records that expired before they were taken into a unit (ESM-G4).
    mutating func giveUp(expired records: RecordBatch) {
        begin(
            GiveUp(
                condition: .recordsExpired, first: records[0].sequenceNumber,
                last: records[records.count - 1].sequenceNumber, count: records.count, records: records,
                invocations: 0, lastInvocation: nil, response: nil, failure: nil, unit: nil, takenThrough: nil))
    }

    /// Gives up records that were never read (ESM-G4).
    mutating func giveUp(_ gap: RecordQueue.Gap) {
        let (first, last) = (gap.range.lowerBound, gap.range.upperBound)
        begin(
            GiveUp(
                condition: gap.condition, first: first, last: last,
                count: denseNumbers ? Int(clamping: gap.range.numberCount) : nil, records: RecordBatch(),
                invocations: 0, lastInvocation: nil, response: nil, failure: nil, unit: nil, takenThrough: nil))
    }

    private mutating func begin(_ giveUp: GiveUp) {
        counters.givenUpUnits[giveUp.condition, default: 0] += 1
        counters.givenUpRecords[giveUp.condition, default: 0] += giveUp.count ?? 0
        if giveUp.condition == .recordsExpired { counters.expired += giveUp.count ?? 0 }
        trace(
            .gaveUp(
                GivenUpSpan(
                    condition: giveUp.condition, first: giveUp.first, last: giveUp.last, count: giveUp.count,
                    invocations: giveUp.invocations, failure: giveUp.failure, kept: settings.hasDestination,
                    ends: [giveUp.records.first, giveUp.records.last].compactMap(\.?.kinesisSequenceNumber),
                    head: giveUp.records.first.map(RecordName.init))))
        if settings.hasDestination { deliver(giveUp) } else { drop(giveUp) }
    }

    private mutating func deliver(_ giveUp: GiveUp) {
        work = .handingOver(giveUp)
        // The checkpoint of the records before these doesn't wait for the destination (ESM-P8).
        settleCheckpoint()
        act(.handOver(giveUp))
    }

    /// Without a destination the records are counted and dropped (ESM-D8).
    private mutating func drop(_ giveUp: GiveUp) {
        work = .none
        deliveryFailures = 0
        let dropped = giveUp.records.count - giveUp.recordsTaken
        if giveUp.condition == .recordsExpired {
            counters.expiredUnkept += dropped
        } else {
            counters.dropped += dropped
        }
        finished(giveUp.last)
    }

    mutating func destinationTook(checkpointed: Bool) {
        guard case .handingOver(let giveUp) = work else { return }
        work = .none
        deliveryFailures = 0
        countTaken(giveUp, through: giveUp.last)
        trace(.handedOver(through: giveUp.last))
        finished(giveUp.last)
        if checkpointed { persisted(giveUp.last) }
    }

    /// Retries the delivery after a pause. The function is not called meanwhile, and the checkpoint stays where it is
    /// (ESM-D9).
    mutating func destinationFailed(_ error: String, takenThrough: SequenceNumber?, _ now: Moment) {
        guard case .handingOver(var giveUp) = work else { return }
        counters.destinationFailures += 1
        deliveryFailures += 1
        if let takenThrough {
            countTaken(giveUp, through: takenThrough)
            giveUp.takenThrough = takenThrough
            finished(takenThrough)
            persisted(takenThrough)
        }
        let wait = settings.backOff.delay(before: deliveryFailures, using: &generator)
        work = .holding(giveUp, until: now.monotonic + wait)
        trace(.destinationFailed(error, failures: deliveryFailures, wait: wait))
    }

    private mutating func countTaken(_ giveUp: GiveUp, through position: SequenceNumber) {
        guard !giveUp.records.isEmpty else {
            counters.destinationDelivered += giveUp.count ?? 0
            counters.deliveredUnread += giveUp.count ?? 0
            return
        }
        counters.destinationDelivered += giveUp.records.count(through: position) - giveUp.recordsTaken
    }

    /// Repeats a failed delivery when it is due. Returns true if there may be more to decide.
    mutating func deliverAgain(_ giveUp: GiveUp, notBefore: MonotonicTime, _ now: Moment) -> Bool {
        guard settings.hasDestination else {
            drop(giveUp)
            return true
        }
        if now.monotonic >= notBefore { deliver(giveUp) }
        return false
    }
}

extension LaneCore.GiveUp {
    /// The number of the records that the destination already has.
    var recordsTaken: Int { takenThrough.map { records.count(through: $0) } ?? 0 }
}
