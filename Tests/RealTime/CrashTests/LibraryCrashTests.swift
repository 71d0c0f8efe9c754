import CrashChild
import DiskAccess
import Glibc
import Testing

/// Rounds through the library.
@Suite struct LibraryCrashTests {
    @Test func `nothing acknowledged is lost when a process of the library is killed`() async throws {
        try await CrashRounds.run("library") { directory, round, random in
            try directory.libraryRound(round, using: &random)
        }
    }

    @Test func `a store that forgets is found out`() async throws {
        let failure = try await BlockingThreads(limit: 1).run { () -> String? in
            var directory = try CrashDirectory("forgetful", store: "memory:")
            let worker = try directory.start("work", "r0", "1")
            worker.kill(at: .afterReports(20))
            directory.ledger.note(worker.reports())
            defer { try? directory.remove() }
            do {
                try directory.audit(thenClose: true)
                return nil
            } catch let failure as CrashDirectory.Failure {
                return failure.description
            }
        }
        #expect(failure?.contains("acknowledgedIsMissing") == true, "\(failure ?? "nothing was found out")")
    }
}
