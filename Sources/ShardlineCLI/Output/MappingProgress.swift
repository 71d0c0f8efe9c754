import EventSource
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
        let places = ShardBacklog.all(
            of: mapping, shards: try await store.describeStream(mapping.key.stream).shards)
        let counts = try await store.countRecords(
            in: places.flatMap { [$0.expired, $0.behind] }, of: mapping.key.stream)
        let last = try await store.lastRecords(
            in: places.map { RecordSpan(shard: $0.shard.id, after: $0.shard.trimHorizon, through: $0.done) },
            of: mapping.key.stream)
        var all: [MappingProgress] = []
        for (index, place) in places.enumerated() {
            var progress = MappingProgress(
                shard: place.shard.id, isShardEnd: place.isShardEnd, behind: 0, isRemoved: place.isRemoved,
                state: states.first { $0.shard == place.shard.id })
            if !progress.isShardEnd { (progress.expired, progress.behind) = (counts[2 * index], counts[2 * index + 1]) }
            try await progress.findRecords(place, last[index], of: mapping.key.stream, in: store)
            all.append(progress)
        }
        return all
    }

    private mutating func findRecords(
        _ place: ShardBacklog, _ last: SequenceNumber?, of stream: String, in store: some StoreEngine
    ) async throws {
        guard !isShardEnd, !isRemoved else { return }
        func first(after position: SequenceNumber) async throws -> Record? {
            try await store.read(
                ReadRequest(stream: stream, shard: place.shard.id, after: position, maximumRecords: 1)
            ).batch.first
        }
        if behind > 0 {
            // What is damaged is told by the mapping that comes there.
            waiting = try? await first(after: place.behind.after).map(Waiting.init)
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
