import DiskAccess
import Foundation
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// A store with everything that version 2 of the metadata added: a removed shard whose records a segment still holds, what
/// has expired permanently, jumps of numbers, what streams were created with; and a dead-letter stream of two mappings.
/// Every later version reads it as it was, but for the finished ranges in its checkpoints, which no mapping ever wrote.
@Suite(.timeLimit(.minutes(1)))
struct VersionTwoFixtureTests {
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures").path
    /// When it is read, before anything more has expired.
    static let now: Int64 = 1_700_000_300_000

    private static func tar(_ arguments: [String]) throws {
        let process = try SpawnedProcess(
            "/usr/bin/env", ["tar"] + arguments, input: "/dev/null", output: "/dev/null", errors: "/dev/null",
            environment: ProcessInfo.processInfo.environment)
        try #require(process.end(waits: true) == 0)
    }

    private static func open(
        _ directory: TestDirectory, _ clock: HandClock
    ) async throws -> (store: SegmentStore, backing: SegmentBacking) {
        let backing = SegmentBacking(
            fileSystem: POSIXFileSystem(), directory: directory.path, timeSource: clock, logger: silent,
            options: .init(sealFrom: 9_000))
        var internals = SegmentStore.Internals()
        internals.ringFileSize = 64 << 10
        internals.reserveSize = 64 << 10
        internals.memtableSize = 6_000
        internals.newStore = StoreID(bytes: Array(101...116))
        internals.makeBacking = { _ in
            Backing(
                metadata: backing, flusher: backing, past: backing, close: { try backing.close() }, backup: backing)
        }
        let store = try await SegmentStore.open(
            at: directory.path, configuration: .init(), timeSource: clock, logger: silent, internals: internals)
        return (store, backing)
    }

    private static func committed(_ store: SegmentStore, _ changes: [Change]) async throws {
        guard case .committed = try await store.commit(changes) else { throw FormatDamage("a change was refused") }
    }

    // MARK: What is in it

    /// Everything that can be asked of a store, a line for each stream, shard, record, mapping and checkpoint.
    static func text(of store: SegmentStore) async throws -> String {
        var lines: [String] = []
        for name in try await store.listStreams().map(\.name) {
            let stream = try await store.describeStream(name)
            let settings = stream.initialSettings
            lines.append(
                "stream \(name) \(stream.id) \(stream.createdAt.milliseconds) \(stream.retention.wholeMilliseconds) \(stream.maximumRecordSize) \(stream.isFailureStream), with \(settings.shards) \(settings.retention.wholeMilliseconds)"
            )
            for shard in stream.shards {
                lines.append(
                    "shard \(shard.id) \(shard.hashKeyRange.first)-\(shard.hashKeyRange.last) \(shard.parents.map(\.number)) \(shard.creationSecond) \(shard.openedAt.milliseconds) \(shard.closedAt?.milliseconds ?? 0) \(shard.origin) \(shard.trimHorizon) \(shard.tip) \(shard.recordCount)"
                )
                var position = SequenceNumber.zero
                while true {
                    let result = try await store.read(
                        ReadRequest(stream: name, shard: shard.id, after: position, maximumRecords: 20))
                    if let expired = result.expired { lines.append("expired \(expired)") }
                    for record in result.batch {
                        let data = record.bytes.map { String($0, radix: 16) }.joined(separator: " ")
                        lines.append(
                            "record \(record.kinesisSequenceNumber) \(record.approximateArrivalTimestamp.milliseconds) \(record.partitionKey) \(record.explicitHashKey.map(\.description) ?? "-") \(data.utf8.count < 9_000 ? data : "\(data.utf8.count) \(Checksum.of(Array(data.utf8), seed: 0))")"
                        )
                    }
                    guard result.next > position else { break }
                    position = result.next
                }
            }
        }
        for mapping in try await store.listMappings(of: nil) {
            lines.append(
                "mapping \(mapping.key) \(mapping.id) \(mapping.createdAt.milliseconds) \(mapping.startingPosition) \(String(decoding: mapping.configuration, as: UTF8.self))"
            )
            for checkpoint in mapping.checkpoints {
                let attempts = checkpoint.earlierAttempts.map { "\($0.first)-\($0.last) \($0.count) \($0.cause)" }
                lines.append(
                    "checkpoint \(checkpoint.shard) \(checkpoint.position) \(checkpoint.isShardEnd) \(checkpoint.state) \(attempts ?? "-")"
                )
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    @Test func `it is opened and read byte for byte`() async throws {
        let directory = TestDirectory()
        try Self.tar(["-xzf", "\(Self.fixtures)/v2.tar.gz", "-C", directory.path])
        let clock = HandClock(Self.now)
        let contents = try SQLiteMetadata(path: directory.path + "/metadata.sqlite").read()
        for table in [MetadataTable.skipped, .retired, .streamCreation, .streamExpiry] {
            #expect(!contents[table].isEmpty, "\(table)")
        }
        let check = try await SegmentStore.check(at: directory.path, timeSource: clock)
        #expect(check.verdict == .whole && check.findings == [], "\(check.findings)")
        let expected = try String(contentsOfFile: "\(Self.fixtures)/v2.txt", encoding: .utf8)
        for _ in 0..<2 {
            let store = try await Self.open(directory, clock).store
            let found = try await Self.text(of: store)
            #expect(found.split(separator: "\n") == expected.split(separator: "\n"))
            #expect(try await store.describeStream("short").shards.map(\.id.number) == [1, 2])
            try await store.close()
        }
        // It goes on as a store of this version; the number of the removed shard is not given out again.
        let store = try await Self.open(directory, clock).store
        try await Self.committed(
            store,
            [.seal(Seal(stream: "short", parents: [ShardID(1), ShardID(2)], children: HashKeyRange.even(1)))])
        #expect(try await store.describeStream("short").shards.map(\.id.number) == [1, 2, 3])
        let receipt = try await store.stream("dead").put("new", partitionKey: "k")
        #expect(receipt.sequenceNumber.rawValue > 2 * OpenedEntry.jump)
        try await store.close()
        #expect(try await SegmentStore.check(at: directory.path, timeSource: clock).verdict == .whole)
    }
}
