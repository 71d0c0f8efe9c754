import StreamModel
import StreamStorage

extension Catalogue {
    /// The streams with records that have expired by the clock and are not yet noted as expired permanently, sorted by
    /// number.
    ///
    /// A note costs a commit, so expiry is noted in steps unless `atOnce`. After a crash with the clock set back, the
    /// records of up to one step may be readable again.
    func streamsWithUnnotedExpiry(at now: Timestamp, atOnce: Bool) -> [StreamState] {
        streams.values.filter { hasUnnotedExpiry($0, at: now, atOnce: atOnce) }.sorted { $0.key < $1.key }
    }

    private func hasUnnotedExpiry(_ stream: StreamState, at now: Timestamp, atOnce: Bool) -> Bool {
        let noted = stream.expiredThrough ?? stream.createdAt
        let step = atOnce ? .milliseconds(1) : min(max(stream.retention / 1_000, .seconds(1)), .seconds(60))
        let expiry = now - stream.retention
        guard expiry > noted else { return false }
        // Without records after the last note nothing more expires. A closed shard's removal from the lists is noted
        // without delay.
        return stream.shards.values.contains { key in
            shards.read(key) { shard in
                shard.closedAt.map { $0 > noted && $0 <= expiry } ?? false
                    || (expiry >= noted + step && shard.lastArrival > noted && shard.lastSequence > shard.origin)
            } ?? false
        }
    }

    // MARK: Closed shards (API-R-4)

    /// The listed shards of a stream, sorted by id: all but those that were closed longer ago than records are kept.
    func listedShards(of stream: StreamState, at now: Timestamp) -> [ShardState] {
        let expiry = stream.expiry(at: now)
        return stream.shards.values.compactMap { shards[$0] }.filter { !$0.isRemoved(by: expiry) }
            .sorted { $0.id < $1.id }
    }

    /// The shards of a stream that are no longer listed, sorted by id. They stay in the catalogue until no mapping has
    /// anything left to do in them.
    func removedShards(of stream: StreamState, at now: Timestamp) -> [ShardState] {
        guard stream.shards.count > stream.openShards.count else { return [] }
        let expiry = stream.expiry(at: now)
        return stream.shards.values.compactMap { shards[$0] }.filter { $0.isRemoved(by: expiry) }
            .sorted { $0.id < $1.id }
    }

    /// Whether the shard has records that the mapping has neither processed nor given up, or keys that it has parked and
    /// not moved on (STORE-E4).
    func owes(_ mapping: MappingState, _ shard: ShardState) -> Bool {
        let checkpoint = mapping.checkpoints[shard.key]
        if mapping.parked[shard.key] != nil { return checkpoint?.isShardEnd != true }
        guard let checkpoint else {
            // The shard was opened after the mapping was created (ESM-H3).
            return shard.lastSequence > shard.origin
        }
        return !checkpoint.isShardEnd && checkpoint.position < shard.lastSequence
    }

    /// The shards that can be removed from the catalogue now, by stream: they are no longer listed, no mapping has
    /// anything left to do in them, and no running mapping may still be reading them. At most ``forgottenAtOnce`` for
    /// each stream, those that were closed first.
    func forgettableShards(at now: Timestamp, running: Set<MappingNumber>) -> [StreamNumber: [ShardNumber]] {
        var found: [StreamNumber: [ShardNumber]] = [:]
        for stream in streams.values {
            let mappings = stream.mappings.values.compactMap { self.mappings[$0] }
            let shards = removedShards(of: stream, at: now).filter { shard in
                !mappings.contains { mapping in
                    let isThrough = mapping.checkpoints[shard.key]?.isShardEnd ?? false
                    return !isThrough && (running.contains(mapping.number) || owes(mapping, shard))
                }
            }
            guard !shards.isEmpty else { continue }
            let order = shards.sorted { ($0.closedAt!, $0.key) < ($1.closedAt!, $1.key) }
            found[stream.key] = order.prefix(Self.forgottenAtOnce).map(\.key)
        }
        return found
    }

    /// The most shards of a stream that one commit removes.
    private static let forgottenAtOnce = 200
}

extension ShardState {
    /// Whether the shard is no longer listed, where records up to `expiry` have expired.
    package func isRemoved(by expiry: Timestamp) -> Bool { closedAt.map { $0 <= expiry } ?? false }
}
