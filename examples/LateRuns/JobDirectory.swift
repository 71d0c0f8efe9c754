import Foundation
import Shardline

/// Where a job keeps its files.
public enum JobDirectory {
    /// A new directory among the system's temporary ones.
    public static func makeTemporary() throws -> String {
        let path = FileManager.default.temporaryDirectory.appending(
            path: "shardline-demo-\(UUID().uuidString.prefix(8))"
        ).path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        return path
    }

    /// Removes a directory with everything in it.
    public static func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: path) }

    /// The first of these files that is there.
    public static func firstFile(of paths: [String]) -> String? {
        paths.first { FileManager.default.isReadableFile(atPath: $0) }
    }

    /// Writes a line `tailnum,longest` for each run.
    public static func write(_ runs: [LateRun], to path: String) throws {
        let lines = runs.map { "\($0.tailnum),\($0.longest)\n" }.joined()
        do {
            try lines.write(toFile: path, atomically: true, encoding: .utf8)
        } catch {
            throw ShardlineError(
                .notAccessible, "'\(path)' can't be written: \(error.localizedDescription)", cause: error)
        }
    }
}
