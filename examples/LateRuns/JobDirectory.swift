import Foundation
import Shardline

/// Where a job keeps its files.
public enum JobDirectory {
    /// A new directory among the system's temporary ones.
    public static func makeTemporary() throws -> String { try make(in: nil, name: "shardline-demo") }

    /// A new directory of this name and a random number in `parent`; nil: among the system's temporary ones.
    public static func make(in parent: String?, name: String) throws -> String {
        let folder = parent.map { URL(filePath: $0) } ?? FileManager.default.temporaryDirectory
        let path = folder.appending(path: "\(name)-\(UUID().uuidString.prefix(8))").path
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            throw ShardlineError(
                .notAccessible, "'\(path)' can't be made: \(error.localizedDescription)", cause: error)
        }
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
