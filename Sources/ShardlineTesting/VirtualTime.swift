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
    private struct Sleeper {
        let id: UInt64
        let deadline: MonotonicTime
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct Watcher {
        let id: UInt64
        let count: Int
        let continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        var monotonic = MonotonicTime(sinceOrigin: .zero)
        var wall: Timestamp
        var wallRest = Duration.zero
        var nextID: UInt64 = 0
        /// Ordered by deadline, then by the start of the sleep.
        var sleepers: [Sleeper] = []
        /// The sleeps that were cancelled before they were queued.
        var cancelled: Set<UInt64> = []
        var watchers: [Watcher] = []

        mutating func move(to target: MonotonicTime) {
            let step = target - monotonic + wallRest
            monotonic = target
            wall = wall + step
            wallRest = step - .milliseconds(step.wholeMilliseconds)
        }

        mutating func satisfiedWatchers() -> [Watcher] {
            let satisfied = watchers.filter { $0.count <= sleepers.count }
            watchers.removeAll { $0.count <= sleepers.count }
            return satisfied
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
            let woken = state.withLock { state -> Sleeper? in
                guard let first = state.sleepers.first, first.deadline <= target else {
                    if target > state.monotonic { state.move(to: target) }
                    return nil
                }
                if first.deadline > state.monotonic { state.move(to: first.deadline) }
                return state.sleepers.removeFirst()
            }
            guard let woken else { return }
            woken.continuation.resume()
        }
    }

    /// Moves both clocks to the next sleeper's deadline and wakes it. Returns false if no task sleeps.
    @discardableResult
    public func advanceToNextSleeper() -> Bool {
        let next = state.withLock { state in state.sleepers.first.map { $0.deadline - state.monotonic } }
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
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let satisfied = state.withLock { state in
                    guard !Task.isCancelled else {
                        return [Watcher(id: id, count: count, continuation: continuation)]
                    }
                    state.watchers.append(Watcher(id: id, count: count, continuation: continuation))
                    return state.satisfiedWatchers()
                }
                for watcher in satisfied { watcher.continuation.resume() }
            }
        } onCancel: {
            let watcher = state.withLock { state -> Watcher? in
                guard let index = state.watchers.firstIndex(where: { $0.id == id }) else { return nil }
                return state.watchers.remove(at: index)
            }
            watcher?.continuation.resume()
        }
    }

    /// The deadline of the first sleeper; nil if no task sleeps.
    package var nextDeadline: MonotonicTime? { state.withLock { $0.sleepers.first?.deadline } }

    /// The number of tasks that sleep now.
    public var sleeperCount: Int { state.withLock { $0.sleepers.count } }

    /// Returns when a test has moved the clock to `deadline`; throws `CancellationError` when the task is cancelled.
    public func sleep(until deadline: MonotonicTime) async throws {
        try Task.checkCancellation()
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        // Removes a cancellation that came after the sleeper had woken.
        defer { state.withLock { _ = $0.cancelled.remove(id) } }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                lieDown(Sleeper(id: id, deadline: deadline, continuation: continuation))
            }
        } onCancel: {
            cancel(id)
        }
    }

    private func lieDown(_ sleeper: Sleeper) {
        enum Step { case asleep([Watcher]), over, cancelled }
        let step = state.withLock { state -> Step in
            if state.cancelled.remove(sleeper.id) != nil { return .cancelled }
            guard sleeper.deadline > state.monotonic else { return .over }
            let place = state.sleepers.firstIndex { $0.deadline > sleeper.deadline } ?? state.sleepers.endIndex
            state.sleepers.insert(sleeper, at: place)
            return .asleep(state.satisfiedWatchers())
        }
        switch step {
        case .asleep(let watchers): for watcher in watchers { watcher.continuation.resume() }
        case .over: sleeper.continuation.resume()
        case .cancelled: sleeper.continuation.resume(throwing: CancellationError())
        }
    }

    private func cancel(_ id: UInt64) {
        let sleeper = state.withLock { state -> Sleeper? in
            guard let index = state.sleepers.firstIndex(where: { $0.id == id }) else {
                state.cancelled.insert(id)
                return nil
            }
            return state.sleepers.remove(at: index)
        }
        sleeper?.continuation.resume(throwing: CancellationError())
    }
}
