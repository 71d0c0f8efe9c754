#if Server
import NIOCore
import NIOHTTP1

/// Closes a connection of HTTP/1 after the answer to its last request: one with `Connection: close`, or any of HTTP/1.0,
/// whose client may take the end of the connection for the end of the answer.
///
/// It stands before the codec that forgets the version. Runs on the connection's event loop.
final class LastRequestCloser: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    /// How much of the last request is there.
    private enum Last { case none, begun, whole }

    private var last = Last.none
    /// Whether the last request is of HTTP/1.0 or older.
    private var isOld = false
    /// The requests whose answers have not ended.
    private var running = 0

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        // What comes after the last request is none.
        guard last != .whole else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            running += 1
            isOld = (head.version.major, head.version.minor) < (1, 1)
            if isOld || !head.isKeepAlive { last = .begun }
        case .end where last == .begun: last = .whole
        case .body, .end: break
        }
        context.fireChannelRead(data)
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard last != .none, running == 1 else {
            if case .end = unwrapOutboundIn(data) { running -= 1 }
            return context.write(data, promise: promise)
        }
        switch unwrapOutboundIn(data) {
        case .head(var head) where head.status.code >= 200:
            head.headers.replaceOrAdd(name: "Connection", value: "close")
            // HTTP/1.0 has no chunks.
            if isOld { head.version = .http1_0 }
            context.write(wrapOutboundOut(.head(head)), promise: promise)
        case .end where last == .whole:
            running = 0
            let sent = promise ?? context.eventLoop.makePromise()
            context.write(data, promise: sent)
            sent.futureResult.assumeIsolated().whenComplete { _ in context.close(promise: nil) }
        case .end:
            // The request is refused before it is whole: what refuses it closes the connection.
            running = 0
            context.write(data, promise: promise)
        case .head, .body: context.write(data, promise: promise)
        }
    }
}
#endif
