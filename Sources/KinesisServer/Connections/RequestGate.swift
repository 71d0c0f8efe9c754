#if Server
import DequeModule
import HTTPTypes
import NIOCore
import NIOHTTPTypes

/// Passes a request on when it is there as a whole, its body in one part, and refuses what must not arrive: a body that is
/// too large (status 413), too slow (the connection is closed) or for which there is no memory (503). Answers
/// `Expect: 100-continue`. Closes a connection that has no request for too long, and one whose client reads nothing of an
/// answer for too long (API-P-5, API-E-2).
///
/// It stands before Hummingbird's handlers, on a connection of HTTP/1.1 and on each stream of HTTP/2. Runs on its event
/// loop.
final class RequestGate: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private struct Arriving {
        var head: HTTPRequest
        var body = ByteBuffer()
        /// The bytes of the body for which memory is taken.
        var taken = 0
        /// What is to be sent before the client sends the body.
        var wantsContinue: Bool
    }

    private static let continuing = HTTPResponse(status: .continue)
    /// How long a refused client may go on sending before the connection is closed, so that it can read the answer.
    private static let linger = TimeAmount.seconds(2)
    /// How often a body that waits for memory tries again.
    private static let retry = TimeAmount.milliseconds(20)

    private let limits: KinesisServer.Limits
    private let memory: BodyMemory
    private let isHTTP2: Bool
    private var arriving: Arriving?
    /// For each request that was passed on and not answered yet, the bytes taken for its body, in order.
    private var running = Deque<Int>()
    /// Ends the connection: for an idle one, or for a request that arrives.
    private var timer: Scheduled<Void>?
    /// Set while a body waits for memory; what arrives meanwhile waits too, and nothing more is read.
    private var memoryTimer: Scheduled<Void>?
    private var waiting = Deque<HTTPRequestPart>()
    private var stallTimer: Scheduled<Void>?
    /// A read that was asked for while a body waits for memory.
    private var heldRead = false
    /// The status with which the last request is refused; nothing is read after it.
    private var refusal: HTTPResponse.Status?
    private var isQuiescing = false

    init(limits: KinesisServer.Limits, memory: BodyMemory, isHTTP2: Bool) {
        self.limits = limits
        self.memory = memory
        self.isHTTP2 = isHTTP2
    }

    func handlerAdded(context: ChannelHandlerContext) { closeLater(limits.idleTime, context) }

    func handlerRemoved(context: ChannelHandlerContext) { end() }

    func channelInactive(context: ChannelHandlerContext) {
        end()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard refusal == nil else { return }
        let part = unwrapInboundIn(data)
        if memoryTimer == nil { take(part, context) } else { waiting.append(part) }
    }

    private func take(_ part: HTTPRequestPart, _ context: ChannelHandlerContext) {
        switch part {
        case .head(let head): begin(head, context)
        case .body(let bytes): add(bytes, context)
        case .end(let trailers): finish(trailers, context)
        }
    }

    func read(context: ChannelHandlerContext) {
        if memoryTimer == nil { context.read() } else { heldRead = true }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent where arriving != nil:
            isQuiescing = true
        case ChannelEvent.inputClosed where arriving != nil || refusal != nil:
            context.close(promise: nil)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        context.write(data, promise: promise)
        guard case .end = unwrapOutboundIn(data), let bytes = running.popFirst() else { return }
        memory.giveBack(bytes)
        guard running.isEmpty else { return }
        if let refusal {
            context.flush()
            send(refusal, context)
        } else if arriving == nil {
            closeLater(limits.idleTime, context)
        } else {
            sendContinue(context)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        stallTimer?.cancel()
        stallTimer = nil
        if !context.channel.isWritable {
            stallTimer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(limits.requestTime)) {
                context.close(promise: nil)
            }
        }
        context.fireChannelWritabilityChanged()
    }

    // MARK: A request

    private func begin(_ head: HTTPRequest, _ context: ChannelHandlerContext) {
        closeLater(limits.requestTime, context)
        let length = head.headerFields[.contentLength].flatMap { Int($0) }
        let expects = head.headerFields[.expect].map { $0.lowercased() == "100-continue" } ?? false
        arriving = Arriving(head: head, wantsContinue: expects && length != 0)
        if let length, length > limits.bodyBytes { return refuse(.contentTooLarge, context) }
        sendContinue(context)
    }

    /// HTTP/1.1 has one answer after the other: the request before it is answered first.
    private func sendContinue(_ context: ChannelHandlerContext) {
        guard arriving?.wantsContinue == true, running.isEmpty || isHTTP2 else { return }
        arriving?.wantsContinue = false
        context.writeAndFlush(wrapOutboundOut(.head(Self.continuing)), promise: nil)
    }

    private func add(_ bytes: ByteBuffer, _ context: ChannelHandlerContext) {
        guard var now = arriving else { return }
        // Not two references while it is written to.
        arriving = nil
        now.wantsContinue = false
        now.body.writeImmutableBuffer(bytes)
        arriving = now
        guard now.body.readableBytes <= limits.bodyBytes else { return refuse(.contentTooLarge, context) }
        takeMemory(context)
    }

    /// Takes memory for what has arrived; without any nothing more is read until there is.
    private func takeMemory(_ context: ChannelHandlerContext) {
        guard let missing = arriving.map({ $0.body.readableBytes - $0.taken }), missing > 0 else { return }
        if memory.take(missing) {
            arriving?.taken += missing
        } else {
            memoryTimer = context.eventLoop.assumeIsolated().scheduleTask(in: Self.retry) { [self] in
                memoryTimer = nil
                takeMemory(context)
                while memoryTimer == nil, refusal == nil, let part = waiting.popFirst() { take(part, context) }
                guard memoryTimer == nil, heldRead else { return }
                heldRead = false
                context.read()
            }
        }
    }

    private func finish(_ trailers: HTTPFields?, _ context: ChannelHandlerContext) {
        guard let request = arriving else { return }
        arriving = nil
        timer?.cancel()
        timer = nil
        running.append(request.taken)
        context.fireChannelRead(wrapInboundOut(.head(request.head)))
        if request.body.readableBytes > 0 { context.fireChannelRead(wrapInboundOut(.body(request.body))) }
        context.fireChannelRead(wrapInboundOut(.end(trailers)))
        guard isQuiescing else { return }
        isQuiescing = false
        context.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
    }

    // MARK: Refusing

    /// Ends the connection with this status, after the answers of the requests before it.
    private func refuse(_ status: HTTPResponse.Status, _ context: ChannelHandlerContext) {
        drop()
        refusal = status
        if running.isEmpty { send(status, context) }
    }

    private func send(_ status: HTTPResponse.Status, _ context: ChannelHandlerContext) {
        var fields: HTTPFields = [.contentLength: "0"]
        // HTTP/2 has no such field.
        if !isHTTP2 { fields[.connection] = "close" }
        context.write(wrapOutboundOut(.head(HTTPResponse(status: status, headerFields: fields))), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        if isHTTP2 {
            // The connection takes no more requests then, and ends when those that run are answered. That wakes a client
            // that waits for more after the whole answer, as curl 7.88 does. At once it would cost the answer.
            let connection = context.channel.parent?.pipeline
            context.eventLoop.scheduleTask(in: Self.linger) {
                connection?.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
            }
        } else {
            context.close(mode: .output, promise: nil)
        }
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: Self.linger) { [isHTTP2] in
            // At once it would be early: curl 7.88 takes a reset while it sends for the loss of the answer.
            if isHTTP2 { context.triggerUserOutboundEvent(StreamReset.Event(), promise: nil) }
            context.close(promise: nil)
        }
        // Nobody else reads any more, and what the client is still sending is dropped here.
        context.read()
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.fireChannelReadComplete()
        if refusal != nil { context.read() }
    }

    private func closeLater(_ time: Duration, _ context: ChannelHandlerContext) {
        timer?.cancel()
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(time)) { [self] in
            timer = nil
            // A body that still waits for memory was sent in time.
            if memoryTimer != nil { refuse(.serviceUnavailable, context) } else { context.close(promise: nil) }
        }
    }

    private func drop() {
        memory.giveBack(arriving?.taken ?? 0)
        arriving = nil
        memoryTimer?.cancel()
        memoryTimer = nil
        waiting = []
    }

    private func end() {
        timer?.cancel()
        timer = nil
        stallTimer?.cancel()
        stallTimer = nil
        drop()
        for bytes in running { memory.giveBack(bytes) }
        running = []
    }
}
#endif
