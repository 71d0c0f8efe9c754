import CrashChild
import DiskAccess
import TestSupport
import Testing

/// Rounds in which power is lost with each kill: what was not synced is gone.
@Suite(.serialized) struct PowerLossTests {
    @Test func `nothing acknowledged is lost with the power, through the library`() async throws {
        try await CrashRounds.run(
            "library-power-lost", power: .isLost(missingSync: nil)
        ) { try $0.libraryRound($1, using: &$2) }
    }

    @Test func `nothing acknowledged is lost with the power, through the command line`() async throws {
        try await CrashRounds.run(
            "command-line-power-lost", share: 0.5, power: .isLost(missingSync: nil),
            prepare: { try $0.createStream() }
        ) { try $0.commandLineRound($1, using: &$2) }
    }

    @Test(arguments: PowerLoss.MissingSync.allCases)
    func `a sync that is left out loses what was acknowledged`(_ missing: PowerLoss.MissingSync) async throws {
        let outcome = try await BlockingThreads(limit: 1).run { try SyncLeftOut(missing) }
        print(
            "sync left out (\(missing)): \(outcome.rounds) rounds, \(outcome.acknowledged) records acknowledged, "
                + "lost \(outcome.lost): \(outcome.finding)")
        #expect(outcome.lost > 0)
    }

    /// Rounds without a sync, until something acknowledged is lost.
    struct SyncLeftOut {
        private(set) var rounds = 0
        private(set) var acknowledged = 0
        private(set) var lost = 0
        private(set) var finding = "nothing"

        init(_ missing: PowerLoss.MissingSync) throws {
            var random = SeededRandom(CrashRounds.settings.seed)
            var directory = try CrashDirectory("sync-left-out", power: .isLost(missingSync: missing))
            while lost == 0, rounds < 40 {
                rounds += 1
                let worker = try directory.start("work", "r\(rounds)", "\(random.next())")
                worker.kill(at: .afterReports(Int.random(in: 400...2000, using: &random)))
                directory.ledger.note(worker.reports())
                try directory.losePower(using: &random)
                acknowledged = directory.ledger.acknowledgedCount
                let auditor = try directory.start("audit", "close")
                _ = auditor.endByItself()
                let audit = Audit(auditor.reports())
                // A store that refuses to open serves nothing of what was acknowledged.
                lost = directory.ledger.lostCount(in: audit)
                if lost > 0 { finding = audit.complaints.first ?? "the store is open without them" }
            }
            try directory.remove()
        }
    }
}
