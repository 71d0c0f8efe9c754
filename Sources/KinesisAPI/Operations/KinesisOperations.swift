import Logging
import StreamModel
import StreamStorage
import Synchronization

/// What the operations work on: the store, and what a server keeps in memory beside it. Each operation is a method in one
/// of this folder's files.
///
/// All calls may be made on any thread.
final class KinesisOperations: Sendable {
    let store: any StreamStore
    let settings: ServiceSettings
    let logger: Logger
    let scope: StreamScope
    let transitions: TransitionRegistry
    let subscriptions: SubscriptionRegistry
    let rates: RateLimits
    /// The key of iterators and tokens, once it was read from the store or made.
    private let tokenKey = Mutex<[UInt8]?>(nil)

    init(store: any StreamStore, settings: ServiceSettings, logger: Logger) {
        self.store = store
        self.settings = settings
        self.logger = logger
        scope = StreamScope(account: settings.account, region: settings.region)
        transitions = TransitionRegistry(length: settings.transitionDelay, time: store.timeSource)
        subscriptions = SubscriptionRegistry(guardTime: settings.subscriptionGuard, time: store.timeSource)
        rates = RateLimits(isEnforced: settings.enforcesLimits, time: store.timeSource)
    }

    var engine: any StoreEngine { store.engine }
    var now: Timestamp { store.timeSource.wallTime }

    // MARK: The key of tokens

    /// The seal of iterators and tokens, with a key that is made once in the life of a store.
    func seal() async throws -> SealedText {
        if let key = tokenKey.withLock({ $0 }) {
            return SealedText(key: key, authenticationCode: settings.authenticationCode)
        }
        let owner = AttributeOwner.account("")
        let name = "token-key"
        var stored = try await engine.attributes(AttributeQuery(owner, prefix: name)).attributes.first
        if stored == nil {
            var random = SystemRandomNumberGenerator()
            let key = (0..<32).map { _ in UInt8.random(in: 0...255, using: &random) }
            do {
                try await engine.changeAttributes([AttributeChange(owner, name, .set(key), expected: .absent)])
            } catch let error as ShardlineError where error.code == .attributeChanged {
                // Another request made it meanwhile.
            }
            stored = try await engine.attributes(AttributeQuery(owner, prefix: name)).attributes.first
        }
        guard let key = stored?.value else { throw ShardlineError(.storeFailed, "the key of tokens is not there") }
        tokenKey.withLock { $0 = key }
        return SealedText(key: key, authenticationCode: settings.authenticationCode)
    }
}
