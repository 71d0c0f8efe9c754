import DiskAccess
import Foundation
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// A store of the last version without attributes: a mapping that an operator updated and disabled, and a split stream.
/// The command of that version made it.
@Suite(.timeLimit(.minutes(1)))
struct VersionThreeFixtureTests {
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures").path
    private static let clock = HandClock(1_795_943_400_000)

    @Test func `it is opened, read byte for byte, and gets attributes`() async throws {
        let directory = TestDirectory()
        let process = try SpawnedProcess(
            "/usr/bin/env", ["tar", "-xzf", "\(Self.fixtures)/v3.tar.gz", "-C", directory.path], input: "/dev/null",
            output: "/dev/null", errors: "/dev/null", environment: ProcessInfo.processInfo.environment)
        try #require(process.end(waits: true) == 0)
        let check = try await SegmentStore.check(at: directory.path, timeSource: Self.clock)
        #expect(check.verdict == .whole && check.findings == [], "\(check.findings)")
        let expected = try String(contentsOfFile: "\(Self.fixtures)/v3.txt", encoding: .utf8)
        for round in 0..<2 {
            let store = try await SegmentStore.open(at: directory.path, timeSource: Self.clock, logger: silent)
            let found = try await VersionTwoFixtureTests.text(of: store)
            #expect(found.split(separator: "\n") == expected.split(separator: "\n"))
            let key = MappingID(stream: "orders", name: "billing")
            let mapping = try await store.describeMapping(key)
            #expect(!mapping.isEnabled && mapping.revision == 2)
            let history = try await store.mappingHistory(key)
            #expect(history.map(\.reason) == ["größer war zu langsam", "it hangs"])
            #expect(history.map(\.isEnabled) == [nil, false] && history.map(\.changedSettings) == [true, false])
            let owner = AttributeOwner.stream("orders")
            let attributes = try await store.attributes(AttributeQuery(owner)).attributes
            #expect(attributes.map(\.value) == (round == 0 ? [] : [[7]]))
            if round == 0 { try await store.changeAttributes([AttributeChange(owner, "tag/a", .set([7]))]) }
            try await store.close()
        }
        let rows = try SQLiteMetadata(path: directory.path + "/metadata.sqlite").read()
        #expect(try rows[.store].map { try StoreRow($0).format } == [StoreRow.format])
        #expect(rows[.attribute].count == 1)
        #expect(try await SegmentStore.check(at: directory.path, timeSource: Self.clock).verdict == .whole)
    }
}
