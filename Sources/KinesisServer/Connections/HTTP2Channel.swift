#if Server
import HTTPTypes
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP2
import NIOHTTPTypes
import NIOHTTPTypesHTTP2

/// One connection of HTTP/2, each of whose streams is handled as a connection of HTTP/1.1 with one request.
///
/// Not Hummingbird's, which keeps NIO's windows of 64 KiB and headers of 16 KiB, and sends no pings.
struct HTTP2Channel: HTTPChannelHandler {
    typealias Stream = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    struct Value: ServerChildChannelValue {
        let streams: NIOHTTP2Handler.AsyncStreamMultiplexer<Stream>
        let channel: any Channel
    }

    let responder: Responder
    let limits: KinesisServer.Limits
    /// How long running streams may take when the server shuts down.
    let grace: TimeAmount
    /// What stands before the requests of a stream.
    let gate: @Sendable () -> RequestGate

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            var connection = NIOHTTP2Handler.ConnectionConfiguration()
            connection.initialSettings = [
                HTTP2Setting(parameter: .maxConcurrentStreams, value: 256),
                HTTP2Setting(parameter: .maxHeaderListSize, value: limits.headerBytes),
                HTTP2Setting(parameter: .initialWindowSize, value: 1 << 20),
            ]
            connection.targetWindowSize = 4 << 20
            var stream = NIOHTTP2Handler.StreamConfiguration()
            stream.targetWindowSize = 1 << 20
            stream.outboundBufferSizeHighWatermark = 256 << 10
            stream.outboundBufferSizeLowWatermark = 64 << 10
            // The manager waits without limit for a client that does not answer its last ping.
            let closer = HTTP2ConnectionCloser(idleTime: TimeAmount(limits.idleTime) + min(grace, .seconds(20)))
            let counting = NIOLoopBound(closer, eventLoop: channel.eventLoop)
            let streams = try channel.pipeline.syncOperations.configureAsyncHTTP2Pipeline(
                mode: .server,
                connectionManagerConfiguration: .init(
                    maxIdleTime: TimeAmount(limits.idleTime), maxAge: nil, maxGraceTime: grace,
                    keepalive: .init(pingInterval: .minutes(2), ackTimeout: .seconds(20))),
                http2HandlerConfiguration: NIOHTTP2Handler.Configuration(connection: connection, stream: stream)
            ) { stream in
                counting.value.opened(stream)
                return stream.eventLoop.makeCompletedFuture {
                    try stream.pipeline.syncOperations.addHandlers([
                        StreamReset(), HTTP2FramePayloadToHTTPServerCodec(), gate(),
                        HTTPConnectionStateHandler(logger: logger),
                    ])
                    return try Stream(
                        wrappingChannelSynchronously: stream, configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
            try channel.pipeline.syncOperations.addHandler(closer)
            // It starts its clocks for idle connections and pings when a connection becomes active; this one is already.
            try channel.pipeline.syncOperations.context(handlerType: NIOHTTP2Handler.self).fireChannelActive()
            return Value(streams: streams, channel: channel)
        }
    }

    func handle(value: Value, logger: Logger) async {
        do {
            try await withThrowingDiscardingTaskGroup { group in
                for try await stream in value.streams.inbound {
                    group.addTask { await handleHTTP(asyncChannel: stream, logger: logger) }
                }
            }
        } catch {
            logger.debug("a connection has ended: \(error)")
        }
    }
}

/// Closes a connection whose client has left, that has had no stream for too long, or on which something went wrong that no
/// handler before it has dealt with: the connection manager leaves one open on which the protocol was broken. Runs on the
/// connection's event loop.
final class HTTP2ConnectionCloser: ChannelInboundHandler {
    typealias InboundIn = Any

    private let idleTime: TimeAmount
    private var streams = 0
    private var timer: Scheduled<Void>?
    private var context: ChannelHandlerContext?

    init(idleTime: TimeAmount) { self.idleTime = idleTime }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
        closeLater()
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        self.context = nil
    }

    /// A stream of this connection was opened.
    func opened(_ stream: any Channel) {
        streams += 1
        timer?.cancel()
        stream.closeFuture.assumeIsolated().whenComplete { [self] _ in
            streams -= 1
            if streams == 0 { closeLater() }
        }
    }

    private func closeLater() {
        timer?.cancel()
        guard let context else { return }
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: idleTime) { context.close(promise: nil) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A client of HTTP/2 that sends no more can't even acknowledge what it gets.
        if case ChannelEvent.inputClosed = event { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}

/// Resets a stream whose client goes on sending a request that has been answered: without an error, as the answer holds.
/// Stands before the stream's codec.
final class StreamReset: ChannelOutboundHandler {
    typealias OutboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    /// What asks for it.
    struct Event {}

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is Event else { return context.triggerUserOutboundEvent(event, promise: promise) }
        context.writeAndFlush(wrapOutboundOut(.rstStream(.noError)), promise: promise)
    }
}
#endif
