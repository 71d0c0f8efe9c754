import StreamModel
import StreamStorage

/// Shards that are paused because a record of theirs could not be processed (ESM-N3).
extension LaneCore {
    /// Whether the first records of the unit on top pause the shard in place of being given up for this reason.
    func pauses(_ condition: GiveUpCondition, _ shared: borrowing Shared) -> Bool {
        shared.settings.pausesShard && condition.isOfFunction
    }

    /// Pauses the shard with the unit on top, which stays there.
    mutating func pauseShard(_ condition: GiveUpCondition, _ shared: inout Shared) {
        let unit = units[units.count - 1]
        stage = .deciding
        // Another lane may have paused the shard meanwhile. This unit does so when the shard goes on.
        guard shared.paused == nil else { return }
        let paused = PausedShard(
            shard: shared.shard, since: shared.wall,
            cause: .kept(
                condition, type: unit.failure?.type, text: unit.failure?.text, attempts: unit.attempts),
            lane: number, of: shared.laneCount, first: unit.first, last: unit.last,
            recordCount: unit.records.count, head: unit.span.head)
        note = nil
        shared.paused = paused
        shared.trace(.shardPaused(paused))
    }

    /// The shard goes on after this lane has paused it: the unit on top has all its attempts again, or is given up.
    mutating func resume(after paused: PausedShard, givesUp: Bool) {
        guard let unit = units.last else {
            // The process before had the unit. It is read again as it was.
            guard givesUp, paused.last > takenPosition else { return }
            crashGuard = .resuming(
                AttemptNote(first: paused.first, last: paused.last, count: max(1, paused.cause.attempts), cause: ""))
            return
        }
        guard !givesUp, unit.last == paused.last else { return }
        units[units.count - 1].attempts = 0
        units[units.count - 1].notBefore = nil
    }

    /// Gives up the unit on top if an operator has ordered that. Returns whether it did.
    mutating func carryOut(_ shared: inout Shared) -> Bool {
        guard let verdict = shared.verdict, !verdict.isCarriedOut, let unit = units.last,
            verdict.isAbout(unit, ofLane: number)
        else { return false }
        shared.verdict?.isCarriedOut = true
        if case .resuming = crashGuard { crashGuard = .noting(last: nil) }
        let top = units.count - 1
        units[top].attempts = verdict.paused.cause.attempts
        if units[top].failure == nil, let text = verdict.paused.cause.errorText {
            units[top].failure = FunctionFailure(text, type: verdict.paused.cause.errorType)
        }
        giveUpHead(unit.records.count, verdict.paused.cause.condition, isOrdered: true, &shared)
        return true
    }
}

extension LaneCore.Shared {
    /// What an operator has ordered: that the records that paused the shard are given up. It is there, and the checkpoint has
    /// the pause, until they are in the failure destination.
    struct Verdict: Hashable, Sendable {
        let paused: PausedShard
        /// Whether the records are on their way to the destination.
        var isCarriedOut = false

        init(_ paused: PausedShard) { self.paused = paused }

        /// Whether a unit has the records, of which the first may have expired.
        func isAbout(_ unit: LaneCore.Unit, ofLane number: Int) -> Bool {
            paused.lane == number && unit.last == paused.last && unit.first >= paused.first
        }
    }
}
