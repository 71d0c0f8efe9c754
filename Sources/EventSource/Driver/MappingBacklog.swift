import StreamModel
import StreamStorage

/// What a mapping has not done, as its store says: in all shards of its stream, also in those that no lane has come to or
/// whose lane reads no further.
struct MappingBacklog: Hashable, Sendable {
    /// Records between the checkpoints and the newest record of each shard (ESM-M8).
    var records = 0
    /// When the oldest of them arrived; nil: there is none, or it can't be read.
    var oldest: Timestamp?

    /// Asks the store.
    ///
    /// - Parameter states: what the lanes know. What they hold need not be read again.
    static func measured(
        of key: MappingID, in store: any StreamStore, states: [MappingShardState]
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
                // What is damaged has no age, and is told elsewhere.
                arrival = try? await store.read(request).batch.first?.approximateArrivalTimestamp
            }
            if let arrival { backlog.oldest = min(backlog.oldest ?? arrival, arrival) }
        }
        if !spans.isEmpty { backlog.records = try await store.countRecords(in: spans, of: key.stream).reduce(0, +) }
        return backlog
    }
}
