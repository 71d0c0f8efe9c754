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
        let now = timeSource.now
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
        let now = timeSource.now
        return try core.visible.withOpen { state in
            guard let description = state.describe(try state.catalogue.mapping(mapping), at: now) else {
                throw ShardlineError(.streamNotFound, "there is no stream '\(mapping.stream)'")
            }
            return description
        }
    }

    /// As ``StoreEngine/summarizeMapping(_:)``.
    public func summarizeMapping(_ mapping: MappingID) async throws -> MappingSummary { try summary(of: mapping) }

    /// As ``StoreEngine/mappingHistory(_:)``.
    public func mappingHistory(_ mapping: MappingID) async throws -> [MappingAction] {
        try core.visible.withOpen { try $0.catalogue.mapping(mapping).control.actions }
    }

    /// As ``StoreEngine/claimMapping(_:with:)``. A claim lasts no longer than this opening of the store: the next one
    /// knows that no other process writes.
    public func claimMapping(_ mapping: MappingID, with claim: MappingClaim) async throws -> MappingDescription {
        try claim.validate()
        let begun = timeSource.now
        // The claim is taken before the journal is written, so that one of two concurrent calls is refused.
        let number = try core.visible.withOpen { state in
            let number = try state.catalogue.mapping(mapping).number
            if let claim = state.claims[number], claim.holds(at: begun) {
                guard let holder = claim.holder else {
                    throw ShardlineError(
                        .mappingBusy, "the mapping '\(mapping)' is being started or deleted at this moment")
                }
                throw ShardlineError.isHeld(mapping, by: holder)
            }
            state.claims[number] = .pending
            return number
        }
        do {
            try await ask(.claimMapping(mapping, configuration: claim.configuration, owner: claim.owner))
            let now = timeSource.now
            return try core.visible.withOpen { state in
                guard let claimed = state.catalogue.mappings[number] else {
                    throw ShardlineError(.mappingNotFound, "the mapping '\(mapping)' was deleted")
                }
                state.claims[number] = VisibleState.State.Claim(claim, on: claimed, at: now)
                guard let description = state.describe(claimed, at: now) else {
                    throw ShardlineError(.streamNotFound, "there is no stream '\(mapping.stream)'")
                }
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

    /// Throws what who runs the mapping has against the new settings (STORE-A5).
    func askRunner(about control: MappingControl) throws {
        guard let settings = control.configuration else { return }
        let now = timeSource.now
        let check = try core.visible.withOpen { state -> (@Sendable ([UInt8]) throws -> Void)? in
            // A mapping that is not there is refused when the action is planned.
            guard let mapping = try? state.catalogue.mapping(control.mapping), let claim = state.claims[mapping.number],
                claim.holds(at: now)
            else { return nil }
            return claim.checkSettings
        }
        try check?(settings)
    }

    /// As ``StoreEngine/renewMapping(_:epoch:with:)``.
    @discardableResult
    public func renewMapping(
        _ mapping: MappingID, epoch: UInt64, with renewal: MappingRenewal
    ) async throws -> MappingSummary {
        let now = timeSource.now
        return try core.visible.withOpen { state in
            let number = try state.catalogue.mapping(mapping).number
            guard var claim = state.claims[number], claim.epoch == epoch else {
                throw ShardlineError.isOvertaken(mapping, epoch: epoch)
            }
            claim.renew(with: renewal, at: now)
            state.claims[number] = claim
            return try state.summary(of: mapping)
        }
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
        let now = timeSource.now
        let number = try core.visible.withOpen { state in
            let number = try state.catalogue.mapping(mapping).number
            guard state.claims[number]?.holds(at: now) != true else {
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
