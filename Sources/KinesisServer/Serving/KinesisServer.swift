#if Server
import DiskAccess
import HummingbirdCore
import HummingbirdTLS
import KinesisAPI
public import Logging
import Metrics
import NIOCore
import NIOHTTPTypes
import NIOPosix
import NIOSSL
public import ServiceLifecycle
import StreamModel
public import StreamStorage

/// Serves an open store as Amazon Kinesis, to clients that are unmodified.
///
/// ```swift
/// let store = try await SegmentStore.open(at: "data")
/// let server = KinesisServer(store: store)
/// let group = ServiceGroup(services: [store, server], logger: logger)
/// try await group.run()
/// ```
///
/// It speaks HTTP/1.1 and HTTP/2 on one port, in clear text and over TLS. `GET /health` says that it runs, `GET /ready` that
/// its store accepts records, and `GET /metrics` what was counted, where there is a ``PrometheusMetrics``.
///
/// Each request is logged at `debug`, one that ends with an error at `info`, and one that fails by the server's fault at
/// `warning`, with its id (also in the answer, as `x-amzn-RequestId`), operation, status and milliseconds.
public final class KinesisServer: Service {
    /// Where a server listens.
    public struct Endpoint: Sendable, Equatable {
        /// The address as it was given.
        public let host: String
        /// The port.
        public let port: Int
        /// Whether it is for TLS.
        public let isSecure: Bool

        /// As clients take it: `http://127.0.0.1:4567`.
        public var url: String {
            (isSecure ? "https://" : "http://") + (host.contains(":") ? "[\(host)]" : host) + ":\(port)"
        }
    }

    private let store: any StreamStore
    private let configuration: Configuration
    private let metrics: PrometheusMetrics?
    private let logger: Logger
    private let listening = OneTimeSignal<Result<[Endpoint], any Error>>()

    /// A server for a store; it listens when it is run.
    ///
    /// - Parameters:
    ///   - store: the store, which stays open until after the server has ended.
    ///   - configuration: how it listens, whom it believes, and what it refuses.
    ///   - metrics: what `GET /metrics` shows, and what the server records to. Default: nil, for no such page; then the
    ///     server records to the process's backend.
    ///   - logger: where the server logs.
    public init(
        store: any StreamStore, configuration: Configuration = Configuration(), metrics: PrometheusMetrics? = nil,
        logger: Logger = Logger(label: "shardline.server")
    ) {
        self.store = store
        self.configuration = configuration
        self.metrics = metrics
        self.logger = logger
    }

    /// Where the server listens, as soon as it does. Throws what kept it from listening, and `CancellationError`.
    public func endpoints() async throws -> [Endpoint] { try await listening.wait().get() }

    /// Serves until the service group shuts down gracefully or the task is cancelled. May be called once.
    ///
    /// A graceful shutdown refuses new connections, lets running requests end and ends subscriptions after a whole event;
    /// after ``Configuration/shutdownGrace`` what still runs is cut off. List the server after the store: a group shuts down
    /// in reverse order.
    ///
    /// Throws `invalidArgument` for settings, `notAccessible` where a port can't be listened on or a certificate can't be
    /// read, and `storeFailed` where the store has failed.
    public func run() async throws {
        do {
            try configuration.validate()
            try await serve()
        } catch {
            listening.send(.failure(error))
            throw error
        }
    }

