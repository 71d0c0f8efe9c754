import Dispatch
import Synchronization

/// Runs the tasks of one test, and knows when all of them wait: then nothing more happens before the test moves a clock,
/// opens a gate or steps a writer.
///
/// A suite with the trait `.restingExecutor` runs each of its tests on one. Child tasks run on it too; unstructured tasks
/// do not.
package final class RestingExecutor: TaskExecutor {
    private struct Watcher {
        /// Resumed only when more jobs than these have ended.
        var ended: Int
        var continuation: CheckedContinuation<Void, Never>
    }

    private struct State {
        /// Jobs that wait or run.
        var pending = 0
        /// Jobs that have ended.
        var ended = 0
        var watchers: [Watcher] = []

        mutating func takeDue() -> [Watcher] {
            guard pending == 0 else { return [] }
            let ended = ended
            let due = watchers.filter { $0.ended < ended }
            watchers.removeAll { $0.ended < ended }
            return due
        }
    }

    private let queue = DispatchQueue(label: "test", attributes: .concurrent)
    private let state = Mutex(State())

    @TaskLocal private static var running: RestingExecutor?

    /// The one on which the calling test runs.
    package static var current: RestingExecutor {
        guard let running else { fatalError("the suite has no .restingExecutor") }
        return running
    }

    /// Runs a test on an executor of its own.
    package static func run(_ body: @Sendable () async throws -> Void) async throws {
        let executor = RestingExecutor()
        try await withTaskExecutorPreference(executor) {
            try await $running.withValue(executor) { try await body() }
        }
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        state.withLock { $0.pending += 1 }
        queue.async { [self] in
            job.runSynchronously(on: asUnownedTaskExecutor())
            let due = state.withLock { state in
                state.pending -= 1
                state.ended += 1
                return state.takeDue()
            }
            for watcher in due { watcher.continuation.resume() }
        }
    }

    /// Returns when all tasks wait.
    package func rest() async { await wait(after: -1) }

    /// Returns when all tasks wait and `condition` holds. It is asked again whenever tasks have run and wait again, so it
    /// may also do the next step of what they wait for.
    package func rest(until condition: () -> Bool) async {
        while true {
            // What a task does that runs beside this one may come after the question.
            let ended = state.withLock { $0.ended }
            if condition() { return }
            // The job that asks is the next to end.
            await wait(after: ended + 1)
        }
    }

    private func wait(after ended: Int) async {
        await withCheckedContinuation { continuation in
            let due = state.withLock { state in
                state.watchers.append(Watcher(ended: ended, continuation: continuation))
                return state.takeDue()
            }
            for watcher in due { watcher.continuation.resume() }
        }
    }
}

/// Returns when `condition` holds: for what threads of the system decide, which tell nobody. It is asked every millisecond.
package func eventually(_ condition: () async throws -> Bool) async rethrows {
    while try await !condition() { await Pause.millisecond() }
}

private enum Pause {
    private static let queue = DispatchQueue(label: "pause")

    static func millisecond() async {
        await withCheckedContinuation { continuation in
            queue.asyncAfter(deadline: .now() + .milliseconds(1)) { continuation.resume() }
        }
    }
}
