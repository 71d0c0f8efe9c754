import DiskAccess
import StreamModel
import StreamStorage
import Synchronization

/// The child processes of a mapping: one for each concurrent invocation, and each used again and again.
///
/// The mapping's `concurrency` limits their number: it waits for a permit before it invokes (ESM-A11). The pool itself
/// never makes a caller wait. All calls may be made on any thread; no worker is called while the lock of `state` is
/// held.
final class ProcessPool: Sendable {
    private struct State {
        var idle: [ProcessWorker] = []
        var workers: [ProcessWorker] = []
        /// The last number of a child, also of one that is only being started: two concurrent starts must not share
        /// one.
        var numbered = 0
        /// Whether a child was ever given an event.
        var hasStarted = false
        /// How many workers were in use at once.
        var widest = 1
        /// Starts in a row after which no event could be given to the child.
        var failedStarts = 0
    }

    /// How often each worker tries to start its child before the function counts as impossible to start.
    static let mostStarts = 3
    /// The same where a child was started before: its file may be about to be replaced. With the pauses in between this
    /// takes a minute.
    static let mostStartsAgain = 8

    private let settings: @Sendable (Int) -> ProcessWorker.Settings
    private let state = Mutex(State())
    private let secondLines = SecondLines()
    private let cannotStart = OneTimeSignal<String>()

    /// Why no child can be started in spite of several attempts; nil: one was started, or it is not known yet.
    var startFailure: String? { cannotStart.value }

    /// Returns when there is a ``startFailure``, or the task is cancelled.
    func waitForStartFailure() async { _ = try? await cannotStart.wait() }

    /// A pool that has no child yet; `settings` is called for each child with its number, from 1 on.
    init(settings: @escaping @Sendable (Int) -> ProcessWorker.Settings) { self.settings = settings }

    /// Sends `line` to an idle child, or to a new one, and returns what `read` makes of the line that the child
    /// answers.
    ///
    /// Where `read` throws, the answer was invalid and the child is restarted. Throws that error, ``ProcessFailure``,
    /// or `CancellationError`.
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
            return state.failedStarts >= most * state.widest ? reason : nil
        }
        if let reason { cannotStart.send(reason) }
    }

    // The child that was used last is used first, so that few children serve a light load.
    private func take() throws(ProcessFailure) -> ProcessWorker {
        let (idle, number) = state.withLock { state -> (ProcessWorker?, Int) in
            state.widest = max(state.widest, state.workers.count - state.idle.count + 1)
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

    /// Starts this many children before there is an event for them, and keeps them ready: one that ends is started again
    /// after a pause (ESM-R22). To be called once, before the first event.
    func keepReady(_ count: Int) {
        for _ in 0..<count {
            let number = state.withLock { state in
                state.numbered += 1
                return state.numbered
            }
            var settings = settings(number)
            settings.secondLines = secondLines
            settings.isKeptReady = true
            // Where there is no pipe for it, the first event says so.
            guard let worker = try? ProcessWorker(settings) else { return }
            state.withLock { state in
                state.workers.append(worker)
                state.idle.append(worker)
            }
        }
    }

    /// Ends all children: lets them end within `grace`, then kills them.
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
