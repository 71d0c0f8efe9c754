import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import Testing

@testable import EventSource

/// What a function is told of the stream.
@Suite(.timeLimit(.minutes(1))) struct StreamIDTests {
    @Test func `a function is told the id of the stream, another one when it was created again`() async throws {
        let bench = try await Bench()
        let seen = Mutex<[StreamID]>([])
        var ids: [StreamID] = []
        for _ in 0..<2 {
            ids.append(try await bench.store.describeStream("s").id)
            try await bench.put(1...1)
            let mapping = try await bench.mapping { _, context in seen.withLock { $0.append(context.streamID) } }
            try await mapping.run(until: .caughtUp)
            try await bench.store.deleteStream("s")
            try await bench.store.createStream("s", shards: 1)
        }
        #expect(ids[0] != ids[1])
        #expect(seen.withLock { $0 } == ids)
    }
}
