import StreamModel

/// Keys that are parked because a record of theirs could not be processed (ESM-N1).
extension LaneCore {
    /// Whether records that would be given up for this reason park their keys.
    func parks(_ giveUp: GiveUp, _ settings: Settings) -> Bool {
        guard settings.parksKeys, !giveUp.isOfWindow, giveUp.condition.isOfFunction else { return false }
        // Records without a key have no later ones that would have to wait.
        return !giveUp.records.isEmpty && giveUp.records.allSatisfy { $0.keyByteCount > 0 }
    }

    /// Parks the keys of records that the lane's last unit had. What the lane holds of these keys is taken aside behind
    /// them.
    mutating func park(_ giveUp: GiveUp, _ shared: inout Shared) {
        let cause = FailureCause.kept(
            giveUp.condition, type: giveUp.failure?.type, text: giveUp.failure?.text, attempts: giveUp.invocations)
        var known: Set<UTF8Key> = []
        for record in giveUp.records where known.insert(UTF8Key(record.partitionKey)).inserted {
            var key = shared.parking.keys[record.partitionKey] ?? shared.newParkedKey(record.partitionKey)
            key.cause = cause
            shared.parking.keys[record.partitionKey] = key
        }
        shared.trace(.parkedKeys(GivenUpSpan(giveUp, kept: true), keys: known.count))
        shared.parking.take(giveUp.records, lane: number)
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
