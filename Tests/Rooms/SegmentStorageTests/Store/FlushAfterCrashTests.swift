import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import SegmentStorage

/// The first flush of an opening moves the start of the journal past what an earlier process wrote, too.
@Suite(.timeLimit(.minutes(1)))
struct FlushAfterCrashTests {
    private let directory = TestDirectory()
    private let clock = HandClock(1_700_000_000_000)

    @Test func `a flush saves also what only the journal of a killed process knew`() async throws {
        let killed = try await FlushedStore.open(directory, clock: clock, memtableSize: 1 << 20)
        let mapping = MappingID(stream: "s", name: "m")
        try await killed.store.createStream("s", shards: 1)
        try await killed.store.createStream("other", shards: 2)
        try await killed.store.createMapping(MappingDefinition(key: mapping, startingPosition: .trimHorizon))
        for index in 0..<10 { try await killed.store.stream("s").put("\(index)", partitionKey: "k") }
        let claim = try await killed.store.claimMapping(mapping, with: MappingClaim(configuration: [3]))
        let checkpoint = ShardCheckpoint(shard: ShardID(0), position: SequenceNumber(7))
        _ = try await killed.store.commit([
            .checkpoint(CheckpointMove(mapping: mapping, epoch: claim.epoch, checkpoint: checkpoint))
        ])
        // As a process leaves it that is killed now.
        let left = try directory.copy()
        try await killed.store.close()

        let flushing = try await FlushedStore.open(left, clock: clock, memtableSize: 1_000)
        try await flushing.store.stream("s").put(String(repeating: "x", count: 2_000), partitionKey: "k")
        try await flushing.flusher.reached(1)
        let leftAgain = try left.copy()
        try await flushing.store.close()

        let last = try await FlushedStore.open(leftAgain, clock: clock)
        #expect(try await last.store.listStreams().map(\.name) == ["other", "s"])
        #expect(try await last.store.describeStream("other").shards.count == 2)
        #expect(try await last.store.describeMapping(mapping).checkpoints == [checkpoint])
        #expect(try await last.store.describeMapping(mapping).configuration == [3])
        #expect(try await last.all(of: "s").count == 11)
        let receipt = try await last.store.stream("s").put("next", partitionKey: "k")
        #expect(receipt.sequenceNumber == SequenceNumber(12))
        try await last.store.close()
    }
}
