import ArgumentParser
import EventSource
import StreamModel
import StreamStorage

/// `shardline mapping discard`
struct MappingDiscardCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "discard", abstract: "Drop the waiting records of parked keys, after which the keys flow again.",
        discussion: """
            The function does not get these records, but for those that are being redriven. It is durable: where no process runs the mapping, the next one does it. The \
            stream STREAM.MAPPING.parked has the records until it removes them, after 365 days. With --dry-run it only says \
            which keys and records are meant.

            On a terminal it asks first. --yes answers that; where there is no terminal, as in a script, nothing is asked.

            Examples:
              shardline mapping discard orders totals --key test-1 --dry-run
              shardline mapping discard orders totals --group 67eb9b242de3b258
              shardline mapping discard orders totals --all --reason 'test data'
            """)

    @OptionGroup var arguments: MappingArguments
    @OptionGroup var which: MeantKeyOptions

    @Flag(help: "Say which keys and records would be dropped, and drop nothing.")
    var dryRun = false

    @OptionGroup var control: ControlOptions
    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        try which.check()
        let key = arguments.key
        let confirmation = Confirmation(confirmation)
        if dryRun || confirmation.isNeeded {
            let meant = try await withStore(store) { store in
                try await MeantKeys(which.parked.selection(now: store.timeSource.wallTime), of: key, in: store)
            }
            if dryRun {
                return Output.error.say("would discard \(meant.words); \(meant.effect("discards")); nothing was asked")
            }
            if !meant.keys.isEmpty {
                try await confirmation.confirm(
                    "discard \(meant.words)? The function never gets them", otherwise: "nothing was discarded")
            }
        }
        let meant = try await withStore(store) { store in
            let selection = which.parked.selection(now: store.timeSource.wallTime)
            let meant = try await MeantKeys(selection, of: key, in: store)
            guard !meant.keys.isEmpty else { return meant }
            try await store.stream(key.stream).mapping(key.name).discard(
                selection, reason: control.reason, by: ControlOptions.actor)
            return meant
        }
        guard !meant.keys.isEmpty else {
            return Output.error.say("no parked key of \(meant.name) is meant; nothing was asked")
        }
        Output.error.say("asked to discard \(meant.words); \(meant.effect("discards"))")
    }
}
