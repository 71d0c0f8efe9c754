import StreamModel

/// Keys that are parked because a record of theirs could not be processed (ESM-N1).
extension LaneCore {
    /// Whether records that would be given up for this reason park their keys.
    func parks(_ giveUp: GiveUp, _ settings: Settings) -> Bool {
        guard settings.whenExhausted == .parkKey, !giveUp.isOfWindow else { return false }
        switch giveUp.condition {
        case .retryAttemptsExhausted, .permanentFailure, .payloadSizeExceeded: break
        default: return false
        }
        // Records without a key have no later ones that would have to wait.
        return !giveUp.records.isEmpty && giveUp.records.allSatisfy { $0.keyByteCount > 0 }
    }

    /// Parks the keys of records that the lane's last unit had. What the lane holds of these keys is taken aside behind
    /// them.
    mutating func park(_ giveUp: GiveUp, _ shared: inout Shared) {
        var known: Set<UTF8Key> = []
        for record in giveUp.records where known.insert(UTF8Key(record.partitionKey)).inserted {
            var key = shared.parking.keys[record.partitionKey] ?? shared.newParkedKey(record.partitionKey)
            key.cause = ParkedKey.Cause(giveUp)
            shared.parking.keys[record.partitionKey] = key
        }
        shared.trace(
            .parkedKeys(
                GivenUpSpan(
                    condition: giveUp.condition, first: giveUp.first, last: giveUp.last, count: giveUp.count,
                    invocations: giveUp.invocations, failure: giveUp.failure, kept: true, ends: giveUp.ends,
                    head: giveUp.span.head), keys: known.count))
        shared.parking.take(giveUp.records, lane: number, failed: giveUp)
        takeParkedAside(&shared)
        finished(giveUp.last)
        goOn()
    }

    /// Takes aside what units without attempts and the queue have of parked keys.
    mutating func takeParkedAside(_ shared: inout Shared) {
        // The unit on top comes first.
        for index in units.indices.reversed() {
            let unit = units[index]
            guard !unit.isFinal, unit.attempts == 0 else { continue }
            let (parked, others) = shared.parking.keys.divide(unit.records)
            guard !parked.isEmpty else { continue }
            shared.parking.take(parked, lane: number)
            units[index] = others.isEmpty ? unit : shared.newUnit(others, .part(of: unit.id, .parked), lane: number)
            if others.isEmpty { units.remove(at: index) }
        }
        shared.parking.take(queue.takeParked(shared.parking.keys), lane: number)
    }
}

extension ParkedKey.Cause {
    init(_ giveUp: LaneCore.GiveUp) {
        self.init(
            condition: giveUp.condition,
            errorType: giveUp.failure?.type.map { LaneCore.FunctionFailure.limited($0, to: 256) },
            errorText: giveUp.failure.map { LaneCore.FunctionFailure.limited($0.text, to: ParkedKey.errorTextLimit) },
            attempts: giveUp.invocations)
    }
}
