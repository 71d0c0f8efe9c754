import StreamModel
import StreamStorage

/// How far each of a shard's lanes is.
package struct LanePositions: Hashable, Sendable {
    /// By lane: everything of the lane up to this number is done. Their number is the parallelization factor.
    package var positions: [SequenceNumber]

    package init(_ positions: [SequenceNumber]) { self.positions = positions }

    /// The highest number that a lane is done with.
    var highest: SequenceNumber { positions.max() ?? .zero }
}

/// How far a mapping is in a shard: what its checkpoint says.
package struct ShardProgress: Hashable, Sendable {
    /// The attempts of the unit that a lane works on.
    package struct LaneNote: Hashable, Sendable {
        package var lane: Int
        package var note: AttemptNote

        package init(lane: Int, _ note: AttemptNote) {
            self.lane = lane
            self.note = note
        }
    }

    /// The most factors of before that are remembered. What the oldest one did beyond the position is done again.
    static let mostEarlier = 4

    /// Every record up to this number is done.
    package var position: SequenceNumber
    /// Whether the shard is closed and everything in it is done (ESM-H4).
    package var isShardEnd: Bool
    /// By lane: everything of the lane up to this number is done (ESM-K4). Empty with one lane, where that is
    /// ``position``.
    package var lanes: [SequenceNumber]
    /// What lanes of other parallelization factors did before, as far as it is beyond ``position`` (ESM-K5).
    package var earlier: [LanePositions]
    /// The attempts of the lanes' first units that a crash must not forget (ESM-A9).
    package var notes: [LaneNote]
    /// The tumbling window as of ``position``, with its state (ESM-T8); nil without windows.
    @Rare package var window: LaneCore.Window?
    /// Why the shard delivers nothing until an operator acts (ESM-N3); nil: it is not paused.
    @Rare package var paused: PausedShard?

    package init(
        position: SequenceNumber, isShardEnd: Bool = false, lanes: [SequenceNumber] = [],
        earlier: [LanePositions] = [], notes: [LaneNote] = [], window: LaneCore.Window? = nil
    ) {
        self.position = position
        self.isShardEnd = isShardEnd
        self.lanes = lanes
        self.earlier = earlier
        self.notes = notes
        self.window = window
    }

    /// The progress of one lane, if the shard has `factor` lanes.
    func position(ofLane lane: Int, of factor: Int) -> SequenceNumber {
        lanes.count == factor && factor > 1 ? lanes[lane] : position
    }

    /// The note of one lane, if the shard has `factor` lanes now: other lanes have other records.
    func note(ofLane lane: Int, of factor: Int) -> AttemptNote? {
        guard max(lanes.count, 1) == factor else { return nil }
        return notes.first { $0.lane == lane }?.note
    }

    /// The same, but that the destination has what the lane gave up, up to `position`.
    package func moved(past giveUp: LaneCore.GiveUp, to position: SequenceNumber) -> ShardProgress {
        var moved = moved(lane: giveUp.lane, to: position)
        // Given up as an operator has ordered.
        if let paused, paused.lane == giveUp.lane, paused.last <= position { moved.paused = nil }
        if let window = giveUp.window {
            moved.window?.end(early: window.isTerminatedEarly)
        } else if giveUp.unit != nil, moved.window?.isOver == false,
            let index = giveUp.records.index(of: position)
        {
            moved.window?.last = LaneCore.RecordName(giveUp.records[index])
        }
        return moved
    }

    /// The same, but that this lane is done up to `position`.
    private func moved(lane: Int, to position: SequenceNumber) -> ShardProgress {
        var moved = self
        moved.notes.removeAll { $0.lane == lane }
        guard !lanes.isEmpty else {
            moved.position = max(self.position, position)
            return moved
        }
        moved.lanes[lane] = max(lanes[lane], position)
        moved.position = moved.lanes.min() ?? position
        return moved
    }
}
