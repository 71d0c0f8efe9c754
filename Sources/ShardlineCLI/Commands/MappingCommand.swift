import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline mapping …`
struct MappingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mapping", abstract: "List, look at, move and delete the mappings of streams.",
        discussion: "A mapping is made by `shardline consume`, or by a program that uses the library.",
        subcommands: [
            MappingListCommand.self, MappingDescribeCommand.self, MappingSeekCommand.self, MappingDeleteCommand.self,
        ])
}

/// The mapping that a command is about.
struct MappingArguments: ParsableArguments {
    @Argument(help: "The stream's name.")
    var stream: String

    @Argument(help: "The mapping's name.")
    var mapping: String

    var key: MappingKey { MappingKey(stream: stream, name: mapping) }
}

/// How far a mapping is in one shard of its stream.
struct MappingProgress: Equatable {
    var shard: ShardID
    /// Whether the shard is closed and done.
    var isShardEnd: Bool
    /// Records that are not done.
    var behind: Int
    /// The last record that is done, if it is still kept.
    var checkpoint: KinesisSequenceNumber?
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
        if let checkpoint { return checkpoint.description }
        return behind == 0 ? "the newest record" : "before the oldest record"
    }

    /// The progress of `mapping` in all shards of its stream.
    static func all(of mapping: MappingDescription, in store: some StreamStore) async throws -> [MappingProgress] {
        var all: [MappingProgress] = []
        let states = mapping.isClaimed ? try await store.mappingStates(mapping.key) ?? [] : []
        let shards = try await store.describeStream(mapping.key.stream).shards
        let counts = try await store.countRecords(
            in: shards.map { RecordSpan(shard: $0.id, after: mapping.position(in: $0), through: $0.tip) },
            of: mapping.key.stream)
        for (shard, count) in zip(shards, counts) {
            let checkpoint = mapping.checkpoints.first { $0.shard == shard.id }
            var last: KinesisSequenceNumber?
            if let done = checkpoint?.position, done > shard.trimHorizon, done <= shard.tip, !checkpoint!.isShardEnd {
                let request = ReadRequest(
                    stream: mapping.key.stream, shard: shard.id, after: done.previous,
                    maximumRecords: 1)
                last = try await store.read(request).batch.first.flatMap {
                    $0.sequenceNumber == done ? $0.kinesisSequenceNumber : nil
                }
            }
            let isShardEnd = checkpoint?.isShardEnd ?? false
            var waiting: Waiting?
            if !isShardEnd, mapping.position(in: shard) < shard.tip {
                let request = ReadRequest(
                    stream: mapping.key.stream, shard: shard.id, after: mapping.position(in: shard), maximumRecords: 1)
                // What is damaged is told by the mapping that comes there.
                waiting = try? await store.read(request).batch.first.map(Waiting.init)
            }
            all.append(
                MappingProgress(
                    shard: shard.id, isShardEnd: isShardEnd,
                    behind: isShardEnd ? 0 : count,
                    checkpoint: last, state: states.first { $0.shard == shard.id }, waiting: waiting))
        }
        return all
    }
}

extension MappingProgress.Waiting {
    init(_ record: Record) {
        self.record = MappingShardState.Unit(
            partitionKey: record.partitionKey, sequenceNumber: record.kinesisSequenceNumber, recordCount: 1)
        arrival = record.approximateArrivalTimestamp
    }
}

extension MappingDescription {
    /// Behind which number the mapping has something to do in the shard: what has expired is not done any more.
    func position(in shard: ShardDescription) -> SequenceNumber {
        max(checkpoints.first { $0.shard == shard.id }?.position ?? .zero, shard.trimHorizon)
    }
}
