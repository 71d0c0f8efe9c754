import ShardlineTesting
import StreamModel
import Synchronization
import TestSupport
import TestTraits
import Testing

@testable import EventSource

/// Destinations outside the process, whose deliveries may take only so long (ESM-D11).
@Suite(.restingExecutor) struct TimedDestinationTests {
    /// Takes a document as soon as its gate is open.
    private struct Slow: FailureDestination {
        let time: VirtualTime
        let taken = Waits()

        func deliver(_ document: FailureDocument) async throws {
            try await time.sleep(until: time.monotonicTime + .seconds(document.invocations))
            taken.count.add(1, ordering: .relaxed)
        }
    }

    private final class Waits: Sendable { let count = Atomic(0) }

    private func document(seconds: Int) -> FailureDocument {
        FailureDocument(
            Records.giveUp(Records.batch(["a"]), invocations: seconds), key: ("s", "m"), shard: ShardID(6),
            shardCreationSecond: Records.creation, requestID: "",
            names: ResourceNames(stream: "s", mapping: "m", configuration: .init()), awsCompatibleCounts: false,
            timestamp: Records.arrival)
    }

    @Test func `ESM-D11 a delivery that takes too long is cancelled and has failed, and others are taken`() async throws
    {
        let time = VirtualTime()
        let slow = Slow(time: time)
        let destination = TimedDestination(slow, limit: .seconds(5), timeSource: time)
        async let first: Void = destination.deliver(document(seconds: 4))
        await RestingExecutor.current.rest()
        time.advance(by: .seconds(4))
        try await first
        #expect(slow.taken.count.load(ordering: .relaxed) == 1)
        async let second: Void = destination.deliver(document(seconds: 60))
        await RestingExecutor.current.rest()
        time.advance(by: .seconds(5))
        do {
            try await second
            Issue.record("it took too long")
        } catch {
            #expect("\(error)" == "it took longer than 5s")
        }
        #expect(slow.taken.count.load(ordering: .relaxed) == 1)
    }
}
