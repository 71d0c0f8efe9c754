import StreamModel
import StreamStorage

/// The records that a mapping has not done, as the store counts them: in all shards of the stream, also in those
/// without a lane or with a lane that doesn't read.
struct MappingBacklog: Hashable, Sendable {
    /// The number of records between the checkpoint and the newest record, over all shards (ESM-M8).
    var records = 0
    /// When the oldest of them arrived; nil if there is none or it can't be read.
    var oldest: Timestamp?

    /// Reads the backlog from the store.
    ///
    /// - Parameter states: the lanes' states. Records that a lane holds are not read again.
    static func measured(
        of key: MappingID, in store: any StoreEngine, states: [MappingShardState]
    ) async throws -> MappingBacklog {
        let checkpoints = try await store.describeMapping(key).checkpoints
        let positions = Dictionary(checkpoints.map { ($0.shard, $0) }) { first, _ in first }
        let held = Dictionary(states.map { ($0.shard, $0.oldestArrival) }) { first, _ in first }
        var backlog = MappingBacklog()
        var spans: [RecordSpan] = []
        for shard in try await store.describeStream(key.stream).shards {
            let checkpoint = positions[shard.id]
            let position = max(checkpoint?.position ?? .zero, shard.trimHorizon)
            guard checkpoint?.isShardEnd != true, position < shard.tip else { continue }
            spans.append(RecordSpan(shard: shard.id, after: position))
            var arrival = held[shard.id] ?? nil
            if arrival == nil {
                let request = ReadRequest(stream: key.stream, shard: shard.id, after: position, maximumRecords: 1)
                // A damaged record has no age; the damage is reported elsewhere.
                arrival = try? await store.read(request).batch.first?.approximateArrivalTimestamp
            }
            if let arrival { backlog.oldest = min(backlog.oldest ?? arrival, arrival) }
        }
        if !spans.isEmpty { backlog.records = try await store.countRecords(in: spans, of: key.stream).reduce(0, +) }
        return backlog
    }
}
