#if Server
public import StreamModel

extension KinesisServer {
    /// How a server listens, whom it believes, and what it refuses. The defaults suit tests on one machine: loopback, any
    /// key, and no signature that is checked.
    public struct Configuration: Sendable {
        /// The address that is listened on, an IP address or a name that stands for one. Default: `127.0.0.1`.
        ///
        /// Any other than a loopback address is refused unless ``credentials`` or ``allowsUnauthenticated`` is set, as
        /// everybody who reaches the port could read and delete every stream.
        public var host = "127.0.0.1"
        /// The port for HTTP/1.1 and HTTP/2 in clear text; 0: any free one; nil: none. Default: 4567.
        public var port: Int? = 4567
        /// The port for both over TLS, with its certificate. Default: nil.
        public var tls: TLS?
        /// The region of requests that name none, and of streams that are made in Swift or with `shardline`. Default:
        /// `us-east-1`.
        public var region = "us-east-1"
        /// The account of requests whose key names none, and of streams that are made in Swift or with `shardline`; 12
        /// digits. Default: `000000000000`.
        public var account = "000000000000"
        /// The keys whose signatures are checked. Default: nil, for any key and no check.
        public var credentials: Credentials?
        /// Whether requests without a signature are answered. Default: false. Not together with ``credentials``.
        public var acceptsUnsigned = false
        /// Whether addresses other than loopback may be listened on without ``credentials``. Default: false.
        public var allowsUnauthenticated = false
        /// How long running requests may take when the server shuts down; then their connections are closed. Default:
        /// 30 s; at least 0.
        public var shutdownGrace = Duration.seconds(30)
        /// What the operations enforce.
        public var operations = Operations()
        /// What connections and requests may take.
        public var limits = Limits()

        /// The defaults.
        public init() {}
    }

    /// A port for TLS.
    public struct TLS: Sendable {
        /// The port; 0: any free one.
        public var port: Int
        /// The file with the certificate and those that it is issued by, in PEM.
        public var certificateFile: String
        /// The file with the private key, in PEM.
        public var keyFile: String

        /// A port with a certificate.
        public init(port: Int, certificateFile: String, keyFile: String) {
            self.port = port
            self.certificateFile = certificateFile
            self.keyFile = keyFile
        }
    }

    /// What the operations of Kinesis enforce.
    public struct Operations: Sendable {
        /// Whether Amazon's rates are kept, for each shard and each account. Default: false.
        public var enforcesLimits = false
        /// How long a stream shows a state such as `CREATING` after the change was made. Default: 0; at most 1 hour.
        public var transitionDelay = Duration.zero
        /// The most open shards of an account in a region. Default: 10,000; at least 1.
        public var shardLimit = 10_000
        /// The shortest retention that is accepted, in hours. Default: 24, as Amazon's; 1 to 24.
        public var minimumRetentionHours = 24
        /// Whether a second subscription of a consumer to a shard is refused within 5 seconds of the first. Default: true.
        public var guardsSubscriptions = true

        /// The defaults.
        public init() {}
    }

    /// What connections and requests may take, each with what happens beyond it.
    public struct Limits: Sendable {
        /// The most connections of one port. Further ones wait to be accepted. Default: 12,000, and fewer where the process
        /// may open fewer files; at least 1.
        public var connections = 12_000
        /// The most bytes of a request's head. Beyond it: status 400, or the end of the connection over HTTP/2. Default:
        /// 32 KiB; 1 KiB to 1 MiB.
        public var headerBytes = 32 << 10
        /// The most bytes of a request's body. Beyond it: status 413. Default: 20 MiB; 1 KiB to 1 GiB.
        public var bodyBytes = 20 << 20
        /// How long a request may take from its head to the last byte of its body, and how long a client may read nothing
        /// of an answer. Beyond it the connection is closed. Default: 30 s; 1 ms to 1 hour.
        public var requestTime = Duration.seconds(30)
        /// How long a connection may be without a request. Beyond it the connection is closed. Default: 5 minutes; 1 ms to 1
        /// day.
        public var idleTime = Duration.seconds(300)
        /// The bytes of all bodies together: those that arrive, and those of requests that run, which count twice, for
        /// what came and for the copy that the operation reads. Beyond it bodies wait, for at most ``requestTime``; then
        /// status 503. Bodies that were taken are still copied, so at most twice as many bytes are in memory. Default: 256
        /// MiB; at least ``bodyBytes``.
        public var allBodiesBytes = 256 << 20

