import DiskAccess
import Foundation
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// A store of the last version without control actions, whose process was killed: a mapping whose settings its second claim
/// changed, with attempts of a batch that fails; and one that begins after the newest record. What the last rows lack is
/// in the journal alone, and its rows lie in SQLite's write-ahead log.
///
/// The command of that version made it: `put` of 40 records, `consume` of both mappings until caught up, `put` of 20 more,
/// `consume` of the first one with a batch size of 7 and a function that fails, and SIGKILL after its third attempt.
@Suite(.timeLimit(.minutes(1)))
struct ClaimFixtureTests {
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures").path
    private static let billing = MappingID(stream: "orders", name: "billing")
    private static let clock = HandClock(1_795_940_600_000)

    private static func open(_ directory: TestDirectory) async throws -> SegmentStore {
        try await SegmentStore.open(at: directory.path, timeSource: clock, logger: silent)
    }

    private static func unpack() throws -> TestDirectory {
        let directory = TestDirectory()
        let process = try SpawnedProcess(
            "/usr/bin/env", ["tar", "-xzf", "\(fixtures)/v1-claims.tar.gz", "-C", directory.path], input: "/dev/null",
            output: "/dev/null", errors: "/dev/null", environment: ProcessInfo.processInfo.environment)
        try #require(process.end(waits: true) == 0)
        return directory
    }

    @Test func `it is opened, read byte for byte, and becomes a store of this version`() async throws {
        let directory = try Self.unpack()
        let check = try await SegmentStore.check(at: directory.path, timeSource: Self.clock)
        #expect(check.verdict == .whole && check.findings == [], "\(check.findings)")
        #expect(check.counts.records == 60)
        let expected = try String(contentsOfFile: "\(Self.fixtures)/v1-claims.txt", encoding: .utf8)
        for _ in 0..<2 {
            let store = try await Self.open(directory)
            let found = try await VersionTwoFixtureTests.text(of: store)
            #expect(found.split(separator: "\n") == expected.split(separator: "\n"))
            for mapping in try await store.listMappings(of: nil) {
                #expect(mapping.revision == 0 && mapping.isEnabled && mapping.lastAction == nil)
                #expect(try await store.mappingHistory(mapping.key).isEmpty)
            }
            #expect(try await store.describeMapping(Self.billing).epoch == 1 << 32 + 2)
            try await store.close()
        }
        let rows = try SQLiteMetadata(path: directory.path + "/metadata.sqlite").read()
        #expect(try rows[.store].map { try StoreRow($0).format } == [StoreRow.format])
        #expect(rows[.mappingControl].isEmpty && rows[.mappingAction].isEmpty)
    }

    /// The settings of the killed claim are the ones that the mapping's run brought last.
    @Test func `control actions on it are durable, and the same settings of the next claim replace nothing`()
        async throws
    {
        let directory = try Self.unpack()
        var store = try await Self.open(directory)
        let before = try await store.describeMapping(Self.billing)
        let updated = Array(String(decoding: before.configuration, as: UTF8.self).replacing(":7,", with: ":8,").utf8)
        try #require(updated != before.configuration)
        try await store.controlMapping(
            MappingControl(Self.billing, expectedRevision: 0, configuration: updated, isEnabled: false, actor: "ops"))
        try await store.close()
        store = try await Self.open(directory)
        let claim = try await store.claimMapping(
            Self.billing, with: MappingClaim(configuration: before.configuration))
        #expect(claim.configuration == updated && !claim.isEnabled && claim.revision == 1)
        #expect(claim.epoch == before.epoch + 1 && claim.checkpoints == before.checkpoints)
        #expect(claim.checkpoints.map { $0.earlierAttempts?.count } == [3, 3])
        #expect(try await store.mappingHistory(Self.billing).map(\.actor) == ["ops"])
        try await store.close()
        #expect(try await SegmentStore.check(at: directory.path, timeSource: Self.clock).verdict == .whole)
    }
}
