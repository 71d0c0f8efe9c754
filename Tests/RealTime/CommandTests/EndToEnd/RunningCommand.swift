import Foundation
import TestSupport

/// A `shardline` that runs while a test goes on.
final class RunningCommand {
    private let process: SpawnedProcess
    private let folder: TestDirectory

    /// Starts it on the store in `store`.
    init(_ arguments: [String], store: String) throws {
        folder = TestDirectory()
        process = try SpawnedProcess(
            BuiltProgram.shardline.path, arguments, input: nil, output: folder.path("output"),
            errors: folder.path("errors"),
            environment: ProcessInfo.processInfo.environment.merging(["SHARDLINE_DATA": store]) { $1 })
    }

    var output: String { (try? String(contentsOf: folder.url("output"), encoding: .utf8)) ?? "" }
    var errors: String { (try? String(contentsOf: folder.url("errors"), encoding: .utf8)) ?? "" }
    /// Standard error as it is: text that is no UTF-8 as a whole would be none.
    var errorBytes: [UInt8] { (try? Data(contentsOf: folder.url("errors"))).map(Array.init) ?? [] }
    var processID: pid_t { process.pid }
    var isRunning: Bool { process.end(waits: false) == nil }

    func type(_ text: String) throws { try process.write(text) }
    func endInput() throws { process.endInput() }
    func signal(_ number: Int32) { kill(process.pid, number) }

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
            _ = process.end(waits: true)
            return -1000
        }
        return process.end(waits: true)!
    }
}
