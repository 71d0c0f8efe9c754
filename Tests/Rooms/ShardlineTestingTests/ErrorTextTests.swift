import Foundation
import Shardline
import ShardlineTesting
import Testing

/// An error says its message in whatever way a program shows it: as one that imports Shardline and Foundation would.
@Suite struct ErrorTextTests {
    private func expect(_ error: any Error, says message: String) {
        #expect(!message.isEmpty)
        #expect(error.localizedDescription == message)
        #expect("\(error)" == message)
        #expect(String(describing: error) == message)
        #expect(String(reflecting: error) == message)
        #expect((error as? any LocalizedError)?.errorDescription == message)
    }

    @Test func `every public error says its message`() async throws {
        let store = InMemoryStore(timeSource: VirtualTime())
        try await store.createStream("s", shards: 1)
        _ = try await store.stream("s").put("data", partitionKey: "k")
        let record = try #require(
            try await store.read(ReadRequest(stream: "s", shard: ShardID(0), after: .zero)).batch.first)
        expect(ShardlineError(.storeBusy, "in use"), says: "in use")
        expect(ShardlineError(.diskFull, "full", cause: ShardlineError(.closed, "below")), says: "full")
        expect(BatchFailure(from: record, because: "no luck"), says: "from record 1 on: no luck")
        expect(PermanentFailure(because: .malformed), says: "permanently: the record is malformed")
        expect(PermanentFailure(record, because: "bad"), says: "record 1, permanently: bad")
        expect(PermanentFailure(record, because: "bad").cause, says: "bad")
        expect(MalformedRecord("two commas"), says: "the record is malformed: two commas")
    }

    @Test func `what a call throws says its message`() async throws {
        let store = InMemoryStore(timeSource: VirtualTime())
        let error = await #expect(throws: (any Error).self) { try await store.describeStream("nosuch") }
        let thrown = try #require(error)
        #expect(thrown.localizedDescription.contains("nosuch"))
        expect(thrown, says: thrown.localizedDescription)
        // The cause of one of the file system.
        do {
            _ = try await SegmentStore.open(at: "/dev/null/store")
        } catch let error as ShardlineError {
            expect(error, says: error.message)
            if let cause = error.cause { #expect(cause.localizedDescription.contains("/dev/null")) }
        }
    }

    @Test func `a producer that failed says what is in doubt`() async throws {
        let store = InMemoryStore(timeSource: VirtualTime())
        try await store.createStream("s", shards: 1)
        let stream = store.stream("s")
        do {
            try await stream.withProducer { producer in
                try await producer.enqueue("a", partitionKey: "k")
                try await store.deleteStream("s")
            }
        } catch let error as ShardlineError {
            let cause = try #require(error.cause as? UnacknowledgedRecords)
            expect(cause, says: "0 records were acknowledged, 0 are in doubt, 1 were not written")
        } catch let error as UnacknowledgedRecords {
            expect(error, says: error.description)
        }
    }
}
