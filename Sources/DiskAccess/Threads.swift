import CPosix
import Glibc

/// A thread for a loop that blocks, outside Swift's cooperative pool.
package final class WorkerThread: Sendable {
    private let end = OneTimeSignal<Void>()

    /// Starts a thread that runs `body`. Tools such as `top` show `name`, at most 15 bytes.
    package init(name: String, _ body: @escaping @Sendable () -> Void) {
        startThread(name: name) { [end] in
            body()
            end.send(())
        }
    }

    /// Returns when the thread's body has returned.
    package func finished() async { await end.waitIgnoringCancellation() }
}

/// Runs blocking calls for async code on its own threads, which start when they are needed and end after 2 idle
/// seconds.
package final class BlockingThreads: Sendable {
    /// The default, with at most 8 threads.
    package static let shared = BlockingThreads(limit: 8)

    private struct State {
        var jobs: [@Sendable () -> Void] = []
        var threads = 0
        var idle = 0
    }
    private let state = Monitor(State())
    private let limit: Int
    private let handOver: (@Sendable (@escaping @Sendable () -> Void) -> Void)?

    /// At most `limit` calls run at once; further calls wait in order.
    package init(limit: Int) {
        self.limit = limit
        handOver = nil
    }

    /// Uses no threads: each call is handed to `handOver`, which decides when it runs. For simulations, which choose
    /// the order and where nothing blocks.
    package init(handingTo handOver: @escaping @Sendable (@escaping @Sendable () -> Void) -> Void) {
        limit = 0
        self.handOver = handOver
    }

    /// Runs `body` and returns its result. Cancellation has no effect: `body` always runs to its end.
    package func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withWaiter { waiter in
            enqueue { waiter.resume(returning: Swift.Result { try body() }) }
        }.get()
    }

    private func enqueue(_ job: @escaping @Sendable () -> Void) {
        if let handOver { return handOver(job) }
        let startsThread = state.withLock { state in
            state.jobs.append(job)
            guard state.jobs.count > state.idle, state.threads < limit else { return false }
            state.threads += 1
            return true
        }
        if startsThread { startThread(name: "shardline-io") { self.work() } } else { state.wakeAll() }
    }

    private func work() {
        state.withLock { $0.idle += 1 }
        while true {
            let job = state.wait(atMost: .seconds(2)) { state -> (@Sendable () -> Void)? in
                guard !state.jobs.isEmpty else { return nil }
                state.idle -= 1
                return state.jobs.removeFirst()
            }
            if let job {
                job()
                state.withLock { $0.idle += 1 }
                continue
            }
            let ends = state.withLock { state in
                guard state.jobs.isEmpty else { return false }
                state.idle -= 1
                state.threads -= 1
                return true
            }
            if ends { return }
        }
    }
}

private final class ThreadBody: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

private func startThread(name: String, _ body: @escaping @Sendable () -> Void) {
    let context = Unmanaged.passRetained(ThreadBody(name: name, body: body)).toOpaque()
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    defer { pthread_attr_destroy(&attributes) }
    var thread = pthread_t()
    let result = pthread_create(
        &thread, &attributes,
        { context in
            let body = Unmanaged<ThreadBody>.fromOpaque(context!).takeRetainedValue()
            shardline_name_thread(body.name)
            body.body()
            return nil
        }, context)
    precondition(result == 0, "the system gives this process no more threads")
}
