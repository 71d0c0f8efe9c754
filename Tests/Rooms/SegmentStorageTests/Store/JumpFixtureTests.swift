import DiskAccess
import Foundation
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OfflineStore
@testable import SegmentStorage

/// A store of the version that did not write down which numbers a jump has left out.
@Suite(.timeLimit(.minutes(1)))
struct JumpFixtureTests {
    private static let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("Fixtures/v1-jumps.tar.gz").path
    private static let mapping = MappingID(stream: "jumped", name: "m")

    private static func tar(_ arguments: [String]) throws {
        let process = try SpawnedProcess(
            "/usr/bin/env", ["tar"] + arguments, input: "/dev/null", output: "/dev/null", errors: "/dev/null",
            environment: ProcessInfo.processInfo.environment)
        try #require(process.end(waits: true) == 0)
    }

    /// How the fixture was made, with `SHARDLINE_MAKE_FIXTURE=v1-jumps`, by the last version without the table
    /// `skipped`. In shard 0 numbers jump after 10 records, three times after 5 more, and after 4 more; in shard 1 all
    /// jumps but the last are before the first record. The last openings are in the journal alone.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["SHARDLINE_MAKE_FIXTURE"] == "v1-jumps"))
    func `a fixture with jumps is made`() async throws {
        let directory = TestDirectory()
        let clock = HandClock(1_700_000_000_000)
        var store = try await JumpedStore.open(directory, clock: clock, jumps: false, flushes: true)
        try await store.createStream("jumped", shards: 2, retention: .seconds(365 * 86_400))
        try await JumpedStore.put([10], into: store)
        try await store.createMapping(MappingDefinition(key: Self.mapping, startingPosition: .trimHorizon))
        let epoch = try await store.claimMapping(Self.mapping).epoch
        let move = CheckpointMove(
            mapping: Self.mapping, epoch: epoch,
            checkpoint: ShardCheckpoint(shard: ShardID(0), position: SequenceNumber(4)))
        guard case .committed = try await store.commit([.checkpoint(move)]) else {
            throw FormatDamage("the checkpoint was refused")
        }
        for (counts, jumps, flushes) in [
            ([5], true, true), ([], true, true), ([], true, true), ([3, 2], true, true), ([1, 1], false, false),
            ([1, 0], true, false),
        ] {
            try await store.close()
            store = try await JumpedStore.open(directory, clock: clock, jumps: jumps, flushes: flushes)
            try await JumpedStore.put(counts, into: store)
        }
        try await store.close()
        try Self.tar(["-czf", Self.fixture, "-C", directory.path, "."])
    }

    @Test(arguments: [false, true])
    func `a store that never wrote down its jumps counts its records right, also after the next flush`(
        flushes: Bool
    ) async throws {
        let directory = TestDirectory()
        try Self.tar(["-xzf", Self.fixture, "-C", directory.path])
        let clock = HandClock(1_700_000_100_000)
        #expect(try await SegmentStore.check(at: directory.path, timeSource: clock).verdict == .whole)
        for round in 0..<3 {
            let store = try await JumpedStore.open(directory, clock: clock, jumps: false, flushes: flushes)
            let more = flushes ? round : 0
            try await JumpedStore.expect(store, [20 + more, 3], behind: [16 + more, 3])
            // A place in the midst of each jump, and of records.
            let jump = OpenedEntry.jump
            let spans = [7, jump, jump + 13, 3 * jump, 4 * jump + 17, 5 * jump].map {
                RecordSpan(shard: ShardID(0), after: SequenceNumber($0))
            }
            let counts = try await store.countRecords(in: spans, of: "jumped")
            #expect(counts == [13, 10, 7, 5, 3, 1].map { $0 + more })
            if flushes { try await JumpedStore.put([1], into: store) }
            try await store.close()
        }
    }
}

/// A store whose numbers jump when a test wants it.
enum JumpedStore {
    static func open(
        _ directory: TestDirectory, clock: HandClock, jumps: Bool, flushes: Bool
    ) async throws -> SegmentStore {
        var internals = SegmentStore.Internals()
        internals.ringFileSize = 64 << 10
        if flushes { internals.memtableSize = 1 }
        if jumps { internals.identity = IdentityChange(finding: "restored", incarnations: 1) }
        return try await SegmentStore.open(
            at: directory.path, configuration: .init(), timeSource: clock, logger: silent, internals: internals)
    }

    /// Puts this many records into the shards of "jumped".
    static func put(_ counts: [Int], into store: SegmentStore) async throws {
        for (shard, count) in counts.enumerated() where count > 0 {
            let records = (0..<count).map { NewRecord("record \($0)", partitionKey: "k") }
            let append = Append(records, to: "jumped", target: .shard(ShardID(UInt32(shard))))
            guard case .committed = try await store.commit([.append(append)]) else {
                throw FormatDamage("the put was refused")
            }
        }
    }

    /// The store counts this many records in each shard, and this many behind the checkpoints of its mapping "m".
    static func expect(
        _ store: SegmentStore, _ counts: [Int], behind: [Int]? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let shards = try await store.describeStream("jumped").shards
        #expect(shards.map(\.recordCount) == counts, sourceLocation: sourceLocation)
        let all = shards.map { RecordSpan(shard: $0.id, after: .zero) }
        #expect(try await store.countRecords(in: all, of: "jumped") == counts, sourceLocation: sourceLocation)
        for shard in shards {
            var found = 0
            var position = SequenceNumber.zero
            while true {
                let result = try await store.read(
                    ReadRequest(stream: "jumped", shard: shard.id, after: position, maximumRecords: 3))
                guard result.next > position else { break }
                found += result.batch.count
                position = result.next
            }
            #expect(found == shard.recordCount, "\(shard.id)", sourceLocation: sourceLocation)
        }
        guard let behind else { return }
        let mapping = try await store.describeMapping(MappingID(stream: "jumped", name: "m"))
        let spans = shards.map { shard in
            RecordSpan(
                shard: shard.id, after: mapping.checkpoints.first { $0.shard == shard.id }?.position ?? .zero)
        }
        #expect(try await store.countRecords(in: spans, of: "jumped") == behind, sourceLocation: sourceLocation)
    }
}
