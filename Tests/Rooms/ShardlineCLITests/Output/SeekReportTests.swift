import EventSource
import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

@testable import ShardlineCLI

@Suite struct SeekReportTests {
    private let key = MappingID(stream: "s", name: "m")

    /// Five records in shard 0 and two in shard 1, of which the mapping has done the first three and the first.
    private func withMapping(_ body: (InMemoryStore) async throws -> Void) async throws {
        let store = InMemoryStore(timeSource: VirtualTime())
        try await store.createStream("s", shards: 3)
        for (shard, count) in [(0, 5), (1, 2)] as [(UInt32, Int)] {
            let records = (0..<count).map { NewRecord("\($0)", partitionKey: "k") }
            _ = try await store.commit([.append(Append(records, to: "s", target: .shard(ShardID(shard))))])
        }
        try await store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
        let epoch = try await store.claimMapping(key).epoch
        for (shard, position) in [(0, 3), (1, 1)] as [(UInt32, UInt64)] {
            let checkpoint = ShardCheckpoint(shard: ShardID(shard), position: SequenceNumber(position))
            _ = try await store.commit([
                .checkpoint(CheckpointMove(mapping: key, epoch: epoch, checkpoint: checkpoint))
            ])
        }
        try await body(store)
    }

    private func seek(
        _ store: InMemoryStore, to position: StartingPosition, shard: ShardID? = nil
    ) async throws -> SeekReport {
        let before = try await store.describeMapping(key)
        let after = try await store.seekMapping(key, to: position, shard: shard)
        return try await SeekReport(from: before, to: after, only: shard, in: store)
    }

    @Test func `a way back says how many records come again, a way ahead how many are skipped`() async throws {
        try await withMapping { store in
            let ahead = try await seek(store, to: .latest)
            #expect(ahead.moves.map(\.again) == [-2, -1, 0])
            #expect(ahead.moves.map(\.words) == ["2 records are skipped", "1 record is skipped", "nothing changes"])
            #expect(ahead.sum == "3 records are skipped")
            let back = try await seek(store, to: .trimHorizon)
            #expect(back.moves.map(\.again) == [5, 2, 0])
            #expect(back.moves[0].to == "before the oldest record")
            #expect(back.sum == "7 records come again")
            #expect(try await seek(store, to: .trimHorizon).sum == "it was there already")
        }
    }

    @Test func `places are told as numbers that tail and seek take`() async throws {
        try await withMapping { store in
            let all = try await store.read(ReadRequest(stream: "s", shard: ShardID(0), after: .zero)).batch
            let report = try await seek(store, to: .atSequenceNumber(SequenceNumber(5)), shard: ShardID(0))
            #expect(report.moves.count == 1)
            #expect(report.moves[0].from == "\(all[2].kinesisSequenceNumber)")
            #expect(report.moves[0].to == "\(all[3].kinesisSequenceNumber)")
            #expect(report.moves[0].again == -1)
            #expect(report.lines.count == 2 && report.lines[1].hasSuffix("1 record is skipped"))
        }
    }

    @Test func `a plan says what the seek will do, and moves nothing`() async throws {
        try await withMapping { store in
            for (position, shard) in [
                (.latest, nil), (.trimHorizon, nil), (.atSequenceNumber(SequenceNumber(2)), ShardID(0)),
                (.atTimestamp(Timestamp(milliseconds: 0)), ShardID(1)),
            ] as [(StartingPosition, ShardID?)] {
                let before = try await store.describeMapping(key)
                let plan = try await SeekReport(of: key, to: position, only: shard, in: store)
                #expect(try await store.describeMapping(key) == before)
                let done = try await seek(store, to: position, shard: shard)
                #expect(plan.moves == done.moves && plan.skipped == done.skipped && plan.sum == done.sum)
            }
        }
    }
}
