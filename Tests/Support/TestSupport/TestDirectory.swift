import Foundation

/// A directory of its own for a test, gone with the object.
public final class TestDirectory: Sendable {
    /// Where it is; the directory itself is there and empty.
    public let path: String

    /// Makes it below the directory for temporary files.
    public init() throws {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("shardline-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = url.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
}
