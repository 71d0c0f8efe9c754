public import StreamModel
public import StreamStorage

/// The records that a mapping has not done, as the store counts them: in all shards of the stream, also in those
/// that it has not reached or does not read. Records that a running invocation holds count.
public struct MappingBacklog: Hashable, Sendable {
    /// The number of records between the checkpoint and the newest record, over all shards (ESM-M8).
    public internal(set) var records = 0
    /// When the oldest of them arrived; nil if there is none or it can't be read.
    public internal(set) var oldest: Timestamp?

    /// Reads the backlog from the store.
    ///
    /// - Parameter states: the lanes' states. Records that a lane holds are not read again.
    static func measured(
        of key: MappingID, in store: any StoreEngine, states: [MappingShardState]
    ) async throws -> Measured {
        let mapping = try await store.describeMapping(key)
        let held = Dictionary(states.map { ($0.shard, $0.oldestArrival) }) { first, _ in first }
        var shards: [ShardID: MappingBacklog] = [:]
        var spans: [RecordSpan] = []
        for place in ShardBacklog.all(of: mapping, shards: try await store.describeStream(key.stream).shards) {
            let behind = place.behind
            shards[behind.shard] = MappingBacklog()
            guard !place.isShardEnd, behind.after < behind.through else { continue }
            spans.append(behind)
            var arrival = held[behind.shard] ?? nil
            if arrival == nil {
                let request = ReadRequest(
                    stream: key.stream, shard: behind.shard, after: behind.after, maximumRecords: 1)
                // A damaged record has no age; the damage is reported elsewhere.
                arrival = try? await store.read(request).batch.first?.approximateArrivalTimestamp
            }
            shards[behind.shard]?.oldest = arrival
        }
        if !spans.isEmpty {
            let counts = try await store.countRecords(in: spans, of: key.stream)
            for (span, count) in zip(spans, counts) { shards[span.shard]?.records = count }
        }
        return Measured(shards: shards)
    }

    /// The backlog of each shard that the stream lists or that the mapping is not through.
    struct Measured {
        let shards: [ShardID: MappingBacklog]

        /// That of the mapping.
        var total: MappingBacklog {
            MappingBacklog(
                records: shards.values.reduce(0) { $0 + $1.records }, oldest: shards.values.compactMap(\.oldest).min())
        }
    }
}

extension StreamMapping {
    /// How much the mapping has still to do, whether or not it runs. Throws `streamNotFound`, `mappingNotFound`.
    public func backlog() async throws -> MappingBacklog {
        try await MappingBacklog.measured(of: id, in: stream.engine, states: try await shardStates() ?? []).total
    }
}

extension MappingDescription {
    /// The settings that the mapping runs with, or last ran with, or was created with.
    ///
    /// Throws `invalidArgument` where another kind of program has stored other settings.
    public func settings() throws -> EventSourceMapping.Configuration {
        try StoredSettings(json: configuration).configuration
    }
}

/// Which records of one shard a mapping has not done. Metrics and the commands' reports both go by it.
package struct ShardBacklog: Sendable {
    /// The shard.
    package let shard: ShardDescription
    /// Whether the stream lists the shard no longer; none of its records is kept.
    package let isRemoved: Bool
    /// Whether the shard is closed and all of it is done.
    package let isShardEnd: Bool
    /// The last number that is done; before the first record where the mapping has not come to the shard (ESM-H3).
    package let done: SequenceNumber

    /// Records that retention ended before they were done.
    package var expired: RecordSpan {
        RecordSpan(shard: shard.id, after: min(done, shard.trimHorizon), through: shard.trimHorizon)
    }

    /// Records that are kept and not done.
    package var behind: RecordSpan {
        RecordSpan(shard: shard.id, after: min(max(done, shard.trimHorizon), shard.tip), through: shard.tip)
    }

    /// The backlog of `mapping` in the shards that its stream lists, and in those that it lists no longer and that the
    /// mapping is not through; in the shards' order.
    package static func all(of mapping: MappingDescription, shards listed: [ShardDescription]) -> [ShardBacklog] {
        let checkpoints = Dictionary(mapping.checkpoints.map { ($0.shard, $0) }) { first, _ in first }
        let ids = Set(listed.map(\.id))
        let removed = mapping.expiredShards.filter { !ids.contains($0.id) }
        return (listed + removed).sorted { $0.id < $1.id }.map { shard in
            let checkpoint = checkpoints[shard.id]
            return ShardBacklog(
                shard: shard, isRemoved: !ids.contains(shard.id), isShardEnd: checkpoint?.isShardEnd ?? false,
                done: max(checkpoint?.position ?? shard.origin, shard.origin))
        }
    }
}
