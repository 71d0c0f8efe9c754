import StreamModel
import StreamStorage
import Synchronization

/// The child processes of a mapping: as many as there are invocations at once, each used again and again.
///
/// How many that are is limited by the mapping's `concurrency`, which waits for a permit before it invokes (ESM-A11);
/// the pool itself never lets anyone wait.
final class ProcessPool: Sendable {
    private struct State {
        var idle: [ProcessWorker] = []
        var workers: [ProcessWorker] = []
        /// Numbers given out, also to children that are only being started: two at once must not share one.
        var numbered = 0
        /// Whether a child has ever been given an event.
        var hasStarted = false
        /// Children in a row that could not be given one.
        var failedStarts = 0
    }

    /// How often each place tries to start its child before it is said that the function can't be started at all.
    static let mostStarts = 3
    /// The same where one has been started before: its file may be about to be replaced. With the pauses in between that is
    /// a minute.
    static let mostStartsAgain = 8

    private let settings: @Sendable (Int) -> ProcessWorker.Settings
    private let state = Mutex(State())
    private let secondLines = SecondLines()
    private let cannotStart = OneTimeSignal<String>()

    /// Why no child can be started, in spite of several tries; nil: one was, or it is not known yet.
    var startFailure: String? { cannotStart.value }

    /// Returns when there is a ``startFailure``, or the task is cancelled.
    func waitForStartFailure() async { _ = try? await cannotStart.wait() }

    /// A pool without a child yet; `settings` is asked for each, which are numbered from 1.
    init(settings: @escaping @Sendable (Int) -> ProcessWorker.Settings) { self.settings = settings }

    /// Hands `line` to an idle child, or to a new one, and returns what `read` makes of the line that it answers.
    ///
    /// Where `read` throws, the child has answered nonsense and is started anew. Throws that error,
    /// ``ProcessFailure``, or `CancellationError`.
    func exchange<Answer>(_ line: [UInt8], read: ([UInt8]) throws -> Answer) async throws -> Answer {
        let answer: [UInt8]
        let worker: ProcessWorker
        do {
            worker = try take()
        } catch {
            note(error)
            throw error
        }
        defer { state.withLock { $0.idle.append(worker) } }
        do {
            answer = try await worker.exchange(line)
            state.withLock { ($0.hasStarted, $0.failedStarts) = (true, 0) }
        } catch {
            if let failure = error as? ProcessFailure { note(failure) }
            throw error
        }
        do {
            return try read(answer)
        } catch {
            worker.restart()
            throw error
        }
    }

    private func note(_ failure: ProcessFailure) {
        let reason: String? = state.withLock { state in
            guard case .notStarted(let reason) = failure else {
                (state.hasStarted, state.failedStarts) = (true, 0)
                return nil
            }
            state.failedStarts += 1
            let most = state.hasStarted ? Self.mostStartsAgain : Self.mostStarts
            return state.failedStarts >= most * max(1, state.workers.count) ? reason : nil
        }
        if let reason { cannotStart.send(reason) }
    }

    // The one that was used last comes first: so few children serve a light load.
    private func take() throws(ProcessFailure) -> ProcessWorker {
        let (idle, number) = state.withLock { state -> (ProcessWorker?, Int) in
            if let worker = state.idle.popLast() { return (worker, 0) }
            state.numbered += 1
            return (nil, state.numbered)
        }
        if let idle { return idle }
        var settings = settings(number)
        settings.secondLines = secondLines
        let worker = try ProcessWorker(settings)
        state.withLock { $0.workers.append(worker) }
        return worker
    }

    /// Ends all children: in order within `grace`, then at once.
    func stop(grace: Duration) async {
        let workers = state.withLock { state in
            defer { state = State() }
            return state.workers
        }
        await withTaskGroup { group in
            for worker in workers { group.addTask { await worker.stop(grace: grace) } }
        }
    }
}
