import StreamModel

/// A shard that is paused until an operator acts (ESM-N3).
extension ShardCore {
    /// Why the shard is paused; nil: it is not.
    package var paused: PausedShard? { shared.paused }

    /// Whether the lane decides now: in a paused shard only what is on its way to the failure destination goes on.
    func goesOn(_ lane: Int) -> Bool { shared.paused == nil || lanes[lane].isDelivering }

    mutating func resume(_ order: ResumeOrder, request: UInt64?) {
        if let request { requests.append(request) }
        guard let paused = shared.paused, order.contains(paused) else { return }
        shared.paused = nil
        shared.verdict = nil
        // With another number of lanes the records may be in other batches: they are tried again.
        if lanes.count == paused.laneCount {
            // Until that is done the checkpoint keeps the pause, and the request stays.
            if order.givesUp { shared.verdict = LaneCore.Shared.Verdict(paused) }
            lanes[paused.lane].resume(after: paused, givesUp: order.givesUp)
        }
        shared.trace(.shardResumed(paused, givingUp: order.givesUp))
    }

    /// Ends an order about records that have expired, or that a filter drops now.
    mutating func settleVerdict() {
        guard let verdict = shared.verdict, !verdict.isCarriedOut else { return }
        let paused = verdict.paused
        let isOver =
            paused.recordCount == 0
            ? lanes[0].window?.isOpen != true : durable(paused.lane, read: shared.source.readPosition) >= paused.last
        if isOver { shared.verdict = nil }
    }
}
