import DiskAccess
import Glibc

/// Finds out whether a command can be run, before anything else is done for it.
enum CommandCheck {
    /// The program of `command`, where its first word is plain and no shell is needed to tell; otherwise nil.
    static func program(of command: String) -> String? {
        let word = command.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" }
        let isPlain = word.allSatisfy { character in
            character.isASCII && (character.isLetter || character.isNumber || "_./+-:@%,".contains(character))
        }
        return isPlain && !word.isEmpty ? String(word) : nil
    }

    /// Throws a usage error where the shell would not find the program. A command whose program can't be told from its
    /// first word passes.
    static func check(_ command: String, option: String = "--exec") async throws {
        guard command.contains(where: { !$0.isWhitespace }) else {
            throw CommandFailure(
                .usage, "\(option) is empty; give the command that handles events, such as 'python3 handle.py'")
        }
        guard let program = program(of: command) else { return }
        let isThere = try await BlockingThreads.shared.run {
            // The shell knows its built-ins (`cd`, `exec`, `if`) and where to look for programs. A path is taken
            // without a search, so it is checked here.
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
                "the command '\(program)' of \(option) can't be run: it is not there or not executable; give its path, or a program in PATH"
            )
        }
    }
}
