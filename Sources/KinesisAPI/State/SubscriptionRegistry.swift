import DiskAccess
import StreamModel
import Synchronization

/// Which subscriptions there are: one for each consumer and shard (API-SubscribeToShard-2).
///
/// All calls may be made on any thread.
final class SubscriptionRegistry: Sendable {
    /// Why a subscription ends before its time.
    enum End: Sendable {
        /// A newer subscription has taken over, or the consumer or stream is gone: an exception is the last message.
        case exception(ServiceError)
        /// The server ends: the stream ends normally, and clients connect again.
        case shutdown
    }

    /// What a subscription is of.
    struct Key: Hashable, Sendable {
        var consumer: ConsumerARN
        var shard: ShardID
    }

    /// A subscription that has begun.
    final class Subscription: Sendable {
        let key: Key
        /// The stream's name in the store.
        let stream: String
        let begunAt: MonotonicTime
        /// Sent once, when it is to end.
        let end = OneTimeSignal<End>()

        init(key: Key, stream: String, begunAt: MonotonicTime) {
            self.key = key
            self.stream = stream
            self.begunAt = begunAt
        }
    }

    private struct State {
        var subscriptions: [Key: Subscription] = [:]
        var isShutDown = false
    }

    private let state = Mutex(State())
    private let guardTime: Duration
    private let time: any TimeSource

    init(guardTime: Duration, time: any TimeSource) {
        self.guardTime = guardTime
        self.time = time
    }

    /// Begins a subscription and ends the one before it.
    ///
    /// Throws `ResourceInUseException` within five seconds of the last one's beginning, also where that one has ended.
    func begin(_ key: Key, stream: String) throws(ServiceError) -> Subscription {
        let now = time.monotonicTime
        let inUse = Self.isActive(key)
        let result: Result<(Subscription, before: Subscription?), ServiceError> = state.withLock { state in
            guard !state.isShutDown else { return .failure(.internalFailure) }
            let before = state.subscriptions[key]
            if let before, now - before.begunAt < guardTime { return .failure(inUse) }
            let subscription = Subscription(key: key, stream: stream, begunAt: now)
            state.subscriptions[key] = subscription
            return .success((subscription, before))
        }
        let (subscription, before) = try result.get()
        before?.end.send(.exception(inUse))
        return subscription
    }

    private static func isActive(_ key: Key) -> ServiceError {
        let stream = key.consumer.stream
        return .resourceInUse(
            "Another active subscription exists for this consumer: \(stream.account):\(stream.name):\(key.shard):\(key.consumer.name)"
        )
    }

    /// Forgets a subscription that has ended, once it no longer guards against the next one.
    func ended(_ subscription: Subscription) {
        let now = time.monotonicTime
        state.withLock { state in
            // One that ended early goes on guarding; it is forgotten with a later one.
            state.subscriptions = state.subscriptions.filter { entry in
                entry.value !== subscription && entry.value.end.value == nil || now - entry.value.begunAt < guardTime
            }
        }
    }

    /// Ends the subscriptions that are meant, with an exception as their last message.
    func end(with error: ServiceError, where isMeant: (Subscription) -> Bool) {
        let meant = state.withLock { state in
            let meant = state.subscriptions.values.filter(isMeant)
            for subscription in meant { state.subscriptions[subscription.key] = nil }
            return meant
        }
        for subscription in meant { subscription.end.send(.exception(error)) }
    }

    /// Ends all subscriptions normally, and refuses new ones.
    func shutDown() {
        let all = state.withLock { state in
            state.isShutDown = true
            return Array(state.subscriptions.values)
        }
        for subscription in all { subscription.end.send(.shutdown) }
    }
}
