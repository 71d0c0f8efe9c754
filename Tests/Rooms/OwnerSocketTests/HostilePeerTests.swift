import DiskAccess
import ShardlineTesting
import StreamModel
import StreamStorage
import TestSupport
import Testing

@testable import OwnerSocket

/// Peers that die, lie or send garbage.
@Suite(.timeLimit(.minutes(1)))
struct HostilePeerTests {
    private func code(_ body: () async throws -> Void) async -> ShardlineError.Code? {
        do {
            try await body()
            return nil
        } catch { return (error as? ShardlineError)?.code }
    }

    /// An owner that answers `welcome` to the greeting, reads `requests` frames more and then does what `end` says.
    private func withOwner(
        welcome: Welcome = Welcome(capabilities: 0, process: 4711), requests: Int,
        end: @escaping @Sendable (UnixSocket, [Frame]) throws -> Void,
        _ body: (String) async throws -> Void
    ) async throws {
        let directory = TestDirectory()
        let listener = try SocketPath(directory: directory.path).listen()
        async let served: Void = BlockingThreads.shared.run {
            guard let socket = try listener.accept() else { return }
            var buffer = FrameBuffer()
            var frames: [Frame] = []
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
            defer { room.deallocate() }
            while frames.count < requests + 1 {
                let count = try socket.receive(into: room)
                guard count > 0 else { break }
                buffer.append(UnsafeRawBufferPointer(rebasing: room[..<count]))
                while let frame = try buffer.next() {
                    if frames.isEmpty { try socket.send(Frame(.welcome, call: 0, payload: welcome.encoded).encoded) }
                    frames.append(frame)
                }
            }
            try end(socket, Array(frames.dropFirst()))
        }
        try await body(directory.path)
        try await served
    }

    private static let commit: [Change] = [.append(Append([NewRecord("x", partitionKey: "k")], to: "s"))]

