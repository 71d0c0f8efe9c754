public import StreamModel
public import StreamStorage
import Synchronization

extension InMemoryStore {
    /// As `StoreEngine/createMapping(_:)`.
    @discardableResult
    public func createMapping(_ definition: MappingDefinition) async throws -> MappingDescription {
        let key = definition.key
        try key.validate()
        let now = timeSource.wallTime
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
                epoch: state.catalogue.lastEpoch, checkpoints: checkpoints)
            state.catalogue.mappings[key] = mapping
            return mapping.description(on: stream)
        }
    }

    /// As `StoreEngine/listMappings(of:)`.
    public func listMappings(of stream: String?) async throws -> [MappingDescription] {
        let now = timeSource.wallTime
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
                .compactMap { mapping in streams[UTF8Key(mapping.definition.key.stream)].map(mapping.description) }
        }
    }

    /// As `StoreEngine/describeMapping(_:)`.
    public func describeMapping(_ mapping: MappingID) async throws -> MappingDescription {
        let now = timeSource.wallTime
        return try state.withLock { state in
            try state.checkOpen()
            state.removeShards(of: try state.catalogue.stream(mapping.stream), now: now)
            let stream = try state.catalogue.stream(mapping.stream)
            return try state.catalogue.mapping(mapping).description(on: stream)
        }
    }

    /// As `StoreEngine/claimMapping(_:with:)`.
    public func claimMapping(_ mapping: MappingID, with claim: MappingClaim) async throws -> MappingDescription {
        try update(mapping) { mapping, state in
            guard mapping.claim == nil else {
                throw ShardlineError(.mappingBusy, "the mapping '\(mapping.definition.key)' is running already")
            }
            mapping.epoch = state.nextEpoch()
            mapping.claim = mapping.epoch
            mapping.states = claim.states
            mapping.failureStream = claim.failureStream
            if let configuration = claim.configuration { mapping.definition.configuration = configuration }
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

    /// As `StoreEngine/releaseMapping(_:epoch:)`.
    public func releaseMapping(_ mapping: MappingID, epoch: UInt64) async throws {
        _ = try update(mapping) { mapping, _ in
            // A seek raises the mapping's epoch, but the claim keeps its own.
            if let claim = mapping.claim, claim <= epoch {
                mapping.claim = nil
                mapping.states = nil
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
        try state.withLock { state in
            try state.checkOpen()
            guard try state.catalogue.mapping(mapping).claim == nil else {
                throw ShardlineError(.mappingBusy, "the mapping '\(mapping)' is running: stop it before deleting it")
            }
            state.catalogue.mappings[mapping] = nil
        }
    }

    private func update(
        _ key: MappingID, _ body: (inout MemoryMapping, inout State) throws -> Void
    ) throws -> MappingDescription {
        let now = timeSource.wallTime
        return try state.withLock { state in
            try state.checkOpen()
            state.removeShards(of: try state.catalogue.stream(key.stream), now: now)
            var mapping = try state.catalogue.mapping(key)
            try body(&mapping, &state)
            state.catalogue.mappings[key] = mapping
            return mapping.description(on: try state.catalogue.stream(key.stream))
        }
    }
}

extension InMemoryStore.State {
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
