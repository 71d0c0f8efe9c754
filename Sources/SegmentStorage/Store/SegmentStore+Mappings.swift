import StreamModel
public import StreamStorage
import Synchronization

extension SegmentStore {
    /// As ``StoreEngine/createMapping(_:)``.
    @discardableResult
    public func createMapping(_ definition: MappingDefinition) async throws -> MappingDescription {
        let key = definition.key
        try key.validate()
        let start = definition.startingPosition
        let starts = try await positions(of: start, in: key.stream, shard: nil) { shard in
            try await self.position(of: start, in: key.stream, shard: shard)
        }
        var definition = definition
        definition.startingPosition = definition.startingPosition.withoutShard
        try await ask(.createMapping(definition, starts: starts))
        return try await describeMapping(key)
    }

    /// The position of `start` in each listed shard, or in `shard` only. `position` resolves it for one shard.
    private func positions(
        of start: StartingPosition, in name: String, shard: ShardID?,
        by position: (ShardID) async throws -> SequenceNumber
    ) async throws -> [ShardNumber: SequenceNumber] {
        let now = timeSource.wallTime
        let shards: [(ShardNumber, ShardID)] = try core.visible.withOpen { state in
            let stream = try state.catalogue.stream(name)
            if let shard { return [(try state.catalogue.shard(shard, of: stream).key, shard)] }
            return state.catalogue.listedShards(of: stream, at: now).map { ($0.key, $0.id) }
        }
        guard shards.count == 1 || !start.isOfOneShard else {
            throw ShardlineError(
                .invalidArgument,
                "a sequence number belongs to one shard; '\(name)' has \(shards.count): name the shard")
        }
        var positions: [ShardNumber: SequenceNumber] = [:]
        for (key, id) in shards {
            do {
                positions[key] = try await position(id)
            } catch let error as ShardlineError where error.code == .shardNotFound && shard == nil {
                // Retention has removed the shard since.
            }
        }
        return positions
    }

    /// As ``StoreEngine/listMappings(of:)``.
    public func listMappings(of stream: String?) async throws -> [MappingDescription] {
        let now = timeSource.wallTime
        return try core.visible.withOpen { state in
            let only = try stream.map { try state.catalogue.stream($0).key }
            return state.catalogue.mappings.values
                .filter { only == nil || $0.stream == only }
                .compactMap { state.describe($0, at: now) }
                .sorted { ($0.key.stream, $0.key.name) < ($1.key.stream, $1.key.name) }
        }
    }

    /// As ``StoreEngine/describeMapping(_:)``.
    public func describeMapping(_ mapping: MappingID) async throws -> MappingDescription {
        let now = timeSource.wallTime
        return try core.visible.withOpen { state in
            guard let description = state.describe(try state.catalogue.mapping(mapping), at: now) else {
                throw ShardlineError(.streamNotFound, "there is no stream '\(mapping.stream)'")
            }
            return description
        }
    }

    /// As ``StoreEngine/claimMapping(_:with:)``.
    public func claimMapping(_ mapping: MappingID, with claim: MappingClaim) async throws -> MappingDescription {
        // The claim is taken before the journal is written, so that one of two concurrent calls is refused.
        let number = try core.visible.withOpen { state in
            let number = try state.catalogue.mapping(mapping).number
            if let claim = state.claims[number] {
                let what = claim.epoch == .max ? "is being started or deleted at this moment" : "is running already"
                throw ShardlineError(.mappingBusy, "the mapping '\(mapping)' \(what)")
            }
            state.claims[number] = .pending
            return number
        }
        do {
            try await ask(.claimMapping(mapping, configuration: claim.configuration))
            let now = timeSource.wallTime
            return try core.visible.withOpen { state in
                guard let claimed = state.catalogue.mappings[number],
                    let description = state.describe(claimed, at: now)
                else {
                    throw ShardlineError(.mappingNotFound, "the mapping '\(mapping)' was deleted")
                }
                state.claims[number] = VisibleState.State.Claim(
                    epoch: claimed.epoch, failureStream: claim.failureStream, states: claim.states)
                return description
            }
        } catch {
            try? core.visible.withOpen { $0.claims[number] = nil }
            throw error
        }
    }

