import ArgumentParser
import OfflineStore
import SegmentStorage
import StreamModel

/// `shardline check`
struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Read everything that a store holds, and say what is damaged.",
        discussion: """
            Reads every file, every block and every record, and follows every shard; changes nothing. The store must not \
            be in use: end its process, or make a backup and check that. A backup's directory may be given too: then every \
            file is also held against the backup's manifest, and it is whole if it can be restored.

            Stored records are all that the files hold: those that can be read, and those that have expired and wait for \
            the end of their segment.

            Exit codes: 0 whole, 74 damaged, 1 can't tell.

            Examples:
              shardline check ./data
              shardline check --json ./data
              shardline check ./backups/monday
            """)

    @Argument(help: "The store's or a backup's directory. Default: --data, or SHARDLINE_DATA.", completion: .directory)
    var directory: String?

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    @OptionGroup var store: StoreOptions

    func run() async throws {
        let report: StoreReport
        do {
            report = try await SegmentStore.check(at: store.directory(named: directory))
        } catch let error as ShardlineError {
            throw CommandFailure(.failed, "can't tell: \(error.message)")
        }
        try Output.untilClosed {
            if json {
                try Output.standard.write(json: report.json + [UInt8(ascii: "\n")])
            } else {
                for line in report.lines { try Output.standard.line(line) }
            }
        }
        switch report.verdict {
        case .whole: return
        case .damaged: throw CommandFailure(.inputOutput, nil)
        case .undecided: throw CommandFailure(.failed, nil)
        }
    }
}
