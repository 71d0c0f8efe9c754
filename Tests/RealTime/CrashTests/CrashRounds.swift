import CrashChild
import DiskAccess
import Glibc
import TestSupport
import Testing

/// Rounds upon rounds.
enum CrashRounds {
    static let settings = RoundSettings(
        environment: ["SHARDLINE_CRASH_ROUNDS", "SHARDLINE_CRASH_SEED"].reduce(into: [:]) { variables, name in
            if let value = getenv(name) { variables[name] = String(cString: value) }
        }, freshSeed: .random(in: 0..<1 << 32))
    /// Whether somebody has asked for rounds, as `make crash` does: then what takes long is done too, which else has a
    /// short form.
    static let isLong = getenv("SHARDLINE_CRASH_ROUNDS") != nil
    /// After this many rounds a new directory begins.
    static let roundsOfADirectory = 20

    /// Runs the rounds on a thread of their own. The first broken promise ends them; its directory is kept.
    ///
    /// - Parameters:
    ///   - share: which part of the rounds that were asked for are run.
    ///   - power: whether power is lost with each kill.
    ///   - kind: what the processes do beside putting and consuming.
    static func run(
        _ name: String, share: Double = 1, power: CrashDirectory.Power = .stays, kind: CrashDirectory.Kind = .plain,
        prepare: @escaping @Sendable (inout CrashDirectory) throws -> Void = { _ in },
        round: @escaping @Sendable (inout CrashDirectory, Int, inout SeededRandom) throws -> Void
    ) async throws {
        var settings = settings
        settings.rounds = max(1, Int(Double(settings.rounds) * share))
        let rounds = settings
        print("crash rounds, \(name): \(rounds.rounds), SHARDLINE_CRASH_SEED=\(rounds.seed)")
        let failure = try await BlockingThreads(limit: 1).run { () -> String? in
            var (records, promised, lost, done, losses) = (0, 0, 0, 0, 0)
            for first in stride(from: 0, to: rounds.rounds, by: roundsOfADirectory) {
                // Each directory has randomness of its own, so that one can be repeated without those before it.
                var random = SeededRandom(rounds.seed &+ UInt64(first))
                var directory = try CrashDirectory(name, power: power, kind: kind)
                do {
                    try prepare(&directory)
                    for number in first..<min(first + roundsOfADirectory, rounds.rounds) {
                        try round(&directory, number, &random)
                    }
                    try directory.finish()
                } catch let failure as CrashDirectory.Failure {
                    return "SHARDLINE_CRASH_SEED=\(rounds.seed): \(failure)"
                }
                records += directory.ledger.acknowledgedCount
                promised += directory.ledger.promisedCount
                done += directory.ledger.doneCount
                lost += directory.lostCount
                losses += directory.powerLosses
                try directory.remove()
            }
            let power = losses > 0 ? ", unsynced changes lost \(losses) times" : ""
            let synced = promised < records ? " (\(promised) of them synced)" : ""
            print(
                "crash rounds, \(name): \(records) records acknowledged\(synced), lost \(lost), \(done) handled\(power)"
            )
            return nil
        }
        if let failure { Issue.record("\(failure)") }
    }
}
