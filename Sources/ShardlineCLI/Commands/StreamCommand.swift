import ArgumentParser

/// `shardline stream …`
struct StreamCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stream", abstract: "Make, list, look at, change and delete streams.",
        subcommands: [
            StreamCreateCommand.self, StreamListCommand.self, StreamDescribeCommand.self, StreamUpdateCommand.self,
            StreamScaleCommand.self, StreamSplitCommand.self, StreamMergeCommand.self, StreamDeleteCommand.self,
        ])
}
