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
/// Every later version reads it byte for byte as it was.
@Suite(.timeLimit(.minutes(1)))
struct VersionTwoFixtureTests {
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures").path
    private static let year = Duration.seconds(365 * 86_400)
    private static let begin: Int64 = 1_700_000_000_000
    /// When it is read, before anything more has expired.
    static let now: Int64 = 1_700_000_300_000

    private static func tar(_ arguments: [String]) throws {
        let process = try SpawnedProcess(
            "/usr/bin/env", ["tar"] + arguments, input: "/dev/null", output: "/dev/null", errors: "/dev/null",
            environment: ProcessInfo.processInfo.environment)
        try #require(process.end(waits: true) == 0)
    }

    // MARK: How it was made

    private static func open(
        _ directory: TestDirectory, _ clock: HandClock, jumps: Bool = false
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
        if jumps { internals.identity = IdentityChange(finding: "restored", incarnations: 1) }
        let store = try await SegmentStore.open(
            at: directory.path, configuration: .init(), timeSource: clock, logger: silent, internals: internals)
        return (store, backing)
    }

    private static func put(_ numbers: Range<Int>, into stream: String, _ store: SegmentStore, _ clock: HandClock)
        async throws
    {
        for number in numbers {
            clock.set(begin + Int64(number) * 10)
            try await store.stream(stream).put(
                contentsOf: [
                    NewRecord(
                        "\(stream) \(number) " + String(repeating: "-", count: number % 90),
                        partitionKey: "k \(number % 7)"),
                    NewRecord(
                        (0..<number % 40).map { UInt8(truncatingIfNeeded: $0 * number &* 151) },
                        partitionKey: "ключ \(number % 3)",
                        explicitHashKey: number % 5 == 0 ? HashKey(UInt128(number)) : nil),
                ])
        }
    }

    private static func committed(_ store: SegmentStore, _ changes: [Change]) async throws {
        guard case .committed = try await store.commit(changes) else { throw FormatDamage("a change was refused") }
    }

    /// Run with `SHARDLINE_MAKE_FIXTURE=v2`; the fixture stays as it is.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["SHARDLINE_MAKE_FIXTURE"] == "v2"))
    func `a fixture is made`() async throws {
        let directory = TestDirectory()
        let clock = HandClock(Self.begin)
        var store = try await Self.open(directory, clock).store
        try await store.createStream("orders", shards: 2, retention: Self.year)
        try await store.createStream("short", shards: 1, retention: .seconds(100))
        try await store.createStream("gone", shards: 3)
        _ = try await store.createStream(
            "dead", settings: StreamSettings(retention: Self.year, isFailureStream: true))
        for name in ["billing", "search"] {
            try await store.createMapping(
                MappingDefinition(
                    key: MappingID(stream: "orders", name: name), startingPosition: .trimHorizon,
                    configuration: Array(#"{"failureStream":"dead"}"#.utf8)))
        }
        try await Self.put(0..<60, into: "orders", store, clock)
        try await Self.put(60..<80, into: "short", store, clock)
        try await Self.committed(
            store, [.seal(Seal(stream: "short", parents: [ShardID(0)], children: HashKeyRange.even(2)))])
        try await store.stream("gone").put("nobody reads this", partitionKey: "k")
        try await store.deleteStream("gone", force: false)
        try await store.close()
        // A first jump in the segments, and one that the journal alone has.
        store = try await Self.open(directory, clock, jumps: true).store
        try await Self.put(80..<140, into: "orders", store, clock)
        for (name, text) in [("billing", "a"), ("search", "b")] {
            let key = MappingID(stream: "orders", name: name)
            let epoch = try await store.claimMapping(
                key, with: MappingClaim(failureStream: "dead")
            ).epoch
            let checkpoint = ShardCheckpoint(
                shard: ShardID(1), position: SequenceNumber(9),
                finishedRanges: [SequenceNumber(11)...SequenceNumber(12)],
                state: Array(text.utf8))
            try await Self.committed(
                store,
                [
                    .append(Append([NewRecord("given up by \(name)", partitionKey: name)], to: "dead")),
                    .checkpoint(CheckpointMove(mapping: key, epoch: epoch, checkpoint: checkpoint)),
                    .attempts(
                        AttemptNote(
                            first: SequenceNumber(10), last: SequenceNumber(10), count: 3, cause: "no: \(text)"),
                        of: key, shard: ShardID(1), epoch: epoch),
                    .park(
                        ParkedKeyChange(
                            mapping: key, shard: ShardID(1), partitionKey: "k 3", value: [7, 8], epoch: epoch)),
                ])
            try await store.releaseMapping(key, epoch: epoch)
        }
        // Shard 0 of "short" goes with what is in it; its children keep their records for longer than it was kept.
        clock.set(Self.begin + 120_000)
        await eventually {
            store.core.memtables.ask()
            return store.core.visible.withState { $0.catalogue.shards.count } <= 5
        }
        try await store.updateStream("short", retention: Self.year)
        clock.set(Self.begin + 121_000)
        try await store.stream("short").put("child", partitionKey: "k")
        try await store.close()
        store = try await Self.open(directory, clock, jumps: true).store
        clock.set(Self.begin + 122_000)
        try await store.stream("orders").put("behind the second jump", partitionKey: "k 1")
        try await store.stream("dead").put(String(repeating: "D", count: 70_000), partitionKey: "large")
        try await store.close()
        try Self.tar(["-czf", "\(Self.fixtures)/v2.tar.gz", "-C", directory.path, "."])
        let again = try await Self.open(directory, HandClock(Self.now)).store
        try Data(try await Self.text(of: again).utf8).write(to: URL(fileURLWithPath: "\(Self.fixtures)/v2.txt"))
        try await again.close()
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
                let attempts = checkpoint.attempts.map { "\($0.first)-\($0.last) \($0.count) \($0.cause)" }
                lines.append(
                    "checkpoint \(checkpoint.shard) \(checkpoint.position) \(checkpoint.isShardEnd) \(checkpoint.finishedRanges) \(checkpoint.state) \(attempts ?? "-")"
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
