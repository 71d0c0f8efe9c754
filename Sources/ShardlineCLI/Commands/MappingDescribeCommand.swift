import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline mapping describe`
struct MappingDescribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "describe", abstract: "Show how far a mapping is in each shard, and its settings.",
        discussion: """
            Example:
              shardline mapping describe clicks count
            """)

    @OptionGroup var arguments: MappingArguments

    @Flag(help: "One JSON object.")
    var json = false

    @OptionGroup var store: StoreOptions

    func run() async throws {
        let (mapping, progress) = try await withStore(store) { store in
            let mapping = try await store.describeMapping(arguments.key)
            return (mapping, try await MappingProgress.all(of: mapping, in: store))
        }
        if json { return try Output.standard.write(mapping.json(progress) + [UInt8(ascii: "\n")]) }
        var table = Table([("SHARD", .left), ("BEHIND", .right), ("DONE UP TO", .left)])
        for shard in progress {
            table.add([
                shard.shard.description, Readable.number(shard.behind),
                shard.isShardEnd ? "the shard's end" : shard.checkpoint?.description ?? "the oldest record",
            ])
        }
        let lines =
            [
                "mapping    \(mapping.key.name) of the stream \(mapping.key.stream)",
                "state      \(mapping.isClaimed ? "running" : "stopped")",
                "made       \(mapping.createdAt)",
                "behind     \(Readable.count(progress.reduce(0) { $0 + $1.behind }, "record"))",
                "settings   \(String(decoding: mapping.configuration, as: UTF8.self))",
                "",
            ] + table.lines
        for line in lines { try Output.standard.line(line) }
    }
}
