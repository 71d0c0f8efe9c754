import DiskAccess
public import StreamModel
public import StreamStorage
import Synchronization

extension InMemoryStore {
    /// As `StoreEngine/createMapping(_:)`.
    @discardableResult
    public func createMapping(_ definition: MappingDefinition) async throws -> MappingDescription {
        let key = definition.key
        try key.validate()
        let (now, monotonic) = (timeSource.wallTime, timeSource.monotonicTime)
        return try state.withLock { state in
            try state.checkOpen()
            state.removeShards(of: try state.catalogue.stream(key.stream), now: now)
            let stream = try state.catalogue.stream(key.stream)
            guard state.catalogue.mappings[key] == nil else {
                throw ShardlineError(
                    .mappingExists, "the mapping '\(key.name)' exists already on the stream '\(key.stream)'")
            }
            var checkpoints = try state.checkpoints(at: definition.startingPosition, in: stream, shard: nil, now: now)
            // A new mapping skips the shards that are no longer listed.
            for shard in stream.shards where shard.isRemoved && !shard.isForgotten {
                checkpoints[shard.id] = ShardCheckpoint(shard: shard.id, position: shard.last)
            }
            state.catalogue.lastMappingID += 1
            state.catalogue.lastEpoch += 1
            var definition = definition
            definition.startingPosition = definition.startingPosition.withoutShard
            let mapping = MemoryMapping(
                definition: definition, id: state.catalogue.lastMappingID, createdAt: now,
                epoch: state.catalogue.lastEpoch, brought: definition.configuration, checkpoints: checkpoints)
            state.catalogue.mappings[key] = mapping
            return mapping.description(on: stream, at: monotonic)
        }
    }

    /// As `StoreEngine/listMappings(of:)`.
    public func listMappings(of stream: String?) async throws -> [MappingDescription] {
        let (now, monotonic) = (timeSource.wallTime, timeSource.monotonicTime)
        return try state.withLock { state in
            try state.checkOpen()
            if let stream { _ = try state.catalogue.stream(stream) }
            for stream in state.catalogue.streams.values { state.removeShards(of: stream, now: now) }
            let streams = state.catalogue.streams
            return state.catalogue.mappings.values
                .filter { stream == nil || $0.definition.key.stream == stream }
                .sorted {
                    ($0.definition.key.stream, $0.definition.key.name)
                        < ($1.definition.key.stream, $1.definition.key.name)
                }
                .compactMap { mapping in
                    streams[UTF8Key(mapping.definition.key.stream)].map { mapping.description(on: $0, at: monotonic) }
                }
        }
    }

    /// As `StoreEngine/describeMapping(_:)`.
    public func describeMapping(_ mapping: MappingID) async throws -> MappingDescription {
        let (now, monotonic) = (timeSource.wallTime, timeSource.monotonicTime)
        return try state.withLock { state in
            try state.checkOpen()
            state.removeShards(of: try state.catalogue.stream(mapping.stream), now: now)
            let stream = try state.catalogue.stream(mapping.stream)
            return try state.catalogue.mapping(mapping).description(on: stream, at: monotonic)
        }
    }

    /// As `StoreEngine/claimMapping(_:with:)`.
    public func claimMapping(_ mapping: MappingID, with claim: MappingClaim) async throws -> MappingDescription {
        let (wall, monotonic) = (timeSource.wallTime, timeSource.monotonicTime)
        try claim.validate()
        return try update(mapping) { mapping, state in
            if let holder = mapping.claim, mapping.isClaimed(at: monotonic) {
                throw ShardlineError.isHeld(mapping.definition.key, by: holder)
            }
            mapping.epoch = state.nextEpoch()
            if let configuration = claim.configuration, configuration != mapping.brought {
                mapping.brought = configuration
                mapping.act(
                    at: wall, by: claim.owner, "its run has these settings", configuration: configuration,
                    isEnabled: nil)
            }
            (mapping.lease, mapping.deadline) = (claim.lease, claim.lease.map { monotonic + $0 })
            mapping.claim = MappingHolder(
                owner: claim.owner, epoch: mapping.epoch, expiresAt: claim.lease.map { wall + $0 },
                revision: mapping.revision)
            mapping.states = claim.states
            mapping.checkSettings = claim.checkSettings
            mapping.failureStream = claim.failureStream
        }
    }

