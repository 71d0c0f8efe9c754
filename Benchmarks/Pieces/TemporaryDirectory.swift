import Foundation

/// Directories below the one for temporary files (`TMPDIR`).
enum TemporaryDirectory {
    static func make() throws -> String {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("shardline-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        return url.path
    }

    static func remove(_ path: String) { try? FileManager.default.removeItem(atPath: path) }
}
