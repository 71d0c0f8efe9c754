import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline mapping disable`
struct MappingDisableCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "disable", abstract: "Let a mapping deliver nothing until it is enabled, also while it runs.",
        discussion: """
            A mapping that runs waits for the batches that are in work, then reads and delivers nothing. How far it is, and how \
            often failing batches were tried, is kept. Its process stays, and a process that is started on a disabled mapping \
            waits, until `shardline mapping enable`. Records go on to be put, and expire as ever.

            Examples:
              shardline mapping disable clicks count --reason 'the database moves'
              shardline mapping disable clicks count
            """)

    @OptionGroup var arguments: MappingArguments
    @OptionGroup var control: ControlOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let key = arguments.key
        let mapping = try await withStore(store) { store in
            try await store.stream(key.stream).mapping(key.name).disable(
                reason: control.reason, by: ControlOptions.actor)
        }
        Output.error.say("disabled the mapping '\(key.name)' of '\(key.stream)'\(Self.effect(mapping))")
    }

    private static func effect(_ mapping: MappingDescription) -> String {
        mapping.state == .disabling ? "; it runs, and waits for the batches that are in work" : ""
    }
}
