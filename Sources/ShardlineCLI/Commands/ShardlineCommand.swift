import ArgumentParser

/// `shardline`: what a user types first.
struct ShardlineCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shardline",
        abstract: "Durable streams of records, and functions that are fed from them in order.",
        discussion: """
            A stream is an ordered log, divided into shards. Records of one partition key stay in order. A mapping feeds \
            a function with a stream's records in batches, retries and isolates what fails, and remembers how far it is.

            Example, in one terminal:

              export SHARDLINE_DATA=./data
              shardline stream create clicks --shards 4
              shardline consume clicks --mapping count --exec 'python3 count.py'

            and in another one:

              export SHARDLINE_DATA=./data
              shardline put clicks --key-field user clicks.jsonl

            Exit codes: 0 done, 1 failed, 3 records were given up (with --fail-on-given-up), 64 wrong usage, 65 bad \
            data, 69 store in use, its owner gone or the function can't be started, 74 damage or I/O error.

            Completions for your shell: shardline --generate-completion-script bash|zsh|fish
            """,
        version: Version.text,
        subcommands: [
            StreamCommand.self, PutCommand.self, TailCommand.self, ConsumeCommand.self, MappingCommand.self,
            RedriveCommand.self, CheckCommand.self, RepairCommand.self, BackupCommand.self, RestoreCommand.self,
            BenchCommand.self,
            ServeCommand.self, DemoCommand.self,
            DemoWorkerCommand.self,
        ])
}

/// The version of this build.
enum Version {
    static let text = "0.1.0"
}
