import StreamModel
import StreamStorage

extension LaneCore {
    /// Everything up to here is done (ESM-P6, ESM-P8).
    mutating func finished(_ position: SequenceNumber) {
        donePosition = max(donePosition, position)
        unpersisted.append(position)
    }

    /// A checkpoint at or after this position is durable.
    mutating func persisted(_ position: SequenceNumber) {
        persistedPosition = max(persistedPosition, position)
        unpersisted.removeAll { $0 <= position }
        counters.checkpoints += 1
        trace(.checkpointed(position))
    }

    mutating func checkpointed() {
        guard let (position, isShardEnd) = openCheckpoint else { return }
        openCheckpoint = nil
        persisted(position)
        if isShardEnd { stopped(.shardEnd) }
    }

    /// Moves the done position to the goal once every record up to it is done: no record has the numbers after the last
    /// one.
    mutating func settleGoal() {
        guard let goal, hasReadGoal, donePosition < goal else { return }
        let isLeft = queue.hasGap || queue.readable(through: goal) > 0
        guard !isLeft else { return }
        takenPosition = max(takenPosition, goal)
        finished(goal)
    }

    /// Asks for a checkpoint if there is progress. One move is open at a time; what is done meanwhile joins the next
    /// one.
    mutating func settleCheckpoint() {
        guard openCheckpoint == nil, phase == .running || phase == .stopping else { return }
        let isShardEnd = isShardDone
        guard isShardEnd || donePosition > persistedPosition else { return }
        openCheckpoint = (donePosition, isShardEnd)
        act(.checkpoint(donePosition, isShardEnd: isShardEnd))
    }

    /// Whether the shard is closed and all its records are done (ESM-H1).
    private var isShardDone: Bool {
        guard case .none = work else { return false }
        return shardHasEnded && queue.isEmpty && units.isEmpty
    }
}
