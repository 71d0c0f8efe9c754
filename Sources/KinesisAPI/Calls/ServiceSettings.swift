/// How a ``KinesisService`` answers. The defaults are those of `shardline serve`.
package struct ServiceSettings: Sendable {
    /// The account of streams with a plain name, and of callers without one of their own: 12 digits (API-N-1).
    package var account = "000000000000"
    /// The region of streams with a plain name, and of callers without one (API-N-1).
    package var region = "us-east-1"
    /// Whether rates are limited as AWS does (API-L-1). Sizes always are.
    package var enforcesLimits = false
    /// For how long a stream or consumer shows the state in between after a change (API-C-1). Default: not at all.
    package var transitionDelay: Duration = .zero
    /// The most open shards of an account in a region (API-L-5).
    package var shardLimit = 10_000
    /// The shortest retention that may be asked for, in hours (API-Retention-7).
    package var minimumRetentionHours = 24
    /// For how long after a subscription began another one to the same shard is refused (API-SubscribeToShard-2).
    package var subscriptionGuard: Duration = .seconds(5)
    /// After how long a subscription ends (API-F-9).
    package var subscriptionLength: Duration = .seconds(300)
    /// After how long without records a subscription gets an empty event (API-F-8).
    package var emptyEventInterval: Duration = .seconds(4)
    /// The code that protects iterators and tokens (API-T-1): of a message under a key, 32 bytes. The transport brings it,
    /// since it has a cryptographic library anyway.
    package var authenticationCode: @Sendable (_ message: [UInt8], _ key: [UInt8]) -> [UInt8]

    package init(authenticationCode: @escaping @Sendable (_ message: [UInt8], _ key: [UInt8]) -> [UInt8]) {
        self.authenticationCode = authenticationCode
    }
}
