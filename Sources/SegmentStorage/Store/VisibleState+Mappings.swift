import DiskAccess
import StreamModel
import StreamStorage

/// Both clocks at one moment.
struct ClockReading: Sendable {
    var monotonic: MonotonicTime
    var wall: Timestamp
}

extension TimeSource {
    /// The current readings of both clocks.
    var now: ClockReading { ClockReading(monotonic: monotonicTime, wall: wallTime) }
}

extension VisibleState.State.Claim {
    /// A claim or a deletion that is being written.
    static let pending = VisibleState.State.Claim(epoch: .max, owner: "", revision: 0)

    /// A claim on the mapping as it is after it.
    init(_ claim: MappingClaim, on mapping: MappingState, at now: ClockReading) {
        self.init(
            epoch: mapping.epoch, owner: claim.owner, lease: claim.lease, revision: mapping.control.revision,
            failureStream: claim.failureStream, states: claim.states,
            checkSettings: claim.checkSettings)
        prolong(from: now)
    }

    /// Whether the claim still holds. One whose lease is over can be taken over.
    func holds(at now: ClockReading) -> Bool { deadline.map { now.monotonic < $0.monotonic } ?? true }

    /// The claim as it is told; nil for one that is being written.
    var holder: MappingHolder? {
        guard epoch != .max else { return nil }
        return MappingHolder(owner: owner, epoch: epoch, expiresAt: deadline?.wall, revision: revision)
    }

    mutating func renew(with renewal: MappingRenewal, at now: ClockReading) {
        failureStream = renewal.failureStream
        revision = renewal.revision
        prolong(from: now)
    }

    private mutating func prolong(from now: ClockReading) {
        deadline = lease.map { (now.monotonic + $0, now.wall + $0) }
    }
}

extension VisibleState.State {
    /// The first of a stream's mappings, by name, that is running.
    func runningMapping(of stream: StreamState, at now: ClockReading) -> MappingID? {
        stream.mappings.filter { claims[$0.value]?.holds(at: now) ?? false }.keys.min().map {
            MappingID(stream: stream.name, name: $0.string)
        }
    }

    /// A running mapping whose failure stream is this stream.
    func runningMapping(givingUpTo stream: StreamState, at now: ClockReading) -> MappingID? {
        claims.filter { $0.value.failureStream == stream.name && $0.value.holds(at: now) }.keys.min().flatMap {
            guard let mapping = catalogue.mappings[$0], let source = catalogue.streams[mapping.stream] else {
                return nil
            }
            return MappingID(stream: source.name, name: mapping.name)
        }
    }

    /// What the runner of a mapping has to know at each moment.
    func summary(of mapping: MappingID) throws -> MappingSummary {
        let stream = try catalogue.stream(mapping.stream)
        let mapping = try catalogue.mapping(mapping)
        return MappingSummary(
            id: UInt64(mapping.number.rawValue), epoch: mapping.epoch, revision: mapping.control.revision,
            isEnabled: mapping.control.isEnabled, retention: stream.retention)
    }

    /// The public description of a mapping; nil where its stream is gone.
    func describe(_ mapping: MappingState, at now: ClockReading) -> MappingDescription? {
        guard let stream = catalogue.streams[mapping.stream] else { return nil }
        let removed = catalogue.removedShards(of: stream, at: now.wall)
        let expired = removed.filter { !(mapping.checkpoints[$0.key]?.isShardEnd ?? false) }
        var checkpoints: [ShardCheckpoint] = []
        for (key, checkpoint) in mapping.checkpoints {
            guard let shard = catalogue.shards[key] else { continue }
            checkpoints.append(
                ShardCheckpoint(
                    shard: shard.id, position: checkpoint.position, isShardEnd: checkpoint.isShardEnd,
                    state: checkpoint.state, earlierAttempts: checkpoint.earlierAttempts))
        }
        let claim = claims[mapping.number].flatMap { $0.holds(at: now) ? $0 : nil }
        return MappingDescription(
            key: MappingID(stream: stream.name, name: mapping.name), id: UInt64(mapping.number.rawValue),
            startingPosition: mapping.startingPosition, createdAt: mapping.createdAt,
            configuration: mapping.configuration, epoch: mapping.epoch, isClaimed: claim != nil,
            checkpoints: checkpoints.sorted { $0.shard < $1.shard },
            expiredShards: expired.map { $0.description(trimHorizon: $0.lastSequence, recordCount: 0) },
            retention: stream.retention, holder: claim?.holder, isEnabled: mapping.control.isEnabled,
            revision: mapping.control.revision, lastAction: mapping.control.actions.last)
    }
}

extension SegmentStore: NotifyingStore {
    /// As ``NotifyingStore/waitForChange(of:since:)``.
    package func waitForChange(of mapping: MappingID, since known: MappingSummary) async throws -> MappingSummary {
        let visible = core.visible
        while true {
            let number = try visible.withOpen { try $0.catalogue.mapping(mapping).number }
            await withListedWaiter(cancelled: ()) { waiter in
                // What can't be found out here is thrown below.
                let registration = try? visible.withOpen { state -> Registration<Void> in
                    guard try !state.summary(of: mapping).isChanged(since: known) else { return .answered(()) }
                    return state.mappingWaiters.add(waiter, for: number)
                }
                return registration ?? .answered(())
            } remove: { id in
                visible.removeMappingWaiter(id)
            }
            try Task.checkCancellation()
            let found = try summary(of: mapping)
            if found.isChanged(since: known) { return found }
        }
    }
}
