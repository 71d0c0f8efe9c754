import DiskAccess
public import StreamModel
public import StreamStorage

/// Paused shards: those that deliver nothing until somebody resumes them, because the attempts for records are used up
/// (``EventSourceMapping/Configuration/WhenExhausted/pauseShard``).
extension StreamMapping {
    /// The shards that are paused. Throws `streamNotFound`, `mappingNotFound`, and `corrupt` for what a newer version has
    /// written.
    public func pausedShards() async throws -> [PausedShard] { try PausedShard.all(of: try await describe()) }

    /// Lets paused shards go on, durably: the records that paused them are tried again, with all their attempts.
    ///
    /// The process that runs the mapping does it; where none does, the next one. Returns the shards that are meant: of none
    /// nothing is asked.
    ///
    /// - Parameters:
    ///   - shards: these shards; nil: all that are paused.
    ///   - givingUp: whether the records that paused the shards go to the failure destination in place of being tried again.
    ///     Where the parallelization factor has changed meanwhile, they are tried again all the same.
    ///   - reason: why, for people; at most 1,024 bytes. It is kept in the mapping's history.
    ///   - actor: who; 1 to 256 bytes. Default: this process.
    /// - Throws: `invalidArgument`, `streamNotFound`, `mappingNotFound`, and the store's errors.
    @discardableResult
    public func resume(
        _ shards: Set<ShardID>? = nil, givingUp: Bool = false, reason: String = "", by actor: String? = nil
    ) async throws -> [PausedShard] {
        let meant = try await pausedShards().filter { shards?.contains($0.shard) ?? true }
        guard !meant.isEmpty else { return [] }
        // An attribute has room for about 1,700 pauses.
        let requests = stride(from: 0, to: meant.count, by: 1_000).map { first in
            MappingRequest(
                givingUp ? .resumeGivingUp : .resume,
                pauses: ResumeOrder(Array(meant[first...].prefix(1_000)), givesUp: givingUp).pauses,
                actor: actor ?? ProcessName.own, reason: reason)
        }
        let names = meant.prefix(3).map(\.shard.description).joined(separator: ", ")
        // The last word counts: what was asked of the same pauses before, and nobody has done, is taken back.
        let pauses = ResumeOrder(meant, givesUp: givingUp).pauses
        let taken = try await MappingRequest.all(of: id, in: stream.engine).filter { _, earlier in
            earlier.action.resumes && earlier.pauses.allSatisfy { pauses[$0.key] == $0.value }
        }
        try await ask(
            requests, replacing: taken.keys.sorted(), "\(names)\(meant.count > 3 ? " and \(meant.count - 3) more" : "")"
        )
        return meant
    }
}

extension PausedShard {
    /// Those of a mapping, as its checkpoints say.
    static func all(of mapping: MappingDescription) throws -> [PausedShard] {
        try mapping.checkpoints.compactMap { try ShardProgress($0).paused }
    }
}
