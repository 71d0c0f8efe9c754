import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline stream split`
struct StreamSplitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "split", abstract: "Split a shard of a stream into two.",
        discussion: """
            The shard is closed and its two children share its hash keys, evenly or at --at. Producers and mappings go on: \
            what is put from now on goes to the children, and a mapping comes to the end of the shard before it begins \
            with a child, so the records of a key keep their order. `shardline stream scale` changes all shards at once.

            Examples:
              shardline stream split clicks 0
              shardline stream split clicks shardId-000000000003 --dry-run
              shardline stream split clicks 3 --at 85070591730234615865843651857942052864
            """)

    @Argument(help: "The stream's name.")
    var name: String

    @Argument(help: "The shard, such as 3 or shardId-000000000003.", transform: ShardID.argument)
    var shard: ShardID

    @Option(
        name: .customLong("at"), parsing: .unconditional,
        help: ArgumentHelp(
            "The first hash key of the second child: more than the shard's first + 1, and less than its last. Default: the middle.",
            valueName: "hash-key"),
        transform: HashKey.argument)
    var hashKey: HashKey?

    @OptionGroup var options: ReshardingOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        try await options.run(name, store) {
            try ReshardingPlan(splitting: shard, at: hashKey, of: $0)
        } change: {
            try await $0.splitShard(shard, at: hashKey)
        }
    }
}

extension HashKey {
    /// Reads a decimal number below 2^128.
    static func argument(_ text: String) throws -> HashKey {
        guard let key = HashKey(text) else {
            throw ArgumentProblem(description: "a hash key is a number from 0 to \(HashKey(.max))")
        }
        return key
    }
}
