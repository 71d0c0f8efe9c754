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
            let streams = try channel.pipeline.syncOperations.configureAsyncHTTP2Pipeline(
                mode: .server,
                connectionManagerConfiguration: .init(
                    maxIdleTime: TimeAmount(limits.idleTime), maxAge: nil, maxGraceTime: grace,
                    keepalive: .init(pingInterval: .minutes(2), ackTimeout: .seconds(20))),
                http2HandlerConfiguration: NIOHTTP2Handler.Configuration(connection: connection, stream: stream)
            ) { stream in
                stream.eventLoop.makeCompletedFuture {
                    try stream.pipeline.syncOperations.addHandlers([
                        HTTP2FramePayloadToHTTPServerCodec(), gate(),
                        HTTPConnectionStateHandler(logger: logger),
                    ])
                    return try Stream(
                        wrappingChannelSynchronously: stream, configuration: .init(isOutboundHalfClosureEnabled: true))
                }
            }
            // The connection manager leaves a connection open on which the protocol was broken.
            try channel.pipeline.syncOperations.addHandler(ErrorCloser())
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

/// Closes a connection whose client has left, or on which something went wrong that no handler before it has dealt with.
final class ErrorCloser: ChannelInboundHandler {
    typealias InboundIn = Any

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        // A client of HTTP/2 that sends no more can't even acknowledge what it gets.
        if case ChannelEvent.inputClosed = event { return context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
#endif
