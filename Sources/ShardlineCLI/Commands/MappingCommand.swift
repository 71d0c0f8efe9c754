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
    var behind: UInt64
    /// The last record that is done, if it is still kept.
    var checkpoint: KinesisSequenceNumber?
    /// What its run does there; nil where it doesn't run, or the run has not come to the shard.
    var state: MappingShardState?

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
        for shard in try await store.describeStream(mapping.key.stream).shards {
            let checkpoint = mapping.checkpoints.first { $0.shard == shard.id }
            let position = max(checkpoint?.position ?? .zero, shard.trimHorizon)
            var last: KinesisSequenceNumber?
            if let done = checkpoint?.position, done > shard.trimHorizon, done <= shard.tip, !checkpoint!.isShardEnd {
                let request = ReadRequest(
                    stream: mapping.key.stream, shard: shard.id, after: SequenceNumber(done.rawValue - 1),
                    maximumRecords: 1)
                last = try await store.read(request).batch.first.flatMap {
                    $0.sequenceNumber == done ? $0.kinesisSequenceNumber : nil
                }
            }
            let isShardEnd = checkpoint?.isShardEnd ?? false
            all.append(
                MappingProgress(
                    shard: shard.id, isShardEnd: isShardEnd,
                    behind: isShardEnd || position >= shard.tip ? 0 : shard.tip.rawValue - position.rawValue,
                    checkpoint: last, state: states.first { $0.shard == shard.id }))
        }
        return all
    }
}
