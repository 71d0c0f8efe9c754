import StreamModel
import StreamStorage

/// How far a mapping is in one shard of its stream.
struct MappingProgress: Equatable {
    var shard: ShardID
    /// Whether the shard is closed and done.
    var isShardEnd: Bool
    /// Records that are not done and still kept.
    var behind: Int
    /// Records that retention ended before they were done: the next run gives them up with the condition
    /// `RecordsExpired`.
    var expired = 0
    /// Whether the stream lists the shard no longer.
    var isRemoved = false
    /// The last record that is done, if it is still kept. The mapping may be done up to a later number, which no record
    /// has.
    var checkpoint: KinesisSequenceNumber?
    /// The oldest record that is left, where records before it expired undone.
    var oldest: KinesisSequenceNumber?
    /// What its run does there; nil where it doesn't run, or the run has not come to the shard.
    var state: MappingShardState?
    /// The first record that is not done; nil where there is none, or it can't be read.
    var waiting: Waiting?

    /// A record that is not done.
    struct Waiting: Equatable {
        var record: MappingShardState.Unit
        var arrival: Timestamp
    }

    /// Up to where it is done, for people.
    var words: String {
        if isShardEnd { return "the shard's end" }
        if expired > 0 {
            let rest =
                isRemoved
                ? "the shard was removed" : oldest.map { "the oldest left is \($0)" } ?? "no record is left"
            return "\(Readable.count(expired, "record")) expired undone; \(rest)"
        }
        if let checkpoint { return checkpoint.description }
        return behind == 0 ? "the newest record" : "before the oldest record"
    }

    /// The progress of `mapping` in all shards of its stream, and in those that the stream lists no longer and that the
    /// mapping is not through.
    static func all(of mapping: MappingDescription, in store: some StoreEngine) async throws -> [MappingProgress] {
        let states = mapping.isClaimed ? try await store.mappingStates(mapping.key) ?? [] : []
        let listed = try await store.describeStream(mapping.key.stream).shards
        let ids = Set(listed.map(\.id))
        let removed = mapping.expiredShards.filter { !ids.contains($0.id) }
        let checkpoints = Dictionary(mapping.checkpoints.map { ($0.shard, $0) }) { first, _ in first }
        let shards = (listed + removed).sorted { $0.id < $1.id }
        // A shard that it has not come to it begins at the first record (ESM-H3).
        let done = shards.map { max(checkpoints[$0.id]?.position ?? $0.origin, $0.origin) }
        let spans = zip(shards, done).flatMap { shard, done in
            [
                RecordSpan(shard: shard.id, after: min(done, shard.trimHorizon), through: shard.trimHorizon),
                RecordSpan(
                    shard: shard.id, after: min(max(done, shard.trimHorizon), shard.tip), through: shard.tip),
            ]
        }
        let counts = try await store.countRecords(in: spans, of: mapping.key.stream)
        let last = try await store.lastRecords(
            in: zip(shards, done).map { RecordSpan(shard: $0.id, after: $0.trimHorizon, through: $1) },
            of: mapping.key.stream)
        var all: [MappingProgress] = []
        for (index, shard) in shards.enumerated() {
            let checkpoint = checkpoints[shard.id]
            var progress = MappingProgress(
                shard: shard.id, isShardEnd: checkpoint?.isShardEnd ?? false, behind: 0,
                state: states.first { $0.shard == shard.id })
            if !progress.isShardEnd { (progress.expired, progress.behind) = (counts[2 * index], counts[2 * index + 1]) }
            progress.isRemoved = !ids.contains(shard.id)
            try await progress.findRecords(shard, done[index], last[index], of: mapping.key.stream, in: store)
            all.append(progress)
        }
        return all
    }

    private mutating func findRecords(
        _ shard: ShardDescription, _ done: SequenceNumber, _ last: SequenceNumber?, of stream: String,
        in store: some StoreEngine
    ) async throws {
        guard !isShardEnd, !isRemoved else { return }
        func first(after position: SequenceNumber) async throws -> Record? {
            try await store.read(
                ReadRequest(stream: stream, shard: shard.id, after: position, maximumRecords: 1)
            ).batch.first
        }
        if behind > 0 {
            // What is damaged is told by the mapping that comes there.
            waiting = try? await first(after: max(done, shard.trimHorizon)).map(Waiting.init)
        }
        if expired > 0, behind > 0 {
            oldest = waiting?.record.sequenceNumber
        } else if let last {
            let record = try await first(after: last.previous)
            checkpoint = record.flatMap { $0.sequenceNumber == last ? $0.kinesisSequenceNumber : nil }
        }
    }
}

extension MappingProgress.Waiting {
    init(_ record: Record) {
        self.record = MappingShardState.Unit(
            partitionKey: record.partitionKey, sequenceNumber: record.kinesisSequenceNumber, recordCount: 1)
        arrival = record.approximateArrivalTimestamp
    }
}
