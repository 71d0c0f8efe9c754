import ArgumentParser
import OfflineStore
import SegmentStorage
import StreamStorage

/// `shardline restore`
struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Create a store from a backup, after checking all of it.",
        discussion: """
            The store is put in place whole or not at all, and nothing is written over. It is as the old one was when \
            the backup was made, mappings and checkpoints too; its sequence numbers jump, so that none is used again that \
            the old store gave out afterwards.

            Example:
              shardline restore ./backups/monday ./data
            """)

    @Argument(help: "The backup's directory.", completion: .directory)
    var backup: String

    @Argument(
        help: ArgumentHelp(
            "The store's directory: a new or an empty one. Default: --data, or SHARDLINE_DATA.", valueName: "store"),
        completion: .directory)
    var target: String?

    @OptionGroup var store: StoreOptions

    func validate() throws {
        guard !backup.isEmpty else {
            throw ValidationError("the backup's directory is empty (allowed: the path of a directory)")
        }
    }

    func run() async throws {
        let directory = try store.directory(named: target)
        let summary = try await SegmentStore.restore(backup, to: directory, logger: store.logger)
        Output.error.say(
            "restored \(Readable.count(summary.records, "stored record")) to '\(directory)', as of \(summary.begunAt)")
    }
}
