import Foundation
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OwnerSocket

private let shard0 = ShardID(0)

/// Owner and client, each at its end of a real socket.
@Suite(.timeLimit(.minutes(1)))
struct OwnerSocketTests {
    /// An owner with a stream "s" of two shards in a directory of its own.
    private struct Owner: Sendable {
        let time = VirtualTime()
        let store: InMemoryStore
        let directory: TestDirectory
        let server: OwnerSocketServer

        init(onReleaseRequest: (@Sendable () async -> Bool)? = nil) async throws {
            store = InMemoryStore(timeSource: time)
            try await store.createStream("s", shards: 2)
            directory = TestDirectory()
            server = try OwnerSocketServer(store: store, at: directory.path, onReleaseRequest: onReleaseRequest)
        }

        func client() async throws -> OwnerClient {
            try await OwnerClient.connect(at: directory.path, timeSource: time)
        }

        /// Runs `body` while the owner serves, then ends the owner.
        func serving(_ body: () async throws -> Void) async throws {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await server.run() }
                defer { server.stop() }
                try await body()
            }
        }
    }

    private static let waitingRead = ReadRequest(
        stream: "s", shard: ShardID(0), after: .zero, wait: .atMost(.seconds(100)))

    private func code(_ body: () async throws -> Void) async -> ShardlineError.Code? {
        do {
            try await body()
            return nil
        } catch { return (error as? ShardlineError)?.code }
    }

    @Test func `many calls are under way at a time, and a wait holds up none`() async throws {
        let owner = try await Owner()
        try await owner.serving {
            let client = try await owner.client()
            #expect(client.capabilities == owner.store.capabilities)
            #expect(client.ownerProcess == ProcessInfo.processInfo.processIdentifier)
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<50 { group.addTask { try await client.read(Self.waitingRead).batch.count } }
                await owner.time.sleepers(50)
                try await withThrowingTaskGroup(of: Void.self) { puts in
                    for index in 0..<200 {
                        puts.addTask {
                            let change = Append(
                                [NewRecord("\(index)", partitionKey: "k")], to: "s", target: .shard(ShardID(1)))
                            _ = try await client.commit([.append(change)])
                        }
                    }
                    try await puts.waitForAll()
                }
                #expect(try await client.describeStream("s").shards[1].tip == SequenceNumber(200))
                _ = try await client.commit([
                    .append(Append([NewRecord("x", partitionKey: "k")], to: "s", target: .shard(shard0)))
                ])
                #expect(try await group.reduce(0, +) == 50)
            }
            try await client.close()
        }
    }

    @Test func `several clients share the store`() async throws {
        let owner = try await Owner()
        try await owner.serving {
            let first = try await owner.client()
            let second = try await owner.client()
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    let read = try await first.read(Self.waitingRead)
                    #expect(read.batch.map { String(decoding: $0.bytes, as: UTF8.self) } == ["from the second"])
                }
                await owner.time.sleepers(1)
                let append = Append([NewRecord("from the second", partitionKey: "k")], to: "s", target: .shard(shard0))
                _ = try await second.commit([.append(append)])
                try await group.waitForAll()
            }
        }
    }

    @Test func `a client is told what the mapping does that its owner runs`() async throws {
        let owner = try await Owner()
        let key = MappingID(stream: "s", name: "m")
        try await owner.store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
        try await owner.serving {
            let client = try await owner.client()
            #expect(try await client.mappingStates(key) == nil)
            let claim = try await owner.store.claimMapping(key, with: MappingClaim(states: { Samples.states }))
            #expect(try await client.mappingStates(key) == Samples.states)
            try await owner.store.releaseMapping(key, epoch: claim.epoch)
            #expect(try await client.mappingStates(key) == nil)
        }
    }

    @Test func `an update by a client is refused where who runs the mapping can't work with it (STORE-A5)`()
        async throws
    {
        let owner = try await Owner()
        let key = MappingID(stream: "s", name: "m")
        try await owner.store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
        try await owner.serving {
            let client = try await owner.client()
            let check: @Sendable ([UInt8]) throws -> Void = { settings in
                if settings == [2] { throw ShardlineError(.invalidArgument, "not 2") }
            }
            let claim = try await owner.store.claimMapping(key, with: MappingClaim(checkSettings: check))
            let refused = await #expect(throws: ShardlineError.self) {
                try await client.controlMapping(MappingControl(key, configuration: [2], actor: "ops"))
            }
            #expect(refused?.code == .invalidArgument && refused?.message.contains("not 2") == true)
            try await client.controlMapping(MappingControl(key, configuration: [3], actor: "ops"))
            #expect(try await client.describeMapping(key).configuration == [3])
            try await owner.store.releaseMapping(key, epoch: claim.epoch)
            try await client.controlMapping(MappingControl(key, configuration: [2], actor: "ops"))
            #expect(try await client.describeMapping(key).revision == 2)
        }
    }

    @Test func `a client that goes leaves nothing behind`() async throws {
        let owner = try await Owner()
        let key = MappingID(stream: "s", name: "m")
        try await owner.store.createMapping(MappingDefinition(key: key, startingPosition: .trimHorizon))
        try await owner.serving {
            let client = try await owner.client()
            _ = try await client.claimMapping(key)
            let waiting = await withTaskGroup(of: ShardlineError.Code?.self) { group in
                group.addTask { await code { _ = try await client.read(Self.waitingRead) } }
                await owner.time.sleepers(1)
                await #expect(throws: Never.self) { try await client.close() }
                return await group.next() ?? nil
            }
            #expect(waiting == .closed)
            #expect(await code { _ = try await client.listStreams() } == .closed)
            // The owner finds out by itself; then the wait and the claim are gone.
            try await eventually { try await !owner.store.describeMapping(key).isClaimed }
            #expect(try owner.store.waitingReads(of: "s", shard: shard0) == 0)
            let next = try await owner.client()
            #expect(try await next.claimMapping(key).isClaimed)
        }
        // The owner's end releases the claims of its clients too.
        #expect(try await !owner.store.describeMapping(key).isClaimed)
    }

    @Test func `a cancelled wait ends on both sides, the connection goes on`() async throws {
        let owner = try await Owner()
        try await owner.serving {
            let client = try await owner.client()
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    await #expect(throws: CancellationError.self) { try await client.read(Self.waitingRead) }
                }
                await owner.time.sleepers(1)
                group.cancelAll()
            }
            #expect(owner.time.sleeperCount == 0)
            #expect(try owner.store.waitingReads(of: "s", shard: shard0) == 0)
            #expect(try await client.listStreams().count == 1)
        }
    }

    @Test func `an owner that ends says so to everyone who waits`() async throws {
        let owner = try await Owner()
        let client = try await withThrowingTaskGroup(of: ShardlineError.Code?.self) { group in
            group.addTask {
                try await owner.server.run(); return nil
            }
            let client = try await owner.client()
            group.addTask { await code { _ = try await client.read(Self.waitingRead) } }
            await owner.time.sleepers(1)
            owner.server.stop()
            let codes = try await group.reduce(into: []) { $0.append($1) }
            #expect(codes.contains(.ownerGone))
            return client
        }
        #expect(await code { _ = try await client.listStreams() } == .ownerGone)
        #expect(await code { _ = try await client.commit([]) } == .ownerGone)
        #expect(await code { _ = try await owner.client() } == .ownerGone)
        #expect(!FileManager.default.fileExists(atPath: owner.directory.path("owner.sock")))
    }

    @Test func `what has reached an owner that stops is answered, nothing else is done`() async throws {
        let owner = try await Owner()
        owner.store.answerCommits { _ in .late(by: .seconds(1)) }
        let put = Change.append(Append([NewRecord("x", partitionKey: "k")], to: "s", target: .shard(shard0)))
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await owner.server.run()
                return false
            }
            let client = try await owner.client()
            for _ in 0..<20 {
                group.addTask {
                    guard case .committed = try await client.commit([put]) else { return false }
                    return true
                }
            }
            await owner.time.sleepers(20)
            owner.server.stop()
            while await code({ _ = try await client.commit([]) }) != .ownerGone { owner.time.advance(by: .seconds(1)) }
            owner.time.advance(by: .seconds(1))
            #expect(try await group.reduce(0) { $0 + ($1 ? 1 : 0) } == 20)
        }
        #expect(try await owner.store.describeStream("s").shards[0].tip == SequenceNumber(20))
    }

    @Test func `a store changes hands under load and no outcome is in doubt`() async throws {
        for _ in 0..<10 {
            let owner = try await Owner()
            let put = Change.append(Append([NewRecord("x", partitionKey: "k")], to: "s", target: .shard(shard0)))
            try await withThrowingTaskGroup(of: Int.self) { group in
                group.addTask {
                    try await owner.server.run()
                    return 0
                }
                for _ in 0..<3 {
                    let client = try await owner.client()
                    for _ in 0..<4 {
                        group.addTask {
                            var count = 0
                            while true {
                                do {
                                    let outcome = try await client.commit([put])
                                    guard case .committed = outcome else {
                                        Issue.record("an outcome is in doubt: \(outcome)")
                                        return count
                                    }
                                    count += 1
                                } catch {
                                    #expect((error as? ShardlineError)?.code == .ownerGone)
                                    return count
                                }
                            }
                        }
                    }
                }
                try await eventually {
                    try await owner.store.describeStream("s").shards[0].tip >= SequenceNumber(100)
                }
                owner.server.stop()
                let acknowledged = try await group.reduce(0, +)
                #expect(try await owner.store.describeStream("s").shards[0].tip == SequenceNumber(UInt64(acknowledged)))
            }
        }
    }

    @Test func `a cancelled owner ends in order`() async throws {
        let owner = try await Owner()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await owner.server.run() }
            let client = try await owner.client()
            _ = try await client.listStreams()
            group.cancelAll()
            try await group.waitForAll()
            #expect(await code { _ = try await client.listStreams() } == .ownerGone)
        }
    }

    @Test func `only this user may connect, and a former owner's socket is replaced`() async throws {
        let first = try await Owner()
        let path = first.directory.path("owner.sock")
        func mode() throws -> Int? {
            try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
        }
        #expect(try mode() == 0o600)
        let second = try OwnerSocketServer(store: first.store, at: first.directory.path)
        #expect(try mode() == 0o600)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await second.run() }
            #expect(try await first.client().listStreams().count == 1)
            second.stop()
            try await group.waitForAll()
        }
    }

    @Test func `a directory whose path is too long for a socket works`() async throws {
        let base = TestDirectory()
        let long = base.path(String(repeating: "d", count: 120) + "/" + String(repeating: "e", count: 120))
        try FileManager.default.createDirectory(atPath: long, withIntermediateDirectories: true)
        let store = InMemoryStore()
        let server = try OwnerSocketServer(store: store, at: long)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            try await OwnerClient.connect(at: long).createStream("s", shards: 1)
            server.stop()
            try await group.waitForAll()
        }
        #expect(try await store.listStreams().count == 1)
        #expect(try FileManager.default.contentsOfDirectory(atPath: long) == [])
    }

    @Test func `a directory without an owner, or without rights, says which`() async throws {
        let empty = TestDirectory()
        for path in [empty.path, empty.path("missing")] {
            #expect(await code { _ = try await OwnerClient.connect(at: path) } == .ownerGone)
        }
        #expect(throws: ShardlineError.self) {
            try OwnerSocketServer(store: InMemoryStore(), at: empty.path("missing"))
        }
    }

    @Test func `the owner is asked to give the store up`() async throws {
        let answers: [(@Sendable () async -> Bool)?] = [{ true }, { false }, nil]
        for (answer, expected) in zip(answers, [true, false, false]) {
            let owner = try await Owner(onReleaseRequest: answer)
            try await owner.serving {
                let client = try await owner.client()
                #expect(try await client.requestRelease() == expected)
            }
        }
    }

    @Test func `records of megabytes go both ways`() async throws {
        let owner = try await Owner()
        try await owner.store.createStream("big", shards: 1, maximumRecordSize: 10 << 20)
        try await owner.serving {
            let client = try await owner.client()
            var data = [UInt8](repeating: 7, count: 10 << 20)
            for index in stride(from: 0, to: data.count, by: 1009) { data[index] = UInt8(truncatingIfNeeded: index) }
            try await client.stream("big").put(
                contentsOf: Array(repeating: NewRecord(data, partitionKey: "k"), count: 4))
            var request = ReadRequest(stream: "big", shard: shard0, after: .zero, maximumBytes: .max)
            var count = 0
            while count < 4 {
                let result = try await client.read(request)
                #expect(!result.batch.isEmpty)
                for record in result.batch { #expect(Array(record.bytes) == data) }
                count += result.batch.count
                request.after = result.next
            }
        }
    }
}
