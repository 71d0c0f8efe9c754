import DiskAccess
import EventSource

extension SettingsOptions {
    /// Documents written into a file of the store would damage it.
    func refuseFailures(in store: StoreOptions) async throws {
        guard case .setting(.file(let path)) = onFailure else { return }
        let directory = try store.directory
        let isInside = try await BlockingThreads.shared.run {
            let disk = POSIXFileSystem()
            guard let place = disk.canonicalPath(path), let store = disk.canonicalPath(directory) else { return false }
            return place == store || place.hasPrefix(store == "/" ? store : store + "/")
        }
        guard !isInside else {
            throw CommandFailure(
                .usage,
                "--on-failure file:\(path) is in the store's own directory '\(directory)' (allowed: a file anywhere else); name another one"
            )
        }
    }
}
