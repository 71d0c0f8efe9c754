import StreamModel
import StreamStorage

extension Catalogue {
    /// The streams of which something has expired by the clock that is not noted as expired permanently.
    ///
    /// A note is a commit, so what expires one after the other is noted together, unless `atOnce`: after a crash, and
    /// with the clock set back, that much may be there once more.
    func streamsWithUnnotedExpiry(at now: Timestamp, atOnce: Bool) -> [StreamState] {
        streams.values.filter { hasUnnotedExpiry($0, at: now, atOnce: atOnce) }.sorted { $0.key < $1.key }
    }

    private func hasUnnotedExpiry(_ stream: StreamState, at now: Timestamp, atOnce: Bool) -> Bool {
        let noted = stream.expiredThrough ?? stream.createdAt
        let step = atOnce ? .milliseconds(1) : min(max(stream.retention / 1_000, .seconds(1)), .seconds(60))
        let expiry = now - stream.retention
        guard expiry > noted else { return false }
        // Nothing more expires where nothing came. A shard that leaves every list is noted without delay.
        return stream.shards.values.contains { key in
            shards.read(key) { shard in
                shard.closedAt.map { $0 > noted && $0 <= expiry } ?? false
                    || (expiry >= noted + step && shard.lastArrival > noted && shard.lastSequence > shard.origin)
            } ?? false
        }
    }

    // MARK: Closed shards (API-R-4)

    /// The shards of a stream that are listed, by number: all but those that were closed longer ago than records are
    /// kept.
    func listedShards(of stream: StreamState, at now: Timestamp) -> [ShardState] {
        let expiry = stream.expiry(at: now)
        return stream.shards.values.compactMap { shards[$0] }.filter { !$0.isRemoved(by: expiry) }
            .sorted { $0.id < $1.id }
    }

    /// The shards of a stream that are listed no longer, by number. They stay here until no mapping has anything to do
    /// in them.
    func removedShards(of stream: StreamState, at now: Timestamp) -> [ShardState] {
        guard stream.shards.count > stream.openShards.count else { return [] }
        let expiry = stream.expiry(at: now)
        return stream.shards.values.compactMap { shards[$0] }.filter { $0.isRemoved(by: expiry) }
            .sorted { $0.id < $1.id }
    }

    /// Whether records of the shard are neither done nor given up by the mapping.
    func owes(_ mapping: MappingState, _ shard: ShardState) -> Bool {
        guard let checkpoint = mapping.checkpoints[shard.key] else {
            // It was opened after the mapping was made (ESM-H3).
            return shard.lastSequence > shard.origin
        }
        return !checkpoint.isShardEnd && checkpoint.position < shard.lastSequence
    }

    /// Shards that can be forgotten now, by stream: they are listed no longer, and no mapping has anything to do in
    /// them, nor may one that runs be on its way through them. Some of many, beginning with those that were closed first.
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

    /// So many shards of a stream are forgotten in one commit.
    private static let forgottenAtOnce = 200
}

extension ShardState {
    /// Whether the shard is listed no longer, `expiry` being up to when records have expired.
    package func isRemoved(by expiry: Timestamp) -> Bool { closedAt.map { $0 <= expiry } ?? false }
}
