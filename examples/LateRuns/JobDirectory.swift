import Foundation
import Shardline

/// The directories in which jobs keep their files.
public enum JobDirectory {
    /// A directory that was created for a job.
    public struct Made: Sendable {
        /// Its path.
        public let path: String
        /// The directories above it that were created with it, the highest first.
        let above: [String]

        /// Removes it with everything in it, and the directories that were created above it where they are empty.
        public func remove() throws {
            try JobDirectory.remove(path)
            JobDirectory.removeEmpty(above)
        }
    }

    /// Creates a directory among the system's temporary ones.
    public static func makeTemporary() throws -> String { try make(in: nil, name: "shardline-demo").path }

    /// Creates a directory with this name and a random number in `parent`, which is created where it doesn't exist;
    /// nil: among the system's temporary ones.
    public static func make(in parent: String?, name: String) throws -> Made {
        let folder = parent.map { URL(filePath: $0).absoluteURL } ?? FileManager.default.temporaryDirectory
        let path = folder.appending(path: "\(name)-\(UUID().uuidString.prefix(8))").path
        var missing: [String] = []
        var above = folder
        while !FileManager.default.fileExists(atPath: above.path), above.path != "/" {
            missing.insert(above.path, at: 0)
            above = above.deletingLastPathComponent()
        }
        var made: [String] = []
        for directory in missing + [path] {
            if mkdir(directory, 0o700) == 0 {
                made.append(directory)
            } else if errno != EEXIST || directory == path {
                let reason = String(cString: strerror(errno))
                removeEmpty(made)
                throw ShardlineError(
                    .notAccessible,
                    "no directory can be made in '\(parent ?? folder.path)': \(reason); name one that can be written to"
                )
            }
        }
        return Made(path: path, above: made.dropLast())
    }

    private static func removeEmpty(_ directories: [String]) {
        for directory in directories.reversed() where rmdir(directory) != 0 { return }
    }

    /// Removes a directory with everything in it.
    public static func remove(_ path: String) throws { try FileManager.default.removeItem(atPath: path) }

    /// The first of these files that is readable.
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
