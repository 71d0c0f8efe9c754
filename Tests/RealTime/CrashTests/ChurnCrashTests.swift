import CrashChild
import Testing

/// Rounds in which records expire, shards are split and merged, and with `.interval` acknowledgement does not wait for
/// the sync.
@Suite(.serialized) struct ChurnCrashTests {
    @Test func `retention, splits and merges lose nothing when the process is killed`() async throws {
        try await CrashRounds.run("churn", share: 0.4, kind: .churn) { try $0.libraryRound($1, using: &$2) }
    }

    @Test func `nor when the power is lost`() async throws {
        try await CrashRounds.run(
            "churn-power-lost", share: 0.4, power: .isLost(missingSync: nil), kind: .churn
        ) { try $0.libraryRound($1, using: &$2) }
    }

    /// STORE-C11: a crash of the process loses nothing.
    @Test func `under an interval nothing is lost when the process is killed`() async throws {
        try await CrashRounds.run("interval", share: 0.4, kind: .interval) { try $0.libraryRound($1, using: &$2) }
    }

    /// STORE-C11, STORE-C4: what was synced stays, and no number is given twice.
    @Test func `under an interval nothing that was synced is lost with the power`() async throws {
        try await CrashRounds.run(
            "interval-power-lost", share: 0.4, power: .isLost(missingSync: nil), kind: .interval
        ) { try $0.libraryRound($1, using: &$2) }
    }
}
