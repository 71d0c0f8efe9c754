#if Server
import Synchronization

/// The bytes of all request bodies in memory, those that arrive and those of requests that run, and their limit. Any thread
/// may call it.
final class BodyMemory: Sendable {
    private let limit: Int
    private let used = Atomic(0)

    init(limit: Int) { self.limit = limit }

    /// The bytes that are taken now.
    var bytes: Int { used.load(ordering: .relaxed) }

    /// Takes `count` bytes where they are within the limit.
    func take(_ count: Int) -> Bool {
        guard used.wrappingAdd(count, ordering: .relaxed).newValue > limit else { return true }
        giveBack(count)
        return false
    }

    /// Takes `count` bytes that are there already, whatever the limit.
    func takeAnyway(_ count: Int) { used.wrappingAdd(count, ordering: .relaxed) }

    func giveBack(_ count: Int) { used.wrappingSubtract(count, ordering: .relaxed) }
}
#endif
