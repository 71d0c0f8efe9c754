import Foundation
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import SegmentStorage

/// STORE-D2: what is damaged is refused, and takes nothing else with it.
@Suite(.timeLimit(.minutes(1)))
struct DamagedIndexTests {
    @Test func `a stream whose segment has a damaged index can be described, and its reader is told`() async throws {
        let directory = TestDirectory()
        let clock = HandClock(1_700_000_000_000)
        var numbers = SeededRandom(3)
        var open = try await FlushedStore.open(directory, clock: clock)
        try await open.store.createStream("s", shards: 1)
        for _ in 0..<4 { try await open.store.stream("s").put(noise(12_000, &numbers), partitionKey: "k") }
        try await open.flusher.reached(1)
        try await open.store.close()
        // Everything but the blocks' first half: the index is at the end.
        let path = directory.path + "/segments/000000000001.segment"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        for place in bytes.count - 400..<bytes.count { bytes[place] ^= 0x55 }
        try bytes.write(to: URL(fileURLWithPath: path))
        open = try await FlushedStore.open(directory, clock: clock)
        let described = try await open.store.describeStream("s")
        #expect(described.shards.map(\.trimHorizon) == [.zero])
        await expectError(.corrupt) {
            try await open.store.read(ReadRequest(stream: "s", shard: ShardID(0), after: .zero))
        }
        try await open.store.close()
    }
}
