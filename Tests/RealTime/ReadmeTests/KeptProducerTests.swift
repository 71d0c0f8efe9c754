import Shardline
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(1)))
struct KeptProducerTests {
    @Test func `a producer that is a service writes what it has accepted before the store closes`() async throws {
        let folder = TestDirectory()
        let store = try await SegmentStore.open(at: folder.path)
        try await store.createStream("orders", shards: 2)
        let kept = KeptProducerBox()
        try await keepProducer(on: store) { producer in
            for number in 0..<500 { try await producer.enqueue("\(number)", partitionKey: "k\(number % 7)") }
            await kept.keep(producer)
        }
        // The group has ended; the producer takes nothing more.
        let producer = await kept.producer
        await #expect(throws: ShardlineError.self) { try await producer?.enqueue("late", partitionKey: "k") }
        let again = try await SegmentStore.open(at: folder.path)
        #expect(try await again.stream("orders").recordCount() == 500)
        try await again.close()
    }
}

private actor KeptProducerBox {
    private(set) var producer: Producer?
    func keep(_ producer: Producer) { self.producer = producer }
}
