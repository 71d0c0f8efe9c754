import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline mapping enable`
struct MappingEnableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "enable", abstract: "Let a mapping that was disabled deliver again.",
        discussion: """
            A mapping that runs goes on where it was. Records that expired meanwhile are given up with the condition \
            RecordsExpired.

            Example:
              shardline mapping enable clicks count --reason 'the database is back'
            """)

    @OptionGroup var arguments: MappingArguments
    @OptionGroup var control: ControlOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let key = arguments.key
        let mapping = try await withStore(store) { store in
            try await store.stream(key.stream).mapping(key.name).enable(
                reason: control.reason, by: ControlOptions.actor)
        }
        Output.error.say("enabled the mapping '\(key.name)' of '\(key.stream)'\(Self.effect(mapping))")
    }

    private static func effect(_ mapping: MappingDescription) -> String {
        mapping.isClaimed ? "; it runs, and goes on where it was" : "; it does not run"
    }
}