    private func serve() async throws {
        let service = KinesisService(store: store, settings: configuration.serviceSettings, logger: logger)
        let readiness = Readiness(store: store)
        let recorded = ServerMetrics(factory: metrics ?? MetricsSystem.factory)
        let memory = BodyMemory(limit: configuration.limits.allBodiesBytes)
        let handler = RequestHandler(
            service: service, authenticator: Authenticator(configuration, timeSource: store.timeSource),
            operating: OperatingPages(readiness: readiness, metrics: metrics), metrics: recorded, memory: memory,
            bodyLimit: configuration.limits.bodyBytes, timeSource: store.timeSource, logger: logger)
        let listeners = try await Listener.all(of: configuration)
        let channel = self.channel(handler, memory)
        let ports = Ports(count: listeners.count)
        try await withGracefulShutdownHandler {
            try await withThrowingTaskGroup(of: Ended.self) { group in
                for (index, listener) in listeners.enumerated() {
                    let server = try self.server(listener, channel, recorded) { ports.bound(index, $0) }
                    group.addTask {
                        do { try await server.run() } catch { throw Listener.explained(error, listener) }
                        return .listener
                    }
                }
                group.addTask {
                    let bound = try await ports.all()
                    let endpoints = zip(listeners, bound).map {
                        Endpoint(host: $0.host, port: $1, isSecure: $0.tls != nil)
                    }
                    self.listening.send(.success(endpoints))
                    return .other
                }
                group.addTask { [store] in
                    let failure = try await store.waitForFailure()
                    readiness.fail(failure)
                    throw failure
                }
                group.addTask { [store, grace = configuration.shutdownGrace] in
                    try await gracefulShutdown()
                    try await store.timeSource.sleep(
                        until: store.timeSource.monotonicTime + grace)
                    return .grace
                }
                defer { group.cancelAll() }
                var running = listeners.count
                while running > 0, let ended = try await group.next() {
                    if ended == .listener { running -= 1 }
                    if ended == .grace {
                        self.logger.warning("requests still run after the grace at shutdown; they are cut off")
                        return
                    }
                }
            }
        } onGracefulShutdown: {
            readiness.beginShutdown()
            service.beginShutdown()
        }
    }

    /// What has ended of a running server.
    private enum Ended { case listener, grace, other }

    /// What handles a connection, in clear text or inside TLS.
    private func channel(_ handler: RequestHandler, _ memory: BodyMemory) -> EitherHTTPChannel {
        let limits = configuration.limits
        let http1 = HTTP1Channel(
            responder: { try await handler.respond(to: $0, with: $1, on: $2, isHTTP2: false) },
            configuration: .init(
                additionalChannelHandlers: [RequestGate(limits: limits, memory: memory, isHTTP2: false)],
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: limits.headerBytes, maxHeaderListSize: limits.headerBytes)))
        let http2 = HTTP2Channel(
            responder: { try await handler.respond(to: $0, with: $1, on: $2, isHTTP2: true) },
            limits: limits, grace: TimeAmount(configuration.shutdownGrace)
        ) { RequestGate(limits: limits, memory: memory, isHTTP2: true) }
        return EitherHTTPChannel(http1: http1, http2: http2, firstBytesTime: TimeAmount(limits.idleTime))
    }

    private func server(
        _ listener: Listener, _ channel: EitherHTTPChannel, _ metrics: ServerMetrics,
        bound: @escaping @Sendable (Int) -> Void
    ) throws -> any Service {
        // Some files are the store's.
        let limit = max(1, min(configuration.limits.connections, ProcessUsage.openFileLimit - 256))
        let settings = ServerConfiguration(
            address: .hostname(configuration.host, port: listener.port), backlog: 1024,
            availableConnectionsDelegate: ConnectionCount(limit: limit, metrics: metrics))
        let running: @Sendable (any Channel) async -> Void = { bound($0.localAddress?.port ?? listener.port) }
        var quiet = logger
        // It says on `info` what `endpoints()` answers.
        quiet.logLevel = max(logger.logLevel, .notice)
        let group = MultiThreadedEventLoopGroup.singleton
        guard let tls = listener.tls else {
            return channel.server(
                configuration: settings, onServerRunning: running, eventLoopGroup: group, logger: quiet)
        }
        return try TLSChannel(channel, tlsConfiguration: tls).server(
            configuration: settings, onServerRunning: running, eventLoopGroup: group, logger: quiet)
    }
}

/// The ports that were got, when all are.
private final class Ports: Sendable {
    private let signals: [OneTimeSignal<Int>]

    init(count: Int) { signals = (0..<count).map { _ in OneTimeSignal() } }

    func bound(_ index: Int, _ port: Int) { signals[index].send(port) }

    func all() async throws -> [Int] {
        var ports: [Int] = []
        for signal in signals { ports.append(try await signal.wait()) }
        return ports
    }
}

extension KinesisServer.Configuration {
    /// What the operations are set to.
    var serviceSettings: ServiceSettings {
        var settings = ServiceSettings { Signature.code(of: $0, key: $1) }
        settings.account = account
        settings.region = region
        settings.enforcesLimits = operations.enforcesLimits
        settings.transitionDelay = operations.transitionDelay
        settings.shardLimit = operations.shardLimit
        settings.minimumRetentionHours = operations.minimumRetentionHours
        if !operations.guardsSubscriptions { settings.subscriptionGuard = .zero }
        return settings
    }
}
#endif
