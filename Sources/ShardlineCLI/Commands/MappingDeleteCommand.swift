import ArgumentParser
import StreamStorage

/// `shardline mapping delete`
struct MappingDeleteCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete",
        abstract:
            "Delete a mapping with its checkpoints; one that is created again under its name begins from the start.",
        discussion: """
            The stream or file that holds what it has given up stays. A mapping that runs can't be deleted: end its process first.

            On a terminal it asks first. --yes answers that; where there is no terminal, as in a script, nothing is asked.

            Examples:
              shardline mapping delete clicks count
              shardline mapping delete clicks count --yes
            """)

    @OptionGroup var arguments: MappingArguments
    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let confirmation = Confirmation(confirmation)
        if confirmation.isNeeded {
            let mapping = try await withStore(store) { try await $0.describeMapping(arguments.key) }
            guard !mapping.isClaimed else {
                throw CommandFailure(
                    .busy,
                    "the mapping '\(arguments.mapping)' of '\(arguments.stream)' is running: end its process first")
            }
            try await confirmation.confirm(
                "delete the mapping '\(arguments.mapping)' of '\(arguments.stream)' with its checkpoints, permanently?",
                otherwise: "nothing was deleted")
        }
        try await withStore(store) { try await $0.deleteMapping(arguments.key) }
        Output.error.say("deleted the mapping '\(arguments.mapping)' of '\(arguments.stream)'")
    }
}
