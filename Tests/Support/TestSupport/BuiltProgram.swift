import DiskAccess
import Foundation

/// The executables of this package, as the build put them beside the tests.
package struct BuiltProgram: Sendable {
    /// How a program ended.
    package struct End: Sendable {
        /// Its exit code; the signal's number, negated, where a signal ended it.
        package var status: Int32
        package var output: String
        package var errors: String

        /// The lines of standard output.
        package var lines: [String] { output.split(separator: "\n").map(String.init) }
    }

    private static let threads = BlockingThreads(limit: 64)
    private let url: URL

    /// The command line `shardline`.
    package static let shardline = BuiltProgram(name: "shardline")

    /// The executable product `name`.
    package init(name: String) {
        let tests = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        url = tests.deletingLastPathComponent().appending(path: name)
    }

    /// A program of the system.
    package init(path: String) { url = URL(filePath: path) }

    /// Where the executable is.
    package var path: String { url.path }

    /// Runs it to its end.
    package func run(
        _ arguments: [String], input: String = "", environment: [String: String] = [:], directory: String? = nil
    ) async throws -> End {
        let url = url
        return try await Self.threads.run {
            // Files instead of pipes: nobody has to read while it runs, however much it says.
            let folder = TestDirectory()
            try Data(input.utf8).write(to: folder.url("input"))
            let process = try SpawnedProcess(
                url.path, arguments, input: folder.path("input"), output: folder.path("output"),
                errors: folder.path("errors"),
                environment: ProcessInfo.processInfo.environment.merging(environment) { $1 }, directory: directory)
            return End(
                status: process.end(waits: true)!,
                output: String(decoding: try Data(contentsOf: folder.url("output")), as: UTF8.self),
                errors: String(decoding: try Data(contentsOf: folder.url("errors")), as: UTF8.self))
        }
    }
}

/// Runs `body` with the numbers below `count`, each beside the others: for a test that starts many short programs.
package func sideBySide(_ count: Int, _ body: @escaping @Sendable (Int) async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for lane in 0..<count { group.addTask { try await body(lane) } }
        try await group.waitForAll()
    }
}
