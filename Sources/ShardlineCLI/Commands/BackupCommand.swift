import ArgumentParser
import DiskAccess
import OwnerSocket
import SegmentStorage
import StreamModel
import StreamStorage

/// `shardline backup`
struct BackupCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Copy a store, in use or not, and check the copy.",
        discussion: """
            Every record that was acknowledged before the command began is in the copy, and the copy is one moment of \
            the store. A store in use goes on meanwhile: its owner makes the copy. A damaged store is not copied; see \
            shardline check, which also says of a backup whether it is still whole. A backup is not opened as a store: that \
            would change it.

            Example:
              shardline backup ./data ./backups/monday
              shardline check ./backups/monday
              shardline restore ./backups/monday ./data-of-monday
            """)

    @Argument(help: "The store's directory.", completion: .directory)
    var directory: String

    @Argument(help: "Where the copy goes: a new or an empty directory.", completion: .directory)
    var target: String

    func run() async throws {
        let summary = try await backUp(whole: try POSIXFileSystem.absolute(target))
        Output.error.say(
            "backed up \(Readable.count(summary.records, "record")) in \(Readable.count(summary.files, "file")), \(Readable.number(summary.bytes)) bytes, to '\(target)'; it was checked and is whole"
        )
    }

    /// By the store's owner where there is one. Owners may change hands, as `put` and the like do; then the next is asked.
    private func backUp(whole target: String) async throws -> BackupSummary {
        let timeSource = SystemTimeSource()
        let begun = timeSource.monotonicTime
        while true {
            do {
                let owner = try await OwnerClient.connect(at: directory)
                let summary = try await owner.backup(to: target)
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
