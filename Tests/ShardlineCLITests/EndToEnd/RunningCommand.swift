import Foundation
import TestSupport

/// A `shardline` that runs while a test goes on.
final class RunningCommand {
    private let process = Process()
    private let input = Pipe()
    private let folder: TestDirectory

    /// Starts it on the store in `store`.
    init(_ arguments: [String], store: String) throws {
        folder = try TestDirectory()
        process.executableURL = URL(filePath: BuiltProgram.shardline.path)
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(["SHARDLINE_DATA": store]) { $1 }
        process.standardInput = input
        try Data().write(to: folder.url("output"))
        try Data().write(to: folder.url("errors"))
        process.standardOutput = try FileHandle(forWritingTo: folder.url("output"))
        process.standardError = try FileHandle(forWritingTo: folder.url("errors"))
        try process.run()
    }

    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    var output: String { (try? String(contentsOf: folder.url("output"), encoding: .utf8)) ?? "" }
    var errors: String { (try? String(contentsOf: folder.url("errors"), encoding: .utf8)) ?? "" }
    var processID: pid_t { process.processIdentifier }
    var isRunning: Bool { process.isRunning }

    func type(_ text: String) throws { try input.fileHandleForWriting.write(contentsOf: Data(text.utf8)) }
    func endInput() throws { try input.fileHandleForWriting.close() }
    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// Waits until `condition` holds; false where it did not within half a minute.
    func wait(until condition: (RunningCommand) -> Bool) async throws -> Bool {
        for _ in 0..<3000 {
            if condition(self) { return true }
            try await Task.sleep(for: .milliseconds(10))
        }
        return condition(self)
    }

    /// Its exit code, or its signal's number, negated.
    func end() async throws -> Int32 {
        guard try await wait(until: { !$0.isRunning }) else {
            signal(SIGKILL)
            process.waitUntilExit()
            return -1000
        }
        return process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    }
}
