import ArgumentParser
import StreamStorage

/// `shardline stream delete`
struct StreamDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Delete a stream with all its records and mappings, for good.",
        discussion: """
            Example:
              shardline stream delete clicks
            """)

    @Argument(help: "The stream's name.")
    var name: String

    @OptionGroup var store: StoreOptions

    func run() async throws {
        try await withStore(store) { try await $0.deleteStream(name) }
        Output.error.say("deleted the stream '\(name)'")
    }
}
