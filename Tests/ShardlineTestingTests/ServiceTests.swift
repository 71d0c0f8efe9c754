import Foundation
import Logging
import ServiceLifecycle
import Shardline
import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

@Suite("Store and mapping as services")
struct ServiceTests {
    @Test func `a service group ends the mapping before its store, with everything in hand checkpointed`() async throws
    {
        let directory = FileManager.default.temporaryDirectory.appending(path: "services-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let store = try await SegmentStore.open(at: directory)
        try await store.createStream("s", shards: 2)
        try await store.stream("s").put("a", partitionKey: "k")
        let (called, signal) = AsyncStream<Void>.makeStream()
        let mapping = try await EventSourceMapping("m", from: store.stream("s")) { _, _ in signal.yield() }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    ServiceGroupConfiguration.ServiceConfiguration(service: store),
                    ServiceGroupConfiguration.ServiceConfiguration(service: mapping),
                ], logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            for await _ in called { break }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        // The store was closed, so another one can be opened; the record is done.
        let again = try await SegmentStore.open(at: directory)
        let done = try await again.describeMapping(MappingKey(stream: "s", name: "m"))
        #expect(done.checkpoints.contains { $0.position == SequenceNumber(1) })
        try await again.close()
    }
}
