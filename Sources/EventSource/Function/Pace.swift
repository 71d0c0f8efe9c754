import StreamModel
import Synchronization

/// Spreads records over time: at most so many in a second. Any thread calls it; its only lock is held for moments.
final class Pace: Sendable {
    private let rate: Int
    private let timeSource: any TimeSource
    /// When the next records may go.
    private let next = Mutex<MonotonicTime?>(nil)

    /// - Parameter rate: records in a second, at least 1.
    init(rate: Int, timeSource: any TimeSource) {
        self.rate = rate
        self.timeSource = timeSource
    }

    /// Waits until these records may go; false where the task was cancelled meanwhile.
    func wait(for count: Int) async -> Bool {
        let now = timeSource.monotonicTime
        let start = next.withLock { next in
            let start = max(next ?? now, now)
            next = start + .seconds(Double(count) / Double(rate))
            return start
        }
        guard start > now else { return !Task.isCancelled }
        do {
            try await timeSource.sleep(until: start)
            return true
        } catch {
            return false
        }
    }
}
