import Foundation

/// A directory for a test, which is removed together with this object.
package final class TestDirectory: Sendable {
    /// Where it is; the directory is there and empty.
    package let path: String

    /// Creates it below the directory for temporary files.
    ///
    /// - Parameter inMemory: whether it is on a file system in memory where there is one: for tests that open a store many
    ///   times, and to which it is all the same what a sync does.
    package init(inMemory: Bool = false) { path = Self.make("shardline", inMemory: inMemory) }

    /// Creates a directory that stays until somebody removes it.
    ///
    /// Without a directory a test has nothing to say, so this never fails.
    package static func make(_ name: String, inMemory: Bool = false) -> String {
        let manager = FileManager.default
        let memory = "/dev/shm"
        let parent =
            inMemory && manager.fileExists(atPath: memory) ? URL(filePath: memory) : manager.temporaryDirectory
        let url = parent.appending(path: "\(name)-\(UUID().uuidString)")
        do {
            try manager.createDirectory(at: url, withIntermediateDirectories: true)
        } catch {
            fatalError("can't create a directory for a test: \(error)")
        }
        return url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// A path in it.
    package func path(_ name: String) -> String { url(name).path }
    /// The same as a URL.
    package func url(_ name: String) -> URL { URL(filePath: path).appending(path: name) }

    /// The same files as they are now, in another directory: what a process would find that started after this one was
    /// killed.
    package func copy() throws -> TestDirectory {
        let other = TestDirectory()
        try FileManager.default.removeItem(atPath: other.path)
        try FileManager.default.copyItem(atPath: path, toPath: other.path)
        return other
    }
}
