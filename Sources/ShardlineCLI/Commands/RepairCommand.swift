import ArgumentParser
import OfflineStore
import SegmentStorage
import StreamModel

/// `shardline repair`
struct RepairCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair", abstract: "Say how a damaged store can be repaired, or repair it.",
        discussion: """
            Without --apply nothing is changed. With it, what is damaged is copied to the folder quarantine in the store's \
            directory (nothing is deleted), indexes and metadata are rebuilt from what is whole, and records that can't \
            be read are given up: readers are told of the gap, and a mapping sends a document for it to its failure \
            destination. Where there is a backup or another copy, putting that in place is better: a repair can't bring \
            records back.

            Exit codes: 0 whole or repaired, 74 damaged (without --apply) or beyond repair.

            Examples:
              shardline repair ./data
              shardline repair --apply ./data
            """)

    @Argument(help: "The store's directory. Default: --data, or SHARDLINE_DATA.", completion: .directory)
    var directory: String?

    @Flag(help: "Repair the store. Default: only say what would be done.")
    var apply = false

    @Flag(help: "Print one JSON object instead of text.")
    var json = false

    @OptionGroup var store: StoreOptions

    func run() async throws {
        let report = try await SegmentStore.repair(
            at: store.directory(named: directory), dryRun: !apply, logger: store.logger)
        try Output.untilClosed {
            if json {
                try Output.standard.write(json: report.json + [UInt8(ascii: "\n")])
            } else {
                for line in report.lines { try Output.standard.line(line) }
            }
        }
        if report.isNeeded, !report.isApplied { throw CommandFailure(.inputOutput, nil) }
    }
}
