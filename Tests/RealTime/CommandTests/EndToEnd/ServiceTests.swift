import Foundation
import Logging
import ServiceLifecycle
import Shardline
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import Testing

@Suite("Store and mapping as services")
struct ServiceTests {
    @Test func `a service group ends the mapping before its store, with everything in hand checkpointed`() async throws
    {
        let folder = TestDirectory()
        let directory = folder.path("store")
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
        let done = try await again.describeMapping(MappingID(stream: "s", name: "m"))
        #expect(done.checkpoints.contains { $0.position == SequenceNumber(1) })
        try await again.close()
    }

    @Test func `while a service runs the command works on its store, and the socket goes with the service`()
        async throws
    {
        let folder = TestDirectory()
        let directory = folder.path + "/store"
        let store = try await SegmentStore.open(at: directory)
        try await store.createStream("s", shards: 1)
        let (failing, signal) = AsyncStream<Void>.makeStream()
        struct Trouble: Error {}
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = nil
        let quiet = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let mapping = try await EventSourceMapping(
            "m", from: store.stream("s"), configuration: settings, logger: quiet
        ) { _, _ in
            signal.yield()
            throw Trouble()
        }
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(services: [store, mapping], logger: quiet))
        func shardline(_ arguments: String...) async throws -> BuiltProgram.End {
            try await BuiltProgram.shardline.run(arguments, environment: ["SHARDLINE_DATA": directory])
        }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            // Through the socket: nobody else can open the store.
            while !FileManager.default.fileExists(atPath: directory + "/owner.sock") {
                try await Task.sleep(for: .milliseconds(5))
            }
            let put = try await BuiltProgram.shardline.run(
                ["put", "s", "--key", "k"], input: "x\n", environment: ["SHARDLINE_DATA": directory])
            #expect(put.status == 0, "\(put.errors)")
            for await _ in failing { break }
            var shown = ""
            for _ in 0..<400 where !shown.contains("Trouble") {
                shown = try await shardline("mapping", "describe", "s", "m").output
            }
            #expect(shown.contains("Trouble"))
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        #expect(!FileManager.default.fileExists(atPath: directory + "/owner.sock"))
        #expect(try await shardline("stream", "list").status == 0)
    }
}
