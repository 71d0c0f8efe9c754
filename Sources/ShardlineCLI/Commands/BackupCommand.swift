import ArgumentParser
import DiskAccess
import OwnerSocket
import OfflineStore
import SegmentStorage
import StoreAccess
import StreamModel
import StreamStorage

/// `shardline backup`
struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Copy a store, in use or not, and check the copy.",
        usage: "shardline backup [<store>] <target> [--data <data>] [--verbose]",
        discussion: """
            Every record that was acknowledged before the command began is in the copy, and the copy is one moment of \
            the store. A store in use goes on meanwhile: its owner makes the copy. A damaged store is not copied; see \
            shardline check, which also explains what counts as a stored record, and says of a backup whether it is still whole. A backup is not opened as a store: that \
            would change it.

            The store is the first of two directories; of one alone it is that of --data, or SHARDLINE_DATA.

            Examples:
              shardline backup ./backups/monday
              shardline backup ./data ./backups/monday
              shardline check ./backups/monday
              shardline restore ./backups/monday ./data-of-monday
            """)

    // The first may be left out, which the parser knows of last arguments only.
    @Argument(
        help: ArgumentHelp(
            "The store's directory, then where the copy goes: a new or an empty directory. Default of the first: --data, or SHARDLINE_DATA.",
            valueName: "directory"), completion: .directory)
    var directories: [String] = []

    @OptionGroup var store: StoreOptions

    func validate() throws {
        guard let target = directories.last else {
            throw ValidationError("Missing expected argument '<target>': a new or an empty directory for the copy")
        }
        guard directories.count <= 2 else {
            throw ValidationError(
                "\(directories.count) directories are given (allowed: the store's and the copy's, or the copy's alone)")
        }
        guard !target.isEmpty else {
            throw ValidationError("the copy's directory is empty (allowed: the path of a new or an empty directory)")
        }
    }

    func run() async throws {
        let target = directories[directories.count - 1]
        let directory = try store.directory(named: directories.count == 2 ? directories[0] : nil)
        let summary = try await backUp(directory, whole: try POSIXFileSystem.absolute(target))
        Output.error.say(
            "backed up \(Readable.count(summary.records, "stored record")) in \(Readable.count(summary.files, "file")), \(Readable.number(summary.bytes)) bytes, to '\(target)'; it was checked and is whole"
        )
    }

    /// By the store's owner where there is one. Owners may change hands, as `put` and the like do; then the next is asked.
    private func backUp(_ directory: String, whole target: String) async throws -> BackupSummary {
        let timeSource = SystemTimeSource()
        let begun = timeSource.monotonicTime
        while true {
            do {
                let owner = try await OwnerClient.connect(at: directory)
                let summary = try await OwnerWatch(say: { Output.error.say($0) }) { owner }.watching {
                    try await owner.backup(to: target)
                }
                try? await owner.close()
                return summary
            } catch let error as ShardlineError where error.code == .ownerGone {}
            do {
                return try await SegmentStore.backup(of: directory, to: target)
            } catch let error as ShardlineError where error.code == .storeBusy {
                guard timeSource.monotonicTime - begun < .seconds(5) else { throw error }
            }
            try await timeSource.sleep(until: timeSource.monotonicTime + .milliseconds(50))
        }
    }
}
