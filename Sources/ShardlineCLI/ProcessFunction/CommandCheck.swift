import DiskAccess
import Glibc

/// Finds out whether a command can be run at all, before anything is done for its sake.
enum CommandCheck {
    /// The program that `command` begins with, where that can be told without a shell: one plain word.
    static func program(of command: String) -> String? {
        let word = command.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }
        let isPlain = word.allSatisfy { character in
            character.isASCII && (character.isLetter || character.isNumber || "_./+-:@%,".contains(character))
        }
        return isPlain && !word.isEmpty ? String(word) : nil
    }

    /// Throws what is wrong where the shell would not find the program. A command that can't be told from its first
    /// word passes.
    static func check(_ command: String) async throws {
        guard command.contains(where: { !$0.isWhitespace }) else {
            throw CommandFailure(
                .usage, "--exec is empty; give the command that handles events, such as 'python3 handle.py'")
        }
        guard let program = program(of: command) else { return }
        let isThere = try await BlockingThreads.shared.run {
            // The shell knows its own words (`cd`, `exec`, `if`) and where to look for others; what has a path it takes as it
            // is.
            let child = try ChildProcess(
                command: """
                    command -v -- "$SHARDLINE_PROGRAM" >/dev/null 2>&1 || exit 1
                    case $SHARDLINE_PROGRAM in */*) [ -f "$SHARDLINE_PROGRAM" ] && [ -x "$SHARDLINE_PROGRAM" ];; esac
                    """,
                environment: [("SHARDLINE_PROGRAM", program)])
            child.closeInput()
            return child.waitForEnd() == .exited(0)
        }
        guard isThere else {
            throw CommandFailure(
                .usage,
                "the command '\(program)' of --exec can't be run: it is not there or not executable; give its path, or a program in PATH"
            )
        }
    }
}
