import ArgumentParser
import EventSource
import StreamModel
import StreamStorage

/// `shardline redrive`
struct RedriveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "redrive", abstract: "Hand the waiting records of parked keys back to the function, in order.",
        discussion: """
            The function gets the records of each key in their order and before the key's later records, with the mapping's \
            batching and retries. A key of which nothing waits any more flows again. A record whose attempts are used up again \
            stops its key there. The process that runs the mapping does it, while other records go on; where none runs it, \
            the next one does. With --dry-run it only says which keys and records are meant, and whether a process runs the \
            mapping. --wait shows how many records are left until none of these keys is released any more, and ends with status 1 \
            where some have failed again. --redrive-rate of `shardline consume` and `shardline mapping update` limits how fast \
            records are handed back.

            Examples:
              shardline redrive orders totals --all --dry-run
              shardline redrive orders totals --all --reason 'deployed 1.4'
              shardline redrive orders totals --key ada --key eva
              shardline redrive orders totals --group 67eb9b242de3b258
            """)

    @OptionGroup var arguments: MappingArguments
    @OptionGroup var which: MeantKeyOptions

    @Flag(help: "Say which keys and records would be handed back, and hand nothing back.")
    var dryRun = false

    @Flag(help: "Show what is left until it is done.")
    var wait = false

    @OptionGroup var control: ControlOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        try which.check()
        let key = arguments.key
        let (meant, left) = try await withStore(store) { store in
            let selection = which.parked.selection(now: store.timeSource.wallTime)
            let meant = try await MeantKeys(selection, of: key, in: store)
            guard !dryRun, !meant.keys.isEmpty else { return (meant, nil as RedriveProgress?) }
            let mapping = store.stream(key.stream).mapping(key.name)
            try await mapping.release(selection, reason: control.reason, by: ControlOptions.actor)
            guard wait else { return (meant, nil) }
            guard meant.mapping.isClaimed, meant.mapping.isEnabled else {
                throw CommandFailure(
                    .failed,
                    "asked to redrive \(meant.words); \(meant.effect("redrives")), so there is nothing to wait for")
            }
            return (meant, try await RedriveProgress.watched(mapping, meant.keys, store.timeSource))
        }
        let effect = meant.effect("redrives")
        if dryRun { return Output.error.say("would redrive \(meant.words); \(effect); nothing was asked") }
        guard !meant.keys.isEmpty else {
            return Output.error.say("no parked key of \(meant.name) is meant; nothing was asked")
        }
        guard let left else { return Output.error.say("asked to redrive \(meant.words); \(effect)") }
        Output.error.say(left.summary)
        if left.failed > 0 { throw CommandFailure(.failed, left.failure(of: key)) }
    }
}
