import DiskAccess
public import StreamModel

/// An event source mapping by its name, for a program that looks at it, moves it or deletes it, whichever process runs
/// it. Made by ``RecordStream/mapping(_:)``.
///
/// ```swift
/// let delays = store.stream("departures").mapping("delays")
/// for shard in try await delays.shardStates() ?? [] where shard.isFailing { print(shard.shard, shard.lastError ?? "") }
/// try await delays.seek(to: .trimHorizon)
/// ```
public struct StreamMapping: Sendable {
    /// The stream whose records the mapping reads.
    public let stream: RecordStream
    /// The mapping's name, unique on its stream.
    public let name: String
    /// The stream's name and the mapping's.
    public var id: MappingID { MappingID(stream: stream.name, name: name) }

    /// The mapping with its checkpoint in each shard. Throws `streamNotFound`, `mappingNotFound`.
    public func describe() async throws -> MappingDescription { try await stream.engine.describeMapping(id) }

    /// What the process that runs the mapping is doing in each shard that it has reached; nil where the mapping does
    /// not run, or its process can't be asked. Throws `streamNotFound`, `mappingNotFound`.
    public func shardStates() async throws -> [MappingShardState]? { try await stream.engine.mappingStates(id) }

    /// Moves the mapping's checkpoints, durably. It delivers again from there, or skips: skipped records are never
    /// delivered. A running mapping goes on at the new position.
    ///
    /// A position before the oldest retained record means that record, so unprocessed records that have expired are
    /// skipped. Returns the mapping after the move.
    ///
    /// - Parameters:
    ///   - position: where to go on.
    ///   - shard: the shard to move; nil: all of the stream's shards. A sequence number needs its shard.
    /// - Throws: `invalidArgument` for a time in the future, a number after the newest record and a number of another
    ///   shard; `streamNotFound`, `shardNotFound`, `mappingNotFound`.
    @discardableResult
    public func seek(to position: StartingPosition, shard: ShardID? = nil) async throws -> MappingDescription {
        try await stream.engine.seekMapping(id, to: position, shard: shard)
    }

    /// Disables the mapping, durably: the process that runs it waits for running invocations, then reads and invokes
    /// nothing until the mapping is enabled. Checkpoints and attempts are kept. A mapping that is disabled already gets
    /// the new reason. Returns the mapping after the action.
    ///
    /// - Parameters:
    ///   - reason: why, for people; at most 1,024 bytes.
    ///   - actor: who; 1 to 256 bytes. Default: this process.
    ///   - revision: the revision that the decision is based on; nil: any.
    /// - Throws: `mappingChanged` where the mapping has another revision, `streamNotFound`, `mappingNotFound`,
    ///   `invalidArgument`, and the store's errors.
    @discardableResult
    public func disable(
        reason: String = "", by actor: String? = nil, ifRevision revision: UInt64? = nil
    ) async throws -> MappingDescription {
        try await control(isEnabled: false, reason, actor, revision)
    }

    /// Enables the mapping, durably: where it runs it goes on at its checkpoints. As
    /// ``disable(reason:by:ifRevision:)``.
    @discardableResult
    public func enable(
        reason: String = "", by actor: String? = nil, ifRevision revision: UInt64? = nil
    ) async throws -> MappingDescription {
        try await control(isEnabled: true, reason, actor, revision)
    }

    private func control(
        isEnabled: Bool, _ reason: String, _ actor: String?, _ revision: UInt64?
    ) async throws -> MappingDescription {
        try await stream.engine.controlMapping(
            MappingControl(
                id, expectedRevision: revision, isEnabled: isEnabled, actor: actor ?? ProcessName.own, reason: reason))
    }

    /// The mapping's last control actions, the oldest first; at most 100. Throws `streamNotFound`, `mappingNotFound`.
    public func history() async throws -> [MappingAction] { try await stream.engine.mappingHistory(id) }

    /// Deletes the mapping and its checkpoints, durably. Its dead-letter stream stays. Throws `mappingBusy` while the
    /// mapping runs, and `mappingNotFound`.
    public func delete() async throws { try await stream.engine.deleteMapping(id) }
}
