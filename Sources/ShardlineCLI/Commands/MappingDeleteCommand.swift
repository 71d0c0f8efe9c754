import ArgumentParser
import StreamStorage

/// `shardline mapping delete`
struct MappingDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract: "Delete a mapping with its checkpoints; one made anew under its name begins from the start.",
        discussion: """
            Its failure destination stays. A mapping that runs can't be deleted: end its process first.

            Example:
              shardline mapping delete clicks count
            """)

    @OptionGroup var arguments: MappingArguments
    @OptionGroup var store: StoreOptions

    func run() async throws {
        try await withStore(store) { try await $0.deleteMapping(arguments.key) }
        Output.error.say("deleted the mapping '\(arguments.mapping)' of '\(arguments.stream)'")
    }
}
