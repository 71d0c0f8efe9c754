import ArgumentParser
import EventSource
import StreamModel
import StreamStorage

/// `shardline mapping resume`
struct MappingResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Let shards go on that are paused because of a record.",
        discussion: """
            A shard is paused when the attempts for a record are used up and the mapping has --when-exhausted pause-shard. \
            `shardline mapping describe` says which record it is and why it failed. The record is tried again, with all its \
            attempts, or with --give-up goes to the failure destination. It is durable: where no process runs the mapping, the \
            next one does it. With --dry-run it only says which shards are meant.

            Examples:
              shardline mapping resume orders totals
              shardline mapping resume orders totals --shard 3 --give-up
            """)

    @OptionGroup var arguments: MappingArguments

    @Option(
        name: .customLong("shard"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Only this shard, such as 3 or shardId-000000000003; may be given several times. Default: all that are paused.",
            valueName: "shard"),
        transform: ShardID.argument)
    var shards: [ShardID] = []

    @Flag(help: "Give up the records that paused the shards, in place of trying them again.")
    var giveUp = false

    @Flag(help: "Say which shards are meant, and ask nothing.")
    var dryRun = false

    @OptionGroup var control: ControlOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let key = arguments.key
        let (mapping, paused, now) = try await withStore(store) { store in
            let mapping = store.stream(key.stream).mapping(key.name)
            let all = try await mapping.pausedShards()
            for shard in shards where !all.contains(where: { $0.shard == shard }) {
                throw CommandFailure(
                    .failed,
                    "\(shard) of the mapping '\(key.name)' of '\(key.stream)' is not paused; `shardline mapping describe` says which shards are; nothing was asked"
                )
            }
            var meant = all.filter { shards.isEmpty || shards.contains($0.shard) }
            if !dryRun {
                meant = try await mapping.resume(
                    shards.isEmpty ? nil : Set(shards), givingUp: giveUp, reason: control.reason,
                    by: ControlOptions.actor)
            }
            return (try await mapping.describe(), meant, store.timeSource.wallTime)
        }
        guard !paused.isEmpty else {
            return Output.error.say(
                "no shard of the mapping '\(key.name)' of '\(key.stream)' is paused; nothing was asked")
        }
        for shard in paused { Output.error.say(PausedShards.words(shard, now: now)) }
        let what = "\(giveUp ? "give up these records" : "try these records again") and go on"
        if dryRun { return Output.error.say("would ask to \(what); nothing was asked") }
        Output.error.say("asked to \(what); \(mapping.effect("does so"))")
    }
}
