import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline mapping …`
struct MappingCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mapping",
        abstract: "List, look at, change, move and delete the mappings of streams, and their parked keys.",
        discussion: "A mapping is created by `shardline consume`, or by a program that uses the library.",
        subcommands: [
            MappingListCommand.self, MappingDescribeCommand.self, MappingUpdateCommand.self,
            MappingDisableCommand.self, MappingEnableCommand.self, MappingSeekCommand.self, MappingDeleteCommand.self,
            MappingKeysCommand.self, MappingParkCommand.self, MappingDiscardCommand.self, MappingResumeCommand.self,
        ])
}

/// The mapping that a command is about.
struct MappingArguments: ParsableArguments {
    @Argument(help: "The stream's name.")
    var stream: String

    @Argument(help: "The mapping's name.")
    var mapping: String

    var key: MappingID { MappingID(stream: stream, name: mapping) }
}

extension MappingDescription {
    /// Behind which number the mapping has something to do in the shard: what has expired is not done any more.
    func position(in shard: ShardDescription) -> SequenceNumber {
        max(checkpoints.first { $0.shard == shard.id }?.position ?? .zero, shard.trimHorizon)
    }
}
