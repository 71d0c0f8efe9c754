#if Server
import HTTPTypes
import NIOCore
import NIOEmbedded
import NIOHTTPTypes
import Testing

@testable import KinesisServer

/// What stands before a request, with a clock that the test moves.
@Suite struct RequestGateTests {
    /// A connection with a gate, and what comes out at both ends.
    final class Connection {
        let channel = EmbeddedChannel()
        let memory: BodyMemory

        init(_ limits: KinesisServer.Limits = RequestGateTests.limits, memory: BodyMemory? = nil, isHTTP2: Bool = false)
            throws
        {
            self.memory = memory ?? BodyMemory(limit: limits.allBodiesBytes)
            try channel.pipeline.syncOperations.addHandler(
                RequestGate(limits: limits, memory: self.memory, isHTTP2: isHTTP2))
            try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
        }

        deinit { _ = try? channel.finish(acceptAlreadyClosed: true) }

        func head(_ fields: HTTPFields = [:]) throws {
            try channel.writeInbound(
                HTTPRequestPart.head(
                    HTTPRequest(method: .post, scheme: "http", authority: "a", path: "/", headerFields: fields)))
        }

        func body(_ count: Int) throws {
            try channel.writeInbound(HTTPRequestPart.body(ByteBuffer(repeating: 7, count: count)))
        }

        func end() throws { try channel.writeInbound(HTTPRequestPart.end(nil)) }

        /// What was passed on: `h`, the bytes of a body, `e`.
        func passed() throws -> String {
            var text = ""
            while let part = try channel.readInbound(as: HTTPRequestPart.self) {
                switch part {
                case .head: text += "h"
                case .body(let bytes): text += "\(bytes.readableBytes)"
                case .end: text += "e"
                }
            }
            return text
        }

        /// The statuses that were answered, each with `e` at its end.
        func answered() throws -> String {
            var text = ""
            while let part = try channel.readOutbound(as: HTTPResponsePart.self) {
                switch part {
                case .head(let head): text += "\(head.status.code)"
                case .body: text += "b"
                case .end: text += "e"
                }
            }
            return text
        }

        func answer() throws {
            try channel.writeOutbound(HTTPResponsePart.head(HTTPResponse(status: .ok)))
            try channel.writeOutbound(HTTPResponsePart.end(nil))
        }

        func advance(_ time: TimeAmount) { channel.embeddedEventLoop.advanceTime(by: time) }
    }

    static let limits: KinesisServer.Limits = {
        var limits = KinesisServer.Limits()
        limits.bodyBytes = 1000
        limits.allBodiesBytes = 2000
        limits.requestTime = .seconds(10)
        limits.idleTime = .seconds(60)
        return limits
    }()

    @Test func `a request is passed on when it is whole, with its body in one part`() throws {
        let connection = try Connection()
        try connection.head()
        try connection.body(300)
        try connection.body(200)
        #expect(try connection.passed() == "")
        #expect(connection.memory.bytes == 500)
        try connection.end()
        #expect(try connection.passed() == "h500e")
        #expect(connection.memory.bytes == 500)
        try connection.answer()
        #expect(connection.memory.bytes == 0)
        #expect(connection.channel.isActive)
    }

    @Test func `a body that says that it is too large is refused before it comes`() throws {
        let connection = try Connection()
        try connection.head([.contentLength: "1001"])
        #expect(try connection.answered() == "413e")
        try connection.body(10)
        try connection.end()
        #expect(try connection.passed() == "")
        connection.advance(.seconds(2))
        #expect(!connection.channel.isActive)
    }

    @Test(arguments: [false, true]) func `a body that becomes too large is refused`(isHTTP2: Bool) throws {
        let connection = try Connection(isHTTP2: isHTTP2)
        try connection.head()
        try connection.body(1000)
        #expect(try connection.answered() == "")
        try connection.body(1)
        #expect(try connection.answered() == "413e")
        #expect(connection.memory.bytes == 0)
        try connection.end()
        #expect(try connection.passed() == "")
    }

    @Test func `the largest body is taken`() throws {
        let connection = try Connection()
        try connection.head([.contentLength: "1000"])
        try connection.body(1000)
        try connection.end()
        #expect(try connection.passed() == "h1000e")
    }

    @Test func `who waits for it is told to continue, and of two requests the second one later`() throws {
        let connection = try Connection()
        try connection.head([.expect: "100-Continue", .contentLength: "5"])
        #expect(try connection.answered() == "100")
        try connection.body(5)
        try connection.end()
        try connection.head([.expect: "100-continue", .contentLength: "5"])
        #expect(try connection.answered() == "")
        try connection.answer()
        #expect(try connection.answered() == "200e100")
    }

