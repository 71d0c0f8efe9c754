import ArgumentParser
import StreamModel
import StreamStorage

/// `shardline mapping seek`
struct MappingSeekCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "seek", abstract: "Move a mapping to another place in its stream.",
        discussion: """
            Records from there on are delivered (again); records before it are not delivered any more. A mapping that \
            runs goes on at the new place. For each shard it says what the last record is that is done, before and \
            after, and how many records are skipped or come again. With --dry-run it only says so.

            A seek reaches no further back than the oldest record that is kept: to an older time or number, the mapping goes \
            to that record. Records that expired before they were done are passed over, to any place the seek goes, and it \
            says how many: without it the next run would give them up to the failure destination, with the condition \
            RecordsExpired.

            On a terminal it asks before records are skipped, as those are never delivered. --yes answers that; where \
            there is no terminal, as in a script, nothing is asked.

            Examples:
              shardline mapping seek clicks count --to latest --dry-run
              shardline mapping seek clicks count --to trim-horizon
              shardline mapping seek clicks count --to 15m
              shardline mapping seek clicks count --to 2026-01-31T08:30:00Z
              shardline mapping seek clicks count --to 17 --shard 3
            """)

    @OptionGroup var arguments: MappingArguments

    // -5m must not be taken for an option.
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Where to go: \(Position.help).", valueName: "position"),
        transform: Position.init)
    var to: Position

    @Option(
        parsing: .unconditional,
        help: "Only in this shard, such as 3 or shardId-000000000003. Default: all.", transform: ShardID.argument)
    var shard: ShardID?

    @Flag(help: "Say what would be skipped or come again, and move nothing.")
    var dryRun = false

    @OptionGroup var confirmation: ConfirmationOptions
    @OptionGroup var store: StoreOptions

    func run() async throws {
        let shard = try to.onlyShard(given: shard)
        let name = "the mapping '\(arguments.mapping)' of '\(arguments.stream)'\(shard.map { " in \($0)" } ?? "")"
        let confirmation = Confirmation(confirmation)
        if dryRun || confirmation.isNeeded {
            let plan = try await withStore(store) { store in
                let position = try to.starting(now: store.timeSource.wallTime)
                return try await SeekReport(of: arguments.key, to: position, only: shard, in: store)
            }
            if dryRun {
                for line in plan.linesOfPlan { try Output.standard.line(line) }
                return Output.error.say("would move \(name): \(plan.sum); nothing was changed")
            }
            if plan.skipped > 0 {
                try await confirmation.confirm(
                    "move \(name)? \(plan.sum), and what is skipped is never delivered", otherwise: "nothing was moved")
            }
        }
        let moves = try await withStore(store) { store in
            let position = try to.starting(now: store.timeSource.wallTime)
            let before = try await store.describeMapping(arguments.key)
            let progress = try await MappingProgress.all(of: before, in: store)
            let after = try await store.seekMapping(arguments.key, to: position, shard: shard)
            return try await SeekReport(from: before, progress, to: after, only: shard, in: store)
        }
        for line in moves.lines { try Output.standard.line(line) }
        Output.error.say("moved \(name): \(moves.sum)")
    }
}

extension ShardID {
    /// Reads `3` or `shardId-000000000003`.
    static func argument(_ text: String) throws -> ShardID {
        guard let shard = ShardID(text) else {
            throw ArgumentProblem(description: "a shard is named 3 or shardId-000000000003")
        }
        return shard
    }
}

extension Position {
    /// The one shard that is meant: the one that was given, or the one that the sequence number is in.
    func onlyShard(given: ShardID?) throws -> ShardID? {
        if case .number(let number) = self, given == nil {
            throw CommandFailure(
                .usage,
                "\(number) is a place in one shard: name it with --shard, or give the sequence number of 56 digits, which names it; a time in seconds since 1970 has a decimal point, as \(number).0"
            )
        }
        guard let own = shard else { return given }
        guard given == nil || given == own else {
            throw CommandFailure(.usage, "the sequence number is in \(own), not in \(given!)")
        }
        return own
    }
}
