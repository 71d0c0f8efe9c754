import CrashChild
import DiskAccess
import Glibc
import Testing

/// Rounds upon rounds.
enum CrashRounds {
    static let settings = RoundSettings(
        environment: ["SHARDLINE_CRASH_ROUNDS", "SHARDLINE_CRASH_SEED"].reduce(into: [:]) { variables, name in
            if let value = getenv(name) { variables[name] = String(cString: value) }
        }, freshSeed: .random(in: 0..<1 << 32))
    /// After so many rounds a new directory begins.
    static let roundsOfADirectory = 20

    /// Runs the rounds on a thread of their own. The first broken promise ends them; its directory is kept.
    static func run(
        _ name: String, prepare: @escaping @Sendable (inout CrashDirectory) throws -> Void = { _ in },
        round: @escaping @Sendable (inout CrashDirectory, Int, inout SeededRandom) throws -> Void
    ) async throws {
        let settings = settings
        print("crash rounds through the \(name): \(settings.rounds), SHARDLINE_CRASH_SEED=\(settings.seed)")
        let failure = try await BlockingThreads(limit: 1).run { () -> String? in
            var (records, done) = (0, UInt64(0))
            for first in stride(from: 0, to: settings.rounds, by: roundsOfADirectory) {
                // Each directory has randomness of its own, so that one can be repeated without those before it.
                var random = SeededRandom(seed: settings.seed &+ UInt64(first))
                var directory = try CrashDirectory(name)
                do {
                    try prepare(&directory)
                    for number in first..<min(first + roundsOfADirectory, settings.rounds) {
                        try round(&directory, number, &random)
                    }
                    try directory.finish()
                } catch let failure as CrashDirectory.Failure {
                    return "SHARDLINE_CRASH_SEED=\(settings.seed): \(failure)"
                }
                records += directory.ledger.acknowledgedCount
                done += directory.ledger.doneCount
                try directory.remove()
            }
            print("crash rounds through the \(name): \(records) records acknowledged, \(done) handled")
            return nil
        }
        if let failure { Issue.record("\(failure)") }
    }
}
