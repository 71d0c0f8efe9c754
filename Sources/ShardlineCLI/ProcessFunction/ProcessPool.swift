import StreamModel
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
    }

    private let settings: @Sendable (Int) -> ProcessWorker.Settings
    private let state = Mutex(State())

    /// A pool without a child yet; `settings` is asked for each, which are numbered from 1.
    init(settings: @escaping @Sendable (Int) -> ProcessWorker.Settings) { self.settings = settings }

    /// Hands `line` to an idle child, or to a new one, and returns what `read` makes of the line that it answers.
    ///
    /// Where `read` throws, the child has answered nonsense and is started anew. Throws that error,
    /// ``ProcessFailure``, or `CancellationError`.
    func exchange<Answer>(_ line: [UInt8], read: ([UInt8]) throws -> Answer) async throws -> Answer {
        let worker = try take()
        defer { state.withLock { $0.idle.append(worker) } }
        let answer = try await worker.exchange(line)
        do {
            return try read(answer)
        } catch {
            worker.restart()
            throw error
        }
    }

    // The one that was used last comes first: so few children serve a light load.
    private func take() throws(ProcessFailure) -> ProcessWorker {
        let (idle, number) = state.withLock { state -> (ProcessWorker?, Int) in
            if let worker = state.idle.popLast() { return (worker, 0) }
            state.numbered += 1
            return (nil, state.numbered)
        }
        if let idle { return idle }
        let worker = try ProcessWorker(settings(number))
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