    /// As `StoreEngine/summarizeMapping(_:)`.
    public func summarizeMapping(_ mapping: MappingID) async throws -> MappingSummary {
        try state.withLock { try $0.summary(of: mapping) }
    }

    /// As `StoreEngine/mappingHistory(_:)`.
    public func mappingHistory(_ mapping: MappingID) async throws -> [MappingAction] {
        try state.withLock { state in
            try state.checkOpen()
            return try state.catalogue.mapping(mapping).actions
        }
    }

    /// As `StoreEngine/parkedKeys(_:)`.
    public func parkedKeys(_ query: ParkedKeyQuery) async throws -> ParkedKeyPage {
        try query.validate()
        let now = timeSource.wallTime
        let parked = try state.withLock { state in
            try state.checkOpen()
            state.removeShards(of: try state.catalogue.stream(query.mapping.stream), now: now)
            return try state.catalogue.mapping(query.mapping).parked
        }
        return ParkedKeyPage(query, of: parked.map { (shard: $0.key, keys: $0.value) }) { $0 }
    }

    /// As `StoreEngine/renewMapping(_:epoch:with:)`.
    @discardableResult
    public func renewMapping(
        _ mapping: MappingID, epoch: UInt64, with renewal: MappingRenewal
    ) async throws -> MappingSummary {
        let (wall, monotonic) = (timeSource.wallTime, timeSource.monotonicTime)
        return try state.withLock { state in
            try state.checkOpen()
            var renewed = try state.catalogue.mapping(mapping)
            guard renewed.claim?.epoch == epoch else { throw ShardlineError.isOvertaken(mapping, epoch: epoch) }
            renewed.failureStream = renewal.failureStream
            renewed.claim?.revision = renewal.revision
            renewed.claim?.expiresAt = renewed.lease.map { wall + $0 }
            renewed.deadline = renewed.lease.map { monotonic + $0 }
            state.catalogue.mappings[mapping] = renewed
            return try state.summary(of: mapping)
        }
    }

    /// As `StoreEngine/mappingStates(_:)`.
    public func mappingStates(_ mapping: MappingID) async throws -> [MappingShardState]? {
        let states = try state.withLock { state in
            try state.checkOpen()
            return try state.catalogue.mapping(mapping).states
        }
        return states?()
    }

    /// Throws what who runs a mapping has against its new settings (STORE-A5).
    func askRunners(about changes: [Change]) throws {
        let now = timeSource.monotonicTime
        for case .control(let control) in changes {
            guard let settings = control.configuration else { continue }
            let check = state.withLock { state -> (@Sendable ([UInt8]) throws -> Void)? in
                guard let mapping = try? state.catalogue.mapping(control.mapping), mapping.isClaimed(at: now) else {
                    return nil
                }
                return mapping.checkSettings
            }
            try check?(settings)
        }
    }

    /// As `StoreEngine/releaseMapping(_:epoch:)`.
    public func releaseMapping(_ mapping: MappingID, epoch: UInt64) async throws {
        _ = try update(mapping) { mapping, _ in
            // A seek raises the mapping's epoch, but the claim keeps its own.
            if let claim = mapping.claim, claim.epoch <= epoch {
                mapping.claim = nil
                mapping.states = nil
                mapping.checkSettings = nil
                mapping.failureStream = nil
            }
        }
    }

