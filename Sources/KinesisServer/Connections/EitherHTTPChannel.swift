#if Server
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1

/// A port for HTTP/1.1 and HTTP/2: the first bytes of a connection decide. Inside TLS it sees the decrypted bytes, so the
/// client that has agreed on `h2` begins with the preface as any other does (API-P-4).
struct EitherHTTPChannel: ServerChildChannel {
    enum Version: Sendable {
        case http1(HTTP1Channel.Value)
        case http2(HTTP2Channel.Value)
    }

    struct Value: ServerChildChannelValue {
        let version: EventLoopFuture<Version>
        let channel: any Channel
    }

    let http1: HTTP1Channel
    let http2: HTTP2Channel
    /// How long a connection may take for its first bytes.
    let firstBytesTime: TimeAmount

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let promise = channel.eventLoop.makePromise(of: Version.self)
            try channel.pipeline.syncOperations.addHandler(
                PrefaceDetector(deadline: firstBytesTime, decided: promise) { isHTTP2 in
                    isHTTP2
                        ? http2.setup(channel: channel, logger: logger).map(Version.http2)
                        : setupHTTP1(channel, logger).map(Version.http1)
                })
            return Value(version: promise.futureResult, channel: channel)
        }
    }

    private func setupHTTP1(_ channel: any Channel, _ logger: Logger) -> EventLoopFuture<HTTP1Channel.Value> {
        let value = http1.setup(channel: channel, logger: logger)
        do {
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandler(LastRequestCloser(), position: .after(decoder))
            return value
        } catch {
            return channel.eventLoop.makeFailedFuture(error)
        }
    }

    func handle(value: Value, logger: Logger) async {
        switch try? await value.version.get() {
        case .http1(let connection): await http1.handle(value: connection, logger: logger)
        case .http2(let connection): await http2.handle(value: connection, logger: logger)
        case nil: logger.debug("a connection was closed before its first request")
        }
    }
}
#endif
