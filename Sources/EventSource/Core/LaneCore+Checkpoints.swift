import StreamModel
import StreamStorage

extension LaneCore {
    /// Everything up to here is done (P6, P8).
    mutating func finished(_ position: SequenceNumber) {
        donePosition = max(donePosition, position)
        unpersisted.append(position)
    }

    /// A durable checkpoint stands here, or further on.
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

    /// Asks for the checkpoint to be moved if it can be, one move at a time: what is done meanwhile goes with the next.
    mutating func settleCheckpoint() {
        guard openCheckpoint == nil, phase == .running || phase == .stopping else { return }
        let isShardEnd = isShardDone
        guard isShardEnd || donePosition > persistedPosition else { return }
        openCheckpoint = (donePosition, isShardEnd)
        act(.checkpoint(donePosition, isShardEnd: isShardEnd))
    }

    /// Whether the shard is closed and nothing of it is left (H1).
    private var isShardDone: Bool {
        guard case .none = work else { return false }
        return shardHasEnded && queue.isEmpty && units.isEmpty
    }
}
