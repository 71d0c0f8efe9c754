import ArgumentParser

/// The options of `serve`, as they are written. What they mean, and what is allowed, is found out with the environment
/// and the file together (`ServeSettings`).
struct ServeOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The port, 0 to 65535; 0: any free one; none: only TLS. Default: 4567.", valueName: "n"))
    var port: String?

    @Option(help: ArgumentHelp("The address that is listened on. Default: 127.0.0.1.", valueName: "address"))
    var host: String?

    @Option(help: ArgumentHelp("A port for TLS too; 0: any free one.", valueName: "n"))
    var tlsPort: String?

    @Option(help: ArgumentHelp("The certificate for TLS, a file in PEM.", valueName: "file"), completion: .file())
    var tlsCertificate: String?

    @Option(help: ArgumentHelp("Its private key, a file in PEM.", valueName: "file"), completion: .file())
    var tlsKey: String?

    @Option(help: ArgumentHelp("The region of requests that name none. Default: us-east-1.", valueName: "name"))
    var region: String?

    @Option(
        help: ArgumentHelp(
            "The account of requests whose key names none, 12 digits. Default: 000000000000.", valueName: "digits"))
    var account: String?

    @Option(
        help: ArgumentHelp(
            "The keys that are known, a file in JSON; then every signature is checked.", valueName: "file"),
        completion: .file())
    var credentials: String?

    @Flag(help: "Answer requests without a signature too.")
    var acceptUnsigned = false

    @Flag(
        help: "Listen on any address without --credentials: everybody who reaches it can read and delete every stream.")
    var allowUnauthenticated = false

    @Flag(help: "Keep Amazon's rates for each shard and account.")
    var enforceLimits = false

    @Option(
        help: ArgumentHelp(
            "How long a stream shows a state such as CREATING, 0s to 1h. Default: 0s.", valueName: "time"))
    var transitionDelay: String?

    @Option(
        help: ArgumentHelp("The most open shards of an account in a region. Default: 10000.", valueName: "n"))
    var shardLimit: String?

    @Option(
        help: ArgumentHelp("The shortest retention that is accepted, 1 to 24 hours. Default: 24.", valueName: "hours"))
    var minRetention: String?

    @Flag(help: "Let a consumer subscribe to a shard again within 5 seconds.")
    var noSubscribeGuard = false

    @Option(
        help: ArgumentHelp(
            "The most connections of a port. Default: 12000, fewer where ulimit -n is smaller.", valueName: "n"))
    var maxConnections: String?

    @Option(
        help: ArgumentHelp("The most bytes of a request's head, 1KiB to 1MiB. Default: 32KiB.", valueName: "size"))
    var maxHeader: String?

    @Option(help: ArgumentHelp("The most bytes of a request's body, 1KiB to 1GiB. Default: 20MiB.", valueName: "size"))
    var maxBody: String?

    @Option(
        help: ArgumentHelp(
            "The most bytes of all bodies together; at most twice as many are in memory. Default: 256MiB.",
            valueName: "size"))
    var maxBodies: String?

    @Option(
        help: ArgumentHelp(
            "How long a request may take to arrive, 1ms to 1h. Default: 30s.", valueName: "time"))
    var requestTime: String?

    @Option(
        help: ArgumentHelp(
            "How long a connection may be without a request, 1ms to 24h. Default: 5m.", valueName: "time"))
    var idleTime: String?

    @Option(
        help: ArgumentHelp(
            "How long running requests may take when the server ends, 0s to 24h. Default: 30s.", valueName: "time"))
    var shutdownGrace: String?

    @Option(
        help: ArgumentHelp("More settings, a JSON object; options and environment win.", valueName: "file"),
        completion: .file())
    var config: String?

    /// What was given, by the setting's name.
    var given: [(name: String, value: String)] {
        let texts: [(String, String?)] = [
            ("port", port), ("host", host), ("tls-port", tlsPort), ("tls-certificate", tlsCertificate),
            ("tls-key", tlsKey), ("region", region), ("account", account), ("credentials", credentials),
            ("transition-delay", transitionDelay), ("shard-limit", shardLimit), ("min-retention", minRetention),
            ("max-connections", maxConnections), ("max-header", maxHeader), ("max-body", maxBody),
            ("max-bodies", maxBodies), ("request-time", requestTime), ("idle-time", idleTime),
            ("shutdown-grace", shutdownGrace),
        ]
        let flags = [
            ("accept-unsigned", acceptUnsigned), ("allow-unauthenticated", allowUnauthenticated),
            ("enforce-limits", enforceLimits), ("no-subscribe-guard", noSubscribeGuard),
        ]
        return texts.compactMap { name, value in value.map { (name, $0) } }
            + flags.compactMap { $1 ? ($0, "true") : nil }
    }
}
