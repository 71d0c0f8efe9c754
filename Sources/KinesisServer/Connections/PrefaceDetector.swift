#if Server
import NIOCore

/// Holds back a connection's first bytes until they are, or can no longer be, HTTP/2's preface. Runs on its event loop.
final class PrefaceDetector<Output: Sendable>: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let deadline: TimeAmount
    private let decided: EventLoopPromise<Output>
    private let configure: (_ isHTTP2: Bool) -> EventLoopFuture<Output>
    private var seen = ByteBuffer()
    private var timer: Scheduled<Void>?

    /// - Parameters:
    ///   - deadline: how long the first bytes may take; then the connection is closed.
    ///   - decided: fulfilled with what `configure` makes, or failed when the connection ends before.
    ///   - configure: sets the pipeline up.
    init(
        deadline: TimeAmount, decided: EventLoopPromise<Output>,
        configure: @escaping (_ isHTTP2: Bool) -> EventLoopFuture<Output>
    ) {
        self.deadline = deadline
        self.decided = decided
        self.configure = configure
    }

    func handlerAdded(context: ChannelHandlerContext) {
        timer = context.eventLoop.assumeIsolated().scheduleTask(in: deadline) { context.close(promise: nil) }
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        timer?.cancel()
        // The task of a client that leaves without a byte would wait forever. Without effect when it has been fulfilled.
        decided.fail(ChannelError.eof)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        seen.writeImmutableBuffer(unwrapInboundIn(data))
        let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8
        let common = zip(seen.readableBytesView, preface).prefix { $0 == $1 }.count
        guard common < seen.readableBytes || common == preface.count else { return }
        // Completes at once: the pipeline is set up on this event loop.
        configure(common == preface.count).cascade(to: decided)
        context.fireChannelRead(wrapInboundOut(seen))
        context.fireChannelReadComplete()
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    /// Without this a silent connection would keep the server from shutting down.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        switch event {
        case is ChannelShouldQuiesceEvent, ChannelEvent.inputClosed: context.close(promise: nil)
        default: context.fireUserInboundEventTriggered(event)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
#endif
