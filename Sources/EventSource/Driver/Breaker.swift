import StreamModel
import Synchronization

/// Counts the records of a mapping that ended in the last minute, and notices when too many of them could not be processed
/// (ESM-N4). The shards' drivers call it from their tasks; its only lock is held for moments.
final class Breaker: Sendable {
    /// The time that the share is about.
    static let period = Duration.seconds(60)
    /// With fewer records in the period nothing is judged.
    static let leastRecords = 20

    /// What made the breaker trip.
    struct Trip: Hashable, Sendable {
        var exhausted: Int
        var ended: Int
        var percent: Int

        /// Why the mapping is disabled.
        var reason: String {
            "\(exhausted) of the last \(ended) records could not be processed, within a minute (breaker: more than \(percent) %)"
        }
    }

    /// What ended within one second.
    private struct Second {
        var number = Int64.min
        var succeeded = 0
        var exhausted = 0
    }

    private struct State {
        var seconds = [Second](repeating: Second(), count: 60)
        var hasTripped = false
    }

    private let state = Mutex(State())

    /// Notes what ended. Tells once when it was too much, and again only after ``reset()``.
    func note(succeeded: Int, exhausted: Int, percent: Int, at now: MonotonicTime) -> Trip? {
        guard succeeded > 0 || exhausted > 0 else { return nil }
        let second = now.sinceOrigin.components.seconds
        return state.withLock { state in
            let place = Int(second % 60 + 60) % 60
            if state.seconds[place].number != second { state.seconds[place] = Second(number: second) }
            state.seconds[place].succeeded += succeeded
            state.seconds[place].exhausted += exhausted
            guard exhausted > 0, !state.hasTripped else { return nil }
            var (failed, ended) = (0, 0)
            for entry in state.seconds where entry.number > second - 60 {
                failed += entry.exhausted
                ended += entry.exhausted + entry.succeeded
            }
            guard ended >= Self.leastRecords, failed * 100 > ended * percent else { return nil }
            state.hasTripped = true
            return Trip(exhausted: failed, ended: ended, percent: percent)
        }
    }

    /// Counts from here on, after an operator has acted.
    func reset() { state.withLock { $0 = State() } }
}