    /// As ``StoreEngine/mappingStates(_:)``.
    public func mappingStates(_ mapping: MappingID) async throws -> [MappingShardState]? {
        let states = try core.visible.withOpen { state in
            state.claims[try state.catalogue.mapping(mapping).number]?.states
        }
        return states?()
    }

    /// As ``StoreEngine/releaseMapping(_:epoch:)``.
    public func releaseMapping(_ mapping: MappingID, epoch: UInt64) async throws {
        try core.visible.withOpen { state in
            let number = try state.catalogue.mapping(mapping).number
            // A seek raises the mapping's epoch and leaves the claim with its holder.
            if let claim = state.claims[number], claim.epoch <= epoch { state.claims[number] = nil }
        }
    }

    /// As ``StoreEngine/seekMapping(_:to:shard:)``; moves all shards where `shard` is nil.
    @discardableResult
    public func seekMapping(
        _ mapping: MappingID, to position: StartingPosition, shard: ShardID?
    ) async throws -> MappingDescription {
        _ = try core.visible.withOpen { try $0.catalogue.mapping(mapping).number }
        let positions = try await positions(of: position, in: mapping.stream, shard: shard) { shard in
            try await seekPosition(of: position, in: mapping.stream, shard: shard)
        }
        try await ask(.seekMapping(mapping, positions: positions, all: shard == nil))
        return try await describeMapping(mapping)
    }

    /// As ``StoreEngine/deleteMapping(_:)``.
    public func deleteMapping(_ mapping: MappingID) async throws {
        let number = try core.visible.withOpen { state in
            let number = try state.catalogue.mapping(mapping).number
            guard state.claims[number] == nil else {
                throw ShardlineError(.mappingBusy, "the mapping '\(mapping)' is running: stop it before deleting it")
            }
            // The pending claim keeps the mapping from being claimed while it is deleted.
            state.claims[number] = .pending
            return number
        }
        do {
            try await ask(.deleteMapping(mapping))
        } catch {
            try? core.visible.withOpen { $0.claims[number] = nil }
            throw error
        }
    }
}

extension VisibleState.State.Claim {
    /// A claim or a deletion that is being written.
    static let pending = VisibleState.State.Claim(epoch: .max)
}

extension VisibleState.State {
    /// The first of a stream's mappings, by name, that is running.
    func runningMapping(of stream: StreamState) -> MappingID? {
        stream.mappings.filter { claims[$0.value] != nil }.keys.min().map {
            MappingID(stream: stream.name, name: $0.string)
        }
    }

    /// A running mapping whose failure stream is this stream.
    func runningMapping(givingUpTo stream: StreamState) -> MappingID? {
        claims.filter { $0.value.failureStream == stream.name }.keys.min().flatMap { number in
            guard let mapping = catalogue.mappings[number], let source = catalogue.streams[mapping.stream] else {
                return nil
            }
            return MappingID(stream: source.name, name: mapping.name)
        }
    }

    /// The public description of a mapping; nil where its stream is gone.
    fileprivate func describe(_ mapping: MappingState, at now: Timestamp) -> MappingDescription? {
        guard let stream = catalogue.streams[mapping.stream] else { return nil }
        let removed = catalogue.removedShards(of: stream, at: now)
        let expired = removed.filter { !(mapping.checkpoints[$0.key]?.isShardEnd ?? false) }
        var checkpoints: [ShardCheckpoint] = []
        for (key, checkpoint) in mapping.checkpoints {
            guard let shard = catalogue.shards[key] else { continue }
            checkpoints.append(
                ShardCheckpoint(
                    shard: shard.id, position: checkpoint.position, isShardEnd: checkpoint.isShardEnd,
                    state: checkpoint.state, earlierAttempts: checkpoint.earlierAttempts))
        }
        return MappingDescription(
            key: MappingID(stream: stream.name, name: mapping.name), id: UInt64(mapping.number.rawValue),
            startingPosition: mapping.startingPosition, createdAt: mapping.createdAt,
            configuration: mapping.configuration, epoch: mapping.epoch, isClaimed: claims[mapping.number] != nil,
            checkpoints: checkpoints.sorted { $0.shard < $1.shard },
            expiredShards: expired.map { $0.description(trimHorizon: $0.lastSequence, recordCount: 0) },
            retention: stream.retention)
    }
}
