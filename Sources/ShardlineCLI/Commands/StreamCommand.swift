import ArgumentParser

/// `shardline stream …`
struct StreamCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stream", abstract: "Make, list, look at and delete streams.",
        subcommands: [
            StreamCreateCommand.self, StreamListCommand.self, StreamDescribeCommand.self, StreamDeleteCommand.self,
        ])
}
