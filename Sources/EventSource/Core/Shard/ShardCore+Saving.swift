import StreamModel
import StreamStorage

extension ShardCore {
    /// How far the lanes are now. The lowest number that is not done in some lane is after the position (ESM-K4,
    /// ESM-P6).
    var progress: ShardProgress {
        let read = shared.source.readPosition
        var progress = ShardProgress(position: done(0, read: read), isShardEnd: isShardDone)
        if lanes.count > 1 {
            progress.lanes = lanes.indices.map { done($0, read: read) }
            progress.position = progress.lanes.min() ?? read
        }
        // The state belongs to exactly these records (ESM-T8).
        progress.window = lanes[0].window
        progress.paused = shared.verdict?.paused ?? shared.paused
        if !earlier.isEmpty { progress.earlier = earlier.filter { $0.highest > progress.position } }
        // After a clean end the attempts start at 0 again (ESM-A9).
        for lane in lanes
        where (phase == .running || keepsNotes || lane.isBusy) && (progress.paused == nil || lane.isBusy) {
            if let note = lane.note { progress.notes.append(.init(lane: lane.number, note)) }
        }
        return progress
    }

    /// The same, but before all records of which something was made that is not in the store.
    private func withoutAdding(_ progress: ShardProgress) -> ShardProgress {
        guard !shared.adding.isEmpty else { return progress }
        var held = progress
        guard !held.lanes.isEmpty else {
            held.position = shared.adding.firsts(held.position, lane: 0)
            return held
        }
        for lane in held.lanes.indices { held.lanes[lane] = shared.adding.firsts(held.lanes[lane], lane: lane) }
        held.position = held.lanes.min() ?? held.position
        return held
    }

    /// Everything of the lane up to here is done.
    private func done(_ lane: Int, read: SequenceNumber) -> SequenceNumber {
        let position = durable(lane, read: read)
        return shared.adding.isEmpty ? position : shared.adding.limit(position, lane: lane)
    }

    /// The same, without what functions have added.
    func durable(_ lane: Int, read: SequenceNumber) -> SequenceNumber {
        let done = lanes[lane].firstUndone?.previous ?? max(read, lanes[lane].takenPosition)
        if !shared.parking.leaving.isEmpty, shared.parking.leaving.values.contains(lane) {
            return saved.position(ofLane: lane, of: lanes.count)
        }
        // What is parked is done once it is in the parking stream.
        guard let taken = shared.parking.firstTaken(ofLane: lane) else { return done }
        return min(done, taken.previous)
    }

    /// Whether the shard is closed and all its records are done (ESM-H1), with its tumbling window (ESM-H6).
    private var isShardDone: Bool {
        // Its children wait for each of its lanes (ESM-H5).
        shared.source.hasEnded && lanes.allSatisfy(\.isEmpty) && lanes[0].window?.isOpen != true
            && shared.parking.canEnd && shared.adding.isEmpty
    }

    /// Starts the deliveries that are due, and asks for a checkpoint if there is progress. One commit that moves the
    /// checkpoint is open at a time; what is done meanwhile joins the next one.
    mutating func settleSaving() {
        guard phase == .running || phase == .stopping else { return }
        if settings.deliveryMovesCheckpoint { startDeliveries() }
        settleCheckpoint()
        // The checkpoint of the records before doesn't wait for a destination of its own (ESM-P8).
        if !settings.deliveryMovesCheckpoint { startDeliveries() }
    }

    private mutating func settleCheckpoint() {
        guard saving == nil else { return }
        var progress = progress
        let added = shared.adding.take(progress, factor: lanes.count)
        // Of a commit that would be too large a part is left, before which the progress ends.
        if !added.isEmpty, !shared.adding.isEmpty { progress = self.progress }
        guard progress != saved || !added.isEmpty else { return }
        saving = .checkpoint(progress)
        guard added.isEmpty else { return act(.checkpointAdding(progress, added)) }
        // Its children go on with the keys that are parked.
        let keys = progress.isShardEnd ? shared.parking.keys.all : []
        act(keys.isEmpty ? .checkpoint(progress) : .endShard(progress, keys))
    }

    private mutating func startDeliveries() {
        guard phase == .running else { return }
        for lane in lanes.indices {
            guard case .delivering(var delivery) = lanes[lane].stage, case .due = delivery.step else { continue }
            var progress = progress
            if settings.deliveryMovesCheckpoint {
                // The commit says what the other lanes have done, too, but nothing of which records are to be written.
                guard saving == nil else { return }
                guard !shared.adding.has(lane) else { continue }
                progress = withoutAdding(progress)
                saving = .delivery(lane: lane, progress)
            }
            act(.handOver(delivery.giveUp, progress))
            delivery.step = .open
            lanes[lane].stage = .delivering(delivery)
        }
    }

    mutating func checkpointed() {
        guard case .checkpoint(let progress) = saving else { return }
        saving = nil
        persisted(progress)
        if progress.isShardEnd { stopped(.shardEnd) }
    }

    mutating func destinationTook(_ lane: Int, checkpointed: Bool) {
        guard case .delivering(let delivery) = lanes[lane].stage else { return }
        lanes[lane].destinationTook(&shared)
        if let progress = endDelivery(lane), checkpointed {
            persisted(progress.moved(past: delivery.giveUp, to: delivery.giveUp.last))
        }
    }

    mutating func destinationFailed(_ lane: Int, _ error: String, takenThrough: SequenceNumber?, _ now: Moment) {
        guard case .delivering(let delivery) = lanes[lane].stage else { return }
        lanes[lane].destinationFailed(error, takenThrough: takenThrough, &shared, now)
        if let progress = endDelivery(lane), let takenThrough {
            persisted(progress.moved(past: delivery.giveUp, to: takenThrough))
        }
    }

    /// What the commit of the delivery said of the lanes; nil if it moved no checkpoint.
    private mutating func endDelivery(_ lane: Int) -> ShardProgress? {
        guard case .delivery(lane, let progress) = saving else { return nil }
        saving = nil
        return progress
    }

    /// A checkpoint with this progress is durable.
    private mutating func persisted(_ progress: ShardProgress) {
        saved = progress
        earlier = progress.earlier
        for lane in lanes.indices {
            let note = progress.notes.first { $0.lane == lane }?.note
            lanes[lane].saved(through: progress.position(ofLane: lane, of: lanes.count), note)
        }
        let drained = shared.parking.drained
        shared.parking.drained = []
        for key in drained.sorted() { settle(key.string) }
        shared.counters.checkpoints += 1
        shared.trace(.checkpointed(progress.position))
    }
}