        /// The defaults.
        public init() {}
    }
}

extension KinesisServer.Configuration {
    /// Whether the address stands for this machine alone.
    static func isLoopback(_ host: String) -> Bool {
        if host == "localhost" || host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Throws `invalidArgument` with what is allowed.
    public func validate() throws(ShardlineError) {
        func refuse(_ isWrong: Bool, _ message: String) throws(ShardlineError) {
            if isWrong { throw ShardlineError(.invalidArgument, message) }
        }
        func port(_ port: Int?, _ name: String) throws(ShardlineError) {
            guard let port else { return }
            try refuse(!(0...65535).contains(port), "the \(name) is \(port) (allowed: 0 to 65535; 0: any free one)")
        }
        func range(_ value: Int, _ allowed: ClosedRange<Int>, _ name: String) throws(ShardlineError) {
            try refuse(
                !allowed.contains(value),
                "\(name) is \(value) (allowed: \(allowed.lowerBound) to \(allowed.upperBound))")
        }
        func time(_ value: Duration, _ allowed: ClosedRange<Duration>, _ name: String) throws(ShardlineError) {
            try refuse(
                !allowed.contains(value),
                "\(name) is \(value.optionText) (allowed: \(allowed.lowerBound.optionText) to \(allowed.upperBound.optionText))"
            )
        }
        try refuse(host.isEmpty, "the host is empty (allowed: an address of this machine, such as 127.0.0.1)")
        try port(self.port, "port")
        try port(tls?.port, "TLS port")
        try refuse(
            self.port == nil && tls == nil, "there is no port to listen on (allowed: a port, a TLS port, or both)")
        try refuse(
            !Self.isAccount(account), "the account is '\(account)' (allowed: 12 digits)")
        try refuse(
            !Self.isRegion(region), "the region is '\(region)' (allowed: 1 to 32 of a-z 0-9 -, such as us-east-1)")
        try refuse(
            credentials != nil && acceptsUnsigned,
            "unsigned requests are accepted and keys are given (allowed: one of the two)")
        try refuse(
            !Self.isLoopback(host) && credentials == nil && !allowsUnauthenticated,
            "without keys everybody who reaches '\(host)' could read and delete every stream (allowed: a loopback address, such as 127.0.0.1; or keys; or unauthenticated requests, where that is meant)"
        )
        try time(shutdownGrace, .zero ... .seconds(86_400), "the grace at shutdown")
        try time(operations.transitionDelay, .zero ... .seconds(3600), "the transition delay")
        try range(operations.minimumRetentionHours, 1...24, "the shortest retention in hours")
        try range(operations.shardLimit, 1...1_000_000, "the limit of shards")
        try range(limits.connections, 1...1_000_000, "the limit of connections")
        try range(limits.headerBytes, 1 << 10...1 << 20, "the limit of header bytes")
        try range(limits.bodyBytes, 1 << 10...1 << 30, "the limit of body bytes")
        try time(limits.requestTime, .milliseconds(1) ... .seconds(3600), "the time for a request")
        try time(limits.idleTime, .milliseconds(1) ... .seconds(86_400), "the idle time")
        try range(limits.allBodiesBytes, limits.bodyBytes...1 << 40, "the limit of all bodies' bytes")
    }

    /// Whether it is 12 digits.
    static func isAccount(_ account: String) -> Bool {
        account.utf8.count == 12 && account.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    /// Whether it can be a region.
    static func isRegion(_ region: String) -> Bool {
        (1...32).contains(region.utf8.count)
            && region.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
            }
    }
}
#endif
