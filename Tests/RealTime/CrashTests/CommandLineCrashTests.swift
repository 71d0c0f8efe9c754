import CrashChild
import Testing

/// Rounds through the command line.
@Suite struct CommandLineCrashTests {
    @Test func `nothing acknowledged is lost when commands are killed`() async throws {
        try await CrashRounds.run("command-line", prepare: { try $0.createStream() }) { directory, round, random in
            try directory.commandLineRound(round, using: &random)
        }
    }
}