    @Test func `an owner that dies leaves a commit in doubt and everything else refused`() async throws {
        try await withOwner(requests: 2) { _, frames in
            #expect(frames.count == 2)
        } _: { directory in
            let client = try await OwnerClient.connect(at: directory)
            #expect(client.ownerProcess == 4711)
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    do {
                        let outcome = try await client.commit(Self.commit)
                        guard case .unknown(let cause) = outcome else {
                            Issue.record("\(outcome)")
                            return
                        }
                        #expect((cause as? ShardlineError)?.code == .ownerGone)
                    } catch { Issue.record("\(error)") }
                }
                group.addTask {
                    #expect(await code { _ = try await client.listStreams() } == .ownerGone)
                }
            }
            // Nothing can have been sent any more.
            #expect(await code { _ = try await client.commit(Self.commit) } == .ownerGone)
        }
    }

    @Test func `a clean release right after the greeting is heard`() async throws {
        let directory = TestDirectory()
        let listener = try SocketPath(directory: directory.path).listen()
        async let served: Void = BlockingThreads.shared.run {
            guard let socket = try listener.accept() else { return }
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
            defer { room.deallocate() }
            _ = try socket.receive(into: room)
            let welcome = Frame(.welcome, call: 0, payload: Welcome(capabilities: 0, process: 4711).encoded)
            try socket.send(welcome.encoded + Frame(.goodbye, call: 0).encoded)
            // The client closes its direction, and has sent nothing.
            #expect(try socket.receive(into: room) == 0)
        }
        let client = try await OwnerClient.connect(at: directory.path)
        try await served
        #expect(await code { _ = try await client.commit(Self.commit) } == .ownerGone)
        #expect(client.ownerReleasedCleanly)
    }

    @Test func `a producer over a dead owner names what is in doubt`() async throws {
        let stream = StreamSummary(Samples.stream)
        try await withOwner(requests: 1) { socket, frames in
            try socket.send(Frame(.reply, call: frames[0].call, payload: Reply.streamSummary(stream).encoded).encoded)
            // One batch arrives; it is never answered.
            let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
            defer { room.deallocate() }
            #expect(try socket.receive(into: room) > 0)
        } _: { directory in
            let client = try await OwnerClient.connect(at: directory)
            do {
                try await client.stream("s").withProducer { producer in
                    try await producer.enqueue("a", partitionKey: "k", tag: 1)
                    try await producer.enqueue("b", partitionKey: "k", tag: 2)
                    try await producer.flush()
                }
                Issue.record("nothing was thrown")
            } catch let error as ShardlineError {
                #expect(error.code == .ownerGone)
                let records = error.cause as? UnacknowledgedRecords
                #expect(records?.acknowledged == 0)
                #expect(records.map { $0.inDoubt + $0.notWritten } == [1, 2])
                #expect(records?.inDoubt.first == 1)
            }
        }
    }

    @Test func `an owner that talks nonsense is left`() async throws {
        let nonsense: [@Sendable (UInt64) -> [UInt8]] = [
            { _ in [UInt8](repeating: 0xFF, count: 100) },
            { Frame(.reply, call: $0, payload: [99]).encoded },
            { Frame(.reply, call: $0 + 5, payload: Reply.done.encoded).encoded },
            { Frame(.request, call: $0, payload: Request.listStreams.encoded).encoded },
        ]
        for bytes in nonsense {
            try await withOwner(requests: 1) { socket, frames in
                try socket.send(bytes(frames[0].call))
                let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 64, alignment: 16)
                defer { room.deallocate() }
                // The client ends the connection.
                #expect(try socket.receive(into: room) == 0)
            } _: { directory in
                let client = try await OwnerClient.connect(at: directory)
                #expect(await code { _ = try await client.listStreams() } == .ownerGone)
            }
        }
    }

    @Test func `an answer of another kind is an error, no crash`() async throws {
        try await withOwner(requests: 1) { socket, frames in
            try socket.send(Frame(.reply, call: frames[0].call, payload: Reply.done.encoded).encoded)
        } _: { directory in
            let client = try await OwnerClient.connect(at: directory)
            #expect(await code { _ = try await client.listStreams() } == .storeFailed)
        }
    }

    @Test func `an owner of another version is named`() async throws {
        var welcome = Welcome(capabilities: 0, process: 4711)
        welcome.version = Hello.version + 1
        try await withOwner(welcome: welcome, requests: 0) { _, _ in
        } _: { directory in
            do {
                _ = try await OwnerClient.connect(at: directory)
                Issue.record("connected")
            } catch let error as ShardlineError {
                #expect(error.code == .newerFormat)
                #expect(error.message.contains("process 4711"))
            }
        }
    }

    @Test func `strangers are dropped, one by one, and the owner goes on`() async throws {
        let directory = TestDirectory()
        let store = InMemoryStore()
        try await store.createStream("s", shards: 1)
        let server = try OwnerSocketServer(store: store, at: directory.path)
        let hello = Frame(.hello, call: 0, payload: Hello().encoded).encoded
        let list = Frame(.request, call: 1, payload: Request.listStreams.encoded).encoded
        let strangers: [[UInt8]] = [
            Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), [UInt8](repeating: 0, count: 4096),
            [UInt8](repeating: 255, count: 4096), list, hello + [255, 255, 255, 255], hello + hello,
            hello + Frame(.reply, call: 1, payload: Reply.done.encoded).encoded,
            Frame(.hello, call: 0, payload: Hello(version: 99).encoded).encoded,
            // The length of a message that is no greeting, and nothing else.
            Array(Frame(.request, call: 1, payload: [UInt8](repeating: 0, count: 1 << 20)).encoded.prefix(4)),
        ]
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            defer { server.stop() }
            let client = try await OwnerClient.connect(at: directory.path)
            for bytes in strangers {
                let answered = try await BlockingThreads.shared.run { () -> Int in
                    let socket = try SocketPath(directory: directory.path).connect()
                    try socket.send(bytes)
                    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
                    defer { room.deallocate() }
                    var total = 0
                    // Where this is not ended by the owner, the test hangs and fails.
                    while let count = try? socket.receive(into: room), count > 0 { total += count }
                    return total
                }
                #expect(answered <= Hello.largestFrame)
                #expect(try await client.listStreams().count == 1)
            }
        }
    }

    @Test func `a client that sends more than is done is not read, so it can't fill the owner's memory`() async throws {
        let directory = TestDirectory()
        let time = VirtualTime()
        let store = InMemoryStore(timeSource: time)
        try await store.createStream("s", shards: 1)
        for _ in 0..<40 { store.answerNextCommit(with: .late(by: .seconds(3))) }
        let server = try OwnerSocketServer(store: store, at: directory.path)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            defer { server.stop() }
            let socket = try SocketPath(directory: directory.path).connect()
            let records = (0..<8).map { _ in NewRecord([UInt8](repeating: 1, count: 1_000_000), partitionKey: "k") }
            let payload = Request.commit([.append(Append(records, to: "s"))], .now).encoded
            let taken = try await BlockingThreads.shared.run { () -> UInt64 in
                socket.limitWaiting(receiving: .seconds(20), sending: .milliseconds(300))
                try socket.send(Frame(.hello, call: 0, payload: Hello().encoded).encoded)
                for call in 1...40 as ClosedRange<UInt64> {
                    guard (try? socket.send(Frame(.request, call: call, payload: payload).encoded)) != nil else {
                        return call - 1
                    }
                }
                return 40
            }
            // 64 MiB and one call more.
            #expect((8...10).contains(taken), "\(taken) calls of 8 MB were taken")
            // Nobody else is held up by it, and what was taken is done.
            let client = try await OwnerClient.connect(at: directory.path)
            #expect(try await client.listStreams().count == 1)
            try await eventually {
                time.advance(by: .seconds(3))
                return try await store.describeStream("s").shards[0].tip.rawValue / 8 >= taken
            }
            socket.shutDown()
        }
    }

    @Test func `a request that can't be read is answered, and the connection goes on`() async throws {
        let directory = TestDirectory()
        let server = try OwnerSocketServer(store: InMemoryStore(), at: directory.path)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            defer { server.stop() }
            let replies = try await BlockingThreads.shared.run { () -> [Frame] in
                let socket = try SocketPath(directory: directory.path).connect()
                try socket.send(Frame(.hello, call: 0, payload: Hello().encoded).encoded)
                try socket.send(Frame(.request, call: 1, payload: [200]).encoded)
                try socket.send(Frame(.cancel, call: 77).encoded)
                try socket.send(Frame(.request, call: 2, payload: Request.listStreams.encoded).encoded)
                var buffer = FrameBuffer()
                var frames: [Frame] = []
                let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
                defer { room.deallocate() }
                while frames.count < 3, case let count = try socket.receive(into: room), count > 0 {
                    buffer.append(UnsafeRawBufferPointer(rebasing: room[..<count]))
                    while let frame = try buffer.next() { frames.append(frame) }
                }
                return frames
            }
            let refused = try #require(replies.first { $0.call == 1 })
            guard case .failed(let error) = try Reply(refused.payload) else {
                Issue.record("not refused")
                return
            }
            #expect(error.code == .invalidArgument)
            let listed = try #require(replies.first { $0.call == 2 })
            guard case .streams(let streams) = try Reply(listed.payload) else {
                Issue.record("not answered")
                return
            }
            #expect(streams.isEmpty)
        }
    }
}
