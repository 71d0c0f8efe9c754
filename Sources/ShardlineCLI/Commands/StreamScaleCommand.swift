import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline stream scale`
struct StreamScaleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "scale", abstract: "Change how many shards a stream has.",
        discussion: """
            Shards are split and merged until the given number divides the hash keys evenly, all in one commit, as \
            Kinesis' uniform scaling does. Kinesis at most doubles or halves the number in one call; here it may be any. \
            Producers and mappings go on, and the records of a key keep their order: a mapping comes to the end of a shard \
            before it begins with its children.

            A shard has at most two parents, so on the way to fewer shards there may be some in between that take no record. \
            Closed shards, those included, stay listed until records that old have expired, and a stream has at most 10,000 \
            shards, closed ones included. --dry-run says how many there would be.

            Examples:
              shardline stream scale clicks 16
              shardline stream scale clicks 3 --dry-run
            """)

    @Argument(help: "The stream's name.")
    var name: String

    @Argument(help: "How many open shards it has afterwards: 1 to 10,000.", transform: Amounts.wholeNumber)
    var count: Int

    @OptionGroup var options: ReshardingOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        // Before a store is opened for nothing.
        try ReshardingPlan.check(count: count)
        try await options.run(name, store) {
            try ReshardingPlan(scaling: $0, to: count)
        } change: {
            try await $0.updateShardCount(to: count)
        }
    }
}
