import StreamModel

/// The shard's lanes, and their change when the parallelization factor changes (ESM-K5).
extension ShardCore {
    /// Lanes that go on from this progress.
    static func lanes(_ factor: Int, from progress: ShardProgress, notesAttempts: Bool) -> [LaneCore] {
        (0..<factor).map { lane in
            LaneCore(
                lane, after: progress.position(ofLane: lane, of: factor), note: progress.note(ofLane: lane, of: factor),
                notesAttempts: notesAttempts || !progress.notes.isEmpty, window: lane == 0 ? progress.window : nil)
        }
    }

    /// What lanes of other factors had done, once the shard goes on from this progress with `factor` lanes.
    static func earlier(_ progress: ShardProgress, factor: Int) -> [LanePositions] {
        var earlier = progress.earlier
        if progress.lanes.count > 1, progress.lanes.count != factor {
            earlier.append(LanePositions(progress.lanes))
            if earlier.count > ShardProgress.mostEarlier { earlier.removeFirst() }
        }
        return earlier
    }

    /// Whether the settings ask for another number of lanes than there are.
    var isChangingLanes: Bool { lanes.count != settings.parallelizationFactor }

    /// Makes the lanes that the settings ask for, once those of before have nothing: a key must not be in two lanes at
    /// once.
    ///
    /// Until then nothing is read, so no batch begins, and the units that there are come to their end.
    mutating func settleLanes() {
        guard phase == .running, isChangingLanes, saving == nil, saved == progress, shared.parking.isSettled,
            lanes.allSatisfy({ $0.isEmpty && $0.unsaved.isEmpty })
        else { return }
        let notesAttempts = lanes.contains(where: \.notesAttempts)
        shared.trace(.lanesChanged(from: lanes.count, to: settings.parallelizationFactor))
        earlier = Self.earlier(saved, factor: settings.parallelizationFactor)
        lanes = Self.lanes(settings.parallelizationFactor, from: saved, notesAttempts: notesAttempts)
        shared.laneCount = lanes.count
        settleSaving()
    }
}
