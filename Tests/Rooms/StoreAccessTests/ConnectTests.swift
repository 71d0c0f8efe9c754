import EventSource
import OwnerSocket
import SegmentStorage
import ShardlineTesting
import StoreAccess
import StreamModel
import StreamStorage
import Synchronization
import TestSupport
import Testing

/// What a process does on a store that another one owns.
@Suite(.timeLimit(.minutes(1))) struct ConnectTests {
    private let folder: TestDirectory
    private var path: String { folder.path + "/store" }

    init() throws { folder = TestDirectory() }

    private func owner() async throws -> SegmentStore {
        let store = try await SegmentStore.open(at: path, logger: silent)
        try await store.createStreamIfNeeded("s", shards: 2)
        return store
    }

    @Test func `puts, producers, reads and mappings work on a store that another one owns`() async throws {
        let owner = try await owner()
        try await serving(owner) {
            let store = try await SegmentStore.connect(at: path, logger: silent)
            let stream = store.stream("s")
            try await stream.put("0", partitionKey: "k")
            try await stream.withProducer { producer in
                for number in 1..<500 { try await producer.enqueue("\(number)", partitionKey: "k") }
            }
            let seen = Mutex<[String]>([])
            let mapping = try await EventSourceMapping("m", from: stream, logger: silent) { batch, _ in
                seen.withLock { $0 += batch.map { String(decoding: $0.bytes, as: UTF8.self) } }
            }
            try await mapping.run(until: .caughtUp)
            #expect(seen.withLock { $0 } == (0..<500).map(String.init))
            // It is all the owner's: records, mapping, checkpoints, and its stream ids.
            #expect(try await owner.listMappings(of: "s").map(\.key.name) == ["m"])
            #expect(
                try await owner.describeMapping(MappingID(stream: "s", name: "m")).checkpoints
                    .reduce(0) { $0 + $1.position.rawValue } == 500)
            let described = try await store.describeStream("s")
            #expect(try await owner.describeStream("s") == described)
            try await store.close()
            #expect(await code { try await store.listStreams() } == .closed)
            #expect(await code { try await stream.put("x", partitionKey: "k") } == .closed)
        }
        try await owner.close()
    }

    @Test func `where nobody serves the store that is said, and no store is made`() async throws {
        #expect(await code { try await SegmentStore.connect(at: path, logger: silent) } == .ownerGone)
        let owner = try await owner()
        #expect(await code { try await SegmentStore.connect(at: path, logger: silent) } == .ownerGone)
        try await owner.close()
    }

    @Test func `a mapping over a connection ends with its owner, and goes on at the next one`() async throws {
        let seen = Mutex<[String]>([])
        func mapping(_ store: OwnerClient, _ signal: AsyncStream<Void>.Continuation) async throws -> EventSourceMapping
        {
            try await EventSourceMapping("m", from: store.stream("s"), logger: silent) { batch, _ in
                seen.withLock { $0 += batch.map { String(decoding: $0.bytes, as: UTF8.self) } }
                signal.yield()
            }
        }
        let first = try await owner()
        let (calls, signal) = AsyncStream<Void>.makeStream()
        try await withThrowingTaskGroup(of: ShardlineError.Code?.self) { group in
            let client = try await serving(first) {
                let client = try await SegmentStore.connect(at: path, logger: silent)
                let mapping = try await mapping(client, signal)
                group.addTask { await code { try await mapping.run(until: .stopped) } }
                try await client.stream("s").put("a", partitionKey: "k")
                for await _ in calls { break }
                return client
            }
            try await first.close()
            #expect(try await group.next() == .ownerGone)
            #expect(await code { try await client.stream("s").put("x", partitionKey: "k") } == .ownerGone)
            #expect(await code { try await client.listStreams() } == .ownerGone)
        }
        let second = try await owner()
        try await serving(second) {
            let client = try await SegmentStore.connect(at: path, logger: silent)
            try await client.stream("s").put("b", partitionKey: "k")
            try await mapping(client, signal).run(until: .caughtUp)
            try await client.close()
        }
        // At least once: what was not checkpointed when the owner went comes again.
        #expect(seen.withLock { $0.last } == "b")
        #expect(Set(seen.withLock { $0 }) == ["a", "b"])
        try await second.close()
    }

    @Test func `a claim of a connection that ends is in nobody's way`() async throws {
        let owner = try await owner()
        try await serving(owner) {
            let key = MappingID(stream: "s", name: "m")
            let client = try await SegmentStore.connect(at: path, logger: silent)
            try await client.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
            _ = try await client.claimMapping(key)
            #expect(await code { try await owner.deleteStream("s") } == .mappingBusy)
            try await client.close()
            // The owner notices when the connection's last byte is read.
            await eventually { await code { try await owner.deleteStream("s") } != .mappingBusy }
            #expect(try await owner.listStreams().isEmpty)
        }
        try await owner.close()
    }
}
