import Foundation
import TestSupport

/// Runs a command in a terminal of the system, as its session's leader, and answers what it asks.
enum Terminal {
    private static let script = """
        import os, pty, sys
        answer, arguments = sys.argv[1], sys.argv[2:]
        child, terminal = pty.fork()
        if child == 0:
            os.execvp(arguments[0], arguments)
        output, answers = b"", 0
        while True:
            try:
                piece = os.read(terminal, 4096)
            except OSError:
                break
            if not piece:
                break
            output += piece
            if output.count(b"[y/N]") > answers:
                answers += 1
                os.write(terminal, answer.encode())
        sys.stdout.buffer.write(output)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """

    /// The end of input, as a terminal's keys make it.
    static let endOfInput = "\u{4}"
    /// Ctrl-C.
    static let interrupt = "\u{3}"

    /// What the command wrote to the terminal, both of its outputs together, and how it ended.
    static func run(
        _ arguments: [String], answering answer: String = "", in folder: TestDirectory,
        environment: [String: String] = [:]
    ) async throws -> BuiltProgram.End {
        try await run(
            command: [BuiltProgram.shardline.path] + arguments, answering: answer, in: folder, environment: environment)
    }

    /// The same of any command.
    static func run(
        command: [String], answering answer: String = "", in folder: TestDirectory, environment: [String: String] = [:]
    ) async throws -> BuiltProgram.End {
        try await BuiltProgram(path: "/usr/bin/env").run(
            ["timeout", "-k", "1", "60", "python3", "-c", script, answer] + command,
            environment: ["SHARDLINE_DATA": folder.path("store")].merging(environment) { $1 })
    }
}
