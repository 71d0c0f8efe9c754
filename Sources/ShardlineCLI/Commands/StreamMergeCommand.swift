import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline stream merge`
struct StreamMergeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge", abstract: "Merge two neighbouring shards of a stream into one.",
        discussion: """
            Both shards are closed, and their child has the hash keys of both, which must be next to each other \
            (`shardline stream describe` shows them). Producers and mappings go on: a mapping comes to the end of both \
            shards before it begins with the child, so the records of a key keep their order.

            Examples:
              shardline stream merge clicks 2 3
              shardline stream merge clicks 2 3 --dry-run
            """)

    @Argument(help: "The stream's name.")
    var name: String

    @Argument(help: "A shard, such as 3 or shardId-000000000003.", transform: ShardID.argument)
    var shard: ShardID

    @Argument(help: "The shard with the hash keys before or after those.", transform: ShardID.argument)
    var neighbour: ShardID

    @OptionGroup var options: ReshardingOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        try await options.run(name, store) {
            try ReshardingPlan(merging: shard, neighbour, of: $0)
        } change: {
            try await $0.mergeShards(shard, neighbour)
        }
    }
}
