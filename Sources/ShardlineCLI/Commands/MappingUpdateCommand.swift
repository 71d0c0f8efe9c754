import ArgumentParser
import EventSource
import StreamModel
import StreamStorage

/// `shardline mapping update`
struct MappingUpdateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Change the settings of a mapping, also while it runs.",
        discussion: """
            What is given changes, everything else stays. A mapping that runs has the new settings from the next batch of each \
            shard on; a batch that is in work, or that failed and is tried again, goes on, and fewer retries or a lower age free \
            a shard that is stuck at once. A new parallelization factor waits until the batches that have begun are done.

            The settings stay over restarts. `shardline consume`, or a program, that brings other settings than when it was \
            last started has the last word. `shardline mapping describe` shows who changed a mapping, when and why.

            Examples:
              shardline mapping update clicks count --batch-size 500 --reason 'night job'
              shardline mapping update clicks count --max-retries 2 --bisect
              shardline mapping update clicks count --no-filter
            """)

    @OptionGroup var arguments: MappingArguments
    @OptionGroup var settings: SettingsOptions

    @Flag(help: "Take away all filters: the command gets all records.")
    var noFilter = false

    @OptionGroup var control: ControlOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        guard !noFilter || settings.filter.isEmpty else {
            throw CommandFailure(.usage, "--filter and --no-filter can't be given together")
        }
        guard settings.onFailure?.isOwn != true else {
            throw CommandFailure(
                .usage,
                "--on-failure \(settings.onFailure?.destination.optionText ?? "") is brought by the process that runs the mapping: give it to `shardline consume`"
            )
        }
        if case .setting(.file(let path)) = settings.onFailure, !path.hasPrefix("/") {
            throw CommandFailure(
                .usage,
                "--on-failure file:\(path) is relative, and the process that runs the mapping may be in another directory; name the file from / on"
            )
        }
        try await settings.refuseFailures(in: store)
        let key = arguments.key
        let after = try await withStore(store) { store in
            let mapping = store.stream(key.stream).mapping(key.name)
            return try await mapping.update(reason: control.reason, by: ControlOptions.actor) { configuration in
                let before = configuration
                settings.apply(to: &configuration)
                if noFilter { configuration.filters = [] }
                guard configuration != before else {
                    throw CommandFailure(
                        .usage,
                        "the mapping '\(key.name)' of '\(key.stream)' has these settings already; nothing was changed")
                }
                try configuration.validate(mapping: key.name, stream: key.stream, naming: settings.naming)
            }
        }
        let effect = after.isClaimed ? "; it runs, and has them from its next batches on" : ""
        Output.error.say(
            "updated the settings of the mapping '\(key.name)' of '\(key.stream)' (revision \(after.revision))\(effect)"
        )
    }
}
