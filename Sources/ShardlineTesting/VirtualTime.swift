import DiskAccess
public import StreamModel
import Synchronization

/// Clocks that move only when a test moves them.
///
/// Sleepers wake in the order of their deadlines; sleepers with the same deadline in the order in which they started to
/// sleep. Before a test moves the clock for a task that is about to sleep, it waits for that task with
/// ``sleepers(_:)``, which makes it deterministic without yields:
///
/// ```swift
/// let time = VirtualTime()
/// async let woken: Void = time.sleep(until: time.monotonicTime + .seconds(5))
/// await time.sleepers(1)
/// time.advance(by: .seconds(5))
/// try await woken
/// ```
public final class VirtualTime: TimeSource {
    private typealias Answer = Result<Void, any Error>

    private struct State {
        var monotonic = MonotonicTime(sinceOrigin: .zero)
        var wall: Timestamp
        var wallRest = Duration.zero
        /// With their deadlines; ordered by these, then by the start of the sleep.
        var sleepers = WaitList<MonotonicTime, Answer>()
        /// With the number of sleepers that they wait for.
        var watchers = WaitList<Int, Void>()

        mutating func move(to target: MonotonicTime) {
            let step = target - monotonic + wallRest
            monotonic = target
            wall = wall + step
            wallRest = step - .milliseconds(step.wholeMilliseconds)
        }

        mutating func answerWatchers() -> Resumptions<Void> {
            let count = sleepers.count
            return watchers.answerAll(where: { $0 <= count }, with: ())
        }
    }

    private let state: Mutex<State>

    /// Clocks whose wall time is `wallTime`, by default 2013-01-01T00:00:00Z.
    public init(wallTime: Timestamp = Timestamp(milliseconds: 1_356_998_400_000)) {
        state = Mutex(State(wall: wallTime))
    }

    /// The wall time to which the test has moved the clocks.
    public var wallTime: Timestamp { state.withLock { $0.wall } }
    /// The monotonic time to which the test has moved the clocks.
    public var monotonicTime: MonotonicTime { state.withLock { $0.monotonic } }

    /// Moves both clocks by `duration`, which must not be negative. Wakes each sleeper when the clocks are at its
    /// deadline.
    ///
    /// A woken task runs when its executor schedules it. If it sleeps again, the clocks may already be at the end of
    /// `duration`.
    public func advance(by duration: Duration) {
        precondition(duration >= .zero, "the monotonic clock never goes back")
        let target = state.withLock { $0.monotonic + duration }
        while true {
            let woken = state.withLock { state -> Resumptions<Answer>? in
                guard let deadline = state.sleepers.first, deadline <= target else {
                    if target > state.monotonic { state.move(to: target) }
                    return nil
                }
                if deadline > state.monotonic { state.move(to: deadline) }
                return state.sleepers.answerFirst(with: .success(()))
            }
            guard let woken else { return }
            woken.resume()
        }
    }

    /// Moves both clocks to the next sleeper's deadline and wakes it. Returns false if no task sleeps.
    @discardableResult
    public func advanceToNextSleeper() -> Bool {
        let next = state.withLock { state in state.sleepers.first.map { $0 - state.monotonic } }
        guard let next else { return false }
        advance(by: max(next, .zero))
        return true
    }

    /// Sets the wall clock, forwards or back, as can happen on a machine. The monotonic clock doesn't change.
    public func setWallTime(_ wallTime: Timestamp) {
        state.withLock { $0.wall = wallTime }
    }

    /// Returns when at least `count` tasks sleep or the calling task is cancelled.
    public func sleepers(_ count: Int) async {
        await withListedWaiter(cancelled: ()) { waiter in
            state.withLock { $0.sleepers.count < count ? $0.watchers.add(waiter, for: count) : .answered(()) }
        } remove: { id in
            state.withLock { $0.watchers.remove(id) }
        }
    }

    /// The deadline of the first sleeper; nil if no task sleeps.
    package var nextDeadline: MonotonicTime? { state.withLock { $0.sleepers.first } }

    /// The number of tasks that sleep now.
    public var sleeperCount: Int { state.withLock { $0.sleepers.count } }

    /// Returns when a test has moved the clock to `deadline`; throws `CancellationError` when the task is cancelled.
    public func sleep(until deadline: MonotonicTime) async throws {
        try Task.checkCancellation()
        try await withListedWaiter(cancelled: .failure(CancellationError())) { waiter in
            let (registration, watchers) = state.withLock { state -> (Registration<Answer>, Resumptions<Void>) in
                guard deadline > state.monotonic else { return (.answered(.success(())), Resumptions()) }
                return (state.sleepers.add(waiter, for: deadline) { $0 > deadline }, state.answerWatchers())
            }
            watchers.resume()
            return registration
        } remove: { id in
            state.withLock { $0.sleepers.remove(id) }
        }.get()
    }
}