    /// As `StoreEngine/seekMapping(_:to:shard:)`; without a shard it moves all listed shards.
    @discardableResult
    public func seekMapping(
        _ mapping: MappingID, to position: StartingPosition, shard: ShardID?
    ) async throws -> MappingDescription {
        let now = timeSource.wallTime
        var place: SequenceNumber?
        if let shard, position.isOfOneShard {
            _ = try await describeMapping(mapping)
            place = try await seekPosition(of: position, in: mapping.stream, shard: shard)
        }
        return try update(mapping) { [place] mapping, state in
            let stream = try state.catalogue.stream(mapping.definition.key.stream)
            var moved = try state.checkpoints(at: position, in: stream, shard: shard, now: now)
            if let shard, let place { moved[shard] = ShardCheckpoint(shard: shard, position: place) }
            // The undone records of shards that are no longer listed are skipped, like all expired records.
            for removed in stream.shards where shard == nil && removed.isRemoved && !removed.isForgotten {
                moved[removed.id] = ShardCheckpoint(shard: removed.id, position: removed.last, isShardEnd: true)
            }
            mapping.checkpoints.merge(moved) { _, new in new }
            mapping.epoch = state.nextEpoch()
        }
    }

    /// As `StoreEngine/deleteMapping(_:)`.
    public func deleteMapping(_ mapping: MappingID) async throws {
        let now = timeSource.monotonicTime
        try state.withLock { state in
            try state.checkOpen()
            guard try !state.catalogue.mapping(mapping).isClaimed(at: now) else {
                throw ShardlineError(.mappingBusy, "the mapping '\(mapping)' is running: stop it before deleting it")
            }
            state.catalogue.mappings[mapping] = nil
            state.wakeMappingWaiters()
        }
    }

    private func update(
        _ key: MappingID, _ body: (inout MemoryMapping, inout State) throws -> Void
    ) throws -> MappingDescription {
        let (now, monotonic) = (timeSource.wallTime, timeSource.monotonicTime)
        return try state.withLock { state in
            try state.checkOpen()
            state.removeShards(of: try state.catalogue.stream(key.stream), now: now)
            var mapping = try state.catalogue.mapping(key)
            try body(&mapping, &state)
            state.catalogue.mappings[key] = mapping
            state.wakeMappingWaiters()
            return mapping.description(on: try state.catalogue.stream(key.stream), at: monotonic)
        }
    }
}

extension InMemoryStore: NotifyingStore {
    /// As `NotifyingStore/waitForChange(of:since:)`.
    package func waitForChange(of mapping: MappingID, since known: MappingSummary) async throws -> MappingSummary {
        while true {
            let found = try state.withLock { try $0.summary(of: mapping) }
            if found.isChanged(since: known) { return found }
            await withListedWaiter(cancelled: ()) { waiter in
                state.withLock { state in
                    // What can't be found out here is thrown above.
                    let isSame = (try? !state.summary(of: mapping).isChanged(since: known)) ?? false
                    return isSame ? state.mappingWaiters.add(waiter) : .answered(())
                }
            } remove: { id in
                state.withLock { $0.mappingWaiters.remove(id) }
            }
            try Task.checkCancellation()
        }
    }
}

extension InMemoryStore.State {
    fileprivate func summary(of mapping: MappingID) throws -> MappingSummary {
        try checkOpen()
        let retention = try catalogue.stream(mapping.stream).settings.retention
        let mapping = try catalogue.mapping(mapping)
        return MappingSummary(
            id: mapping.id, epoch: mapping.epoch, revision: mapping.revision, isEnabled: mapping.isEnabled,
            retention: retention)
    }

    fileprivate mutating func nextEpoch() -> UInt64 {
        catalogue.lastEpoch += 1
        return catalogue.lastEpoch
    }

    fileprivate mutating func checkpoints(
        at start: StartingPosition, in stream: MemoryStream, shard: ShardID?, now: Timestamp
    ) throws -> [ShardID: ShardCheckpoint] {
        let shards = if let shard { [try stream.listedShard(shard)] } else { stream.listedShards }
        guard shards.count == 1 || !start.isOfOneShard else {
            throw ShardlineError(
                .invalidArgument,
                "a sequence number belongs to one shard; '\(stream.name)' has \(shards.count): name the shard")
        }
        var checkpoints: [ShardID: ShardCheckpoint] = [:]
        for shard in shards {
            let position = try position(of: start, in: stream, shard: shard, now: now)
            checkpoints[shard.id] = ShardCheckpoint(shard: shard.id, position: position)
        }
        return checkpoints
    }
}