    @Test func `who would wait with a body that is too large is refused instead`() throws {
        let connection = try Connection()
        try connection.head([.expect: "100-continue", .contentLength: "2000"])
        #expect(try connection.answered() == "413e")
    }

    @Test func `a refusal comes after the answers of the requests before it`() throws {
        let connection = try Connection()
        try connection.head()
        try connection.end()
        try connection.head([.contentLength: "2000"])
        #expect(try connection.answered() == "")
        try connection.answer()
        #expect(try connection.answered() == "200e413e")
    }

    @Test func `a body that comes too slowly ends the connection`() throws {
        let connection = try Connection()
        try connection.head()
        for _ in 0..<9 {
            connection.advance(.seconds(1))
            try connection.body(1)
        }
        #expect(connection.channel.isActive)
        connection.advance(.seconds(1))
        #expect(!connection.channel.isActive)
        #expect(connection.memory.bytes == 0)
    }

    @Test func `a connection without a request is closed after the idle time, and not while one runs`() throws {
        let connection = try Connection()
        connection.advance(.seconds(59))
        try connection.head()
        try connection.end()
        connection.advance(.seconds(1000))
        #expect(connection.channel.isActive)
        try connection.answer()
        connection.advance(.seconds(59))
        #expect(connection.channel.isActive)
        connection.advance(.seconds(1))
        #expect(!connection.channel.isActive)
    }

    @Test func `a body without memory waits, and goes on when there is some`() throws {
        let memory = BodyMemory(limit: 2000)
        #expect(memory.take(1900))
        let connection = try Connection(memory: memory)
        try connection.head()
        try connection.body(200)
        try connection.end()
        try connection.head()
        #expect(try connection.passed() == "")
        connection.advance(.milliseconds(500))
        #expect(try connection.passed() == "")
        memory.giveBack(1900)
        connection.advance(.milliseconds(20))
        #expect(try connection.passed() == "h200e")
        #expect(memory.bytes == 200)
    }

    @Test func `a body that gets no memory in time is answered with 503`() throws {
        let memory = BodyMemory(limit: 2000)
        #expect(memory.take(1900))
        let connection = try Connection(memory: memory)
        try connection.head()
        try connection.body(200)
        try connection.end()
        connection.advance(.seconds(10))
        #expect(try connection.answered() == "503e")
        #expect(memory.bytes == 1900)
    }

    @Test func `nothing is read while a body waits for memory`() throws {
        let reads = ReadCount()
        let memory = BodyMemory(limit: 100)
        #expect(memory.take(100))
        let connection = try Connection(memory: memory)
        try connection.channel.pipeline.syncOperations.addHandler(reads, position: .first)
        try connection.head()
        try connection.body(10)
        let before = reads.count
        connection.channel.read()
        #expect(reads.count == before)
        memory.giveBack(100)
        connection.advance(.milliseconds(20))
        #expect(reads.count > before)
    }

    @Test func `a connection that ends gives all memory back`() throws {
        let connection = try Connection()
        try connection.head()
        try connection.body(10)
        try connection.end()
        try connection.head()
        try connection.body(20)
        #expect(connection.memory.bytes == 30)
        try connection.channel.close().wait()
        #expect(connection.memory.bytes == 0)
    }

    @Test func `a shutdown waits for the request that arrives`() throws {
        let connection = try Connection()
        let events = EventCount()
        try connection.channel.pipeline.syncOperations.addHandler(events)
        try connection.head()
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        #expect(events.count == 0)
        try connection.end()
        #expect(events.count == 1)
    }

    @Test func `a client that stops in the middle of a body is left`() throws {
        let connection = try Connection()
        try connection.head()
        try connection.body(10)
        connection.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        connection.channel.embeddedEventLoop.run()
        #expect(!connection.channel.isActive)
    }

    private final class ReadCount: ChannelOutboundHandler {
        typealias OutboundIn = HTTPResponsePart
        var count = 0

        func read(context: ChannelHandlerContext) {
            count += 1
            context.read()
        }
    }

    private final class EventCount: ChannelInboundHandler {
        typealias InboundIn = HTTPRequestPart
        var count = 0

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if event is ChannelShouldQuiesceEvent { count += 1 }
            context.fireUserInboundEventTriggered(event)
        }
    }
}
#endif
