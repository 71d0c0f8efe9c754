import DiskAccess
import Foundation
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// A store that version 1 of the formats wrote is opened and read by every later version, for ever.
@Suite(.timeLimit(.minutes(1)))
struct FixtureTests {
    private static let clock = HandClock(1_700_000_100_000)
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures").path

    private static func tar(_ arguments: [String]) throws {
        let process = try SpawnedProcess(
            "/usr/bin/env", ["tar"] + arguments, input: "/dev/null", output: "/dev/null", errors: "/dev/null",
            environment: ProcessInfo.processInfo.environment)
        try #require(process.end(waits: true) == 0)
    }

    private static func order(_ index: Int) -> String {
        "order \(index) " + String(repeating: "-", count: index % 90)
    }

    /// How the fixture was made: a sealed segment, an open one with several sections, a journal with records, a split,
    /// a mapping with progress, a deleted stream. It stays as it is; a format's new version gets a fixture of its own, as
    /// ``VersionTwoFixtureTests``.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["SHARDLINE_MAKE_FIXTURE"] == "v1"))
    func `a fixture is made`() async throws {
        let directory = TestDirectory()
        let clock = HandClock(1_700_000_000_000)
        let open = try await FlushedStore.open(
            directory, clock: clock, memtableSize: 4_000, options: .init(sealFrom: 5_000))
        let store = open.store
        try await store.createStream("orders", shards: 2, retention: .seconds(365 * 86_400))
        try await store.createStream("audit", shards: 1, retention: .seconds(365 * 86_400))
        try await store.createStream("gone", shards: 1)
        let key = MappingID(stream: "orders", name: "billing")
        try await store.createMapping(
            MappingDefinition(key: key, startingPosition: .trimHorizon, configuration: Array("{}".utf8)))
        let claim = try await store.claimMapping(key)
        for index in 0..<300 {
            clock.set(1_700_000_000_000 + Int64(index) * 10)
            try await store.stream("orders").put(Self.order(index), partitionKey: "customer \(index % 7)")
            if index == 100 {
                try await store.stream("gone").put("nobody reads this", partitionKey: "k")
                try await store.deleteStream("gone")
            }
            if index == 150 {
                let range = HashKeyRange.even(2)[0]
                let middle = HashKey(range.first.value + (range.last.value - range.first.value) / 2)
                let outcome = try await store.commit([
                    .seal(
                        Seal(
                            stream: "orders", parents: [ShardID(0)],
                            children: [
                                HashKeyRange(first: range.first, last: middle),
                                HashKeyRange(first: HashKey(middle.value + 1), last: range.last),
                            ]))
                ])
                guard case .committed = outcome else { throw FormatDamage("the split was refused") }
            }
        }
        try await store.stream("audit").put(String(repeating: "A", count: 70_000), partitionKey: "large")
        try await open.flusher.reached(4)
        try await store.stream("audit").put(
            contentsOf: [NewRecord("by hash", partitionKey: "k", explicitHashKey: HashKey(5))])
        let move = CheckpointMove(
            mapping: key, epoch: claim.epoch,
            checkpoint: ShardCheckpoint(shard: ShardID(1), position: SequenceNumber(9), state: [1, 2, 3]))
        guard case .committed = try await store.commit([.checkpoint(move)]) else {
            throw FormatDamage("the checkpoint was refused")
        }
        try await store.close()
        let version = ProcessInfo.processInfo.environment["SHARDLINE_MAKE_FIXTURE"] ?? ""
        try FileManager.default.createDirectory(atPath: Self.fixtures, withIntermediateDirectories: true)
        try Self.tar(["-czf", "\(Self.fixtures)/\(version).tar.gz", "-C", directory.path, "."])
    }

    @Test(arguments: ["v1"])
    func `a store of an earlier version is opened and read`(version: String) async throws {
        let directory = TestDirectory()
        try Self.tar(["-xzf", "\(Self.fixtures)/\(version).tar.gz", "-C", directory.path])
        // Both what is in segments and what the journal alone has are to be read.
        let segments = try FileManager.default.contentsOfDirectory(atPath: directory.path + "/segments")
        #expect(segments.count > 1)
        let check = try await SegmentStore.check(at: directory.path, timeSource: Self.clock)
        #expect(check.verdict == .whole && check.findings == [], "\(check.findings)")
        #expect(check.counts.records == 302)
        var ids: [StreamID] = []
        for round in 0..<2 {
            let store = try await SegmentStore.open(at: directory.path, timeSource: Self.clock, logger: silent)
            #expect(try await store.listStreams().map(\.name) == ["audit", "orders"])
            let orders = try await store.describeStream("orders")
            // Nobody knew of ids then; from now on the stream has one.
            ids.append(orders.id)
            #expect(ids == Array(repeating: ids[0], count: round + 1))
            #expect(orders.retention == .seconds(365 * 86_400))
            #expect(orders.shards.map(\.id.number) == [0, 1, 2, 3])
            #expect(orders.shards.map { $0.parents.map(\.number) } == [[], [], [0], [0]])
            #expect(orders.shards.map { $0.closedAt != nil } == [true, false, false, false])
            var found: [Int64: String] = [:]
            for shard in orders.shards {
                var position = SequenceNumber.zero
                while true {
                    let result = try await store.read(
                        ReadRequest(stream: "orders", shard: shard.id, after: position, maximumRecords: 20))
                    for record in result.batch {
                        #expect(shard.hashKeyRange.contains(record.hashKey))
                        found[record.approximateArrivalTimestamp.milliseconds] =
                            "\(record.partitionKey): \(String(decoding: record.bytes, as: UTF8.self))"
                    }
                    guard result.next > position else {
                        #expect(result.endOfShard == (shard.id.number == 0 ? [ShardID(2), ShardID(3)] : nil))
                        break
                    }
                    position = result.next
                }
                #expect(position == shard.tip)
            }
            let lines = found.sorted { $0.key < $1.key }.map(\.value)
            #expect(lines == (0..<300).map { "customer \($0 % 7): \(Self.order($0))" })
            let days = try await store.describeStream("audit").retention / .seconds(86_400)
            #expect(days == 365)
            let audit = try await store.read(ReadRequest(stream: "audit", shard: ShardID(0), after: .zero))
            #expect(audit.batch.map { $0.bytes.count } == [70_000, 7])
            #expect(audit.batch.last?.explicitHashKey == HashKey(5))
            let mapping = try await store.describeMapping(MappingID(stream: "orders", name: "billing"))
            let checkpoint = try #require(mapping.checkpoints.first { $0.shard == ShardID(1) })
            #expect(checkpoint.position == SequenceNumber(9))
            #expect(checkpoint.state == [1, 2, 3])
            // It goes on as a store of this version.
            if round == 1 {
                let receipt = try await store.stream("audit").put("new", partitionKey: "k")
                #expect(receipt.sequenceNumber == SequenceNumber(3))
            }
            try await store.close()
        }
    }
}
