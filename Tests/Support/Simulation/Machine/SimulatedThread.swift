import DiskAccess
import Glibc

/// A thread that runs only while it holds the baton: it gets it from the scheduler and gives it back when it waits, so
/// that of all threads and tasks of a simulation exactly one runs at any moment.
final class SimulatedThread: @unchecked Sendable {
    // Touched by the thread that holds the baton, and handed over through semaphores.

    /// What it waits for before it may go on.
    enum State {
        /// It can go on at once.
        case ready
        /// It sleeps until then, or until this says yes.
        case parked(deadline: MonotonicDeadline?, isWoken: () -> Bool)
        /// Nothing to do; to be used again.
        case idle
    }

    typealias MonotonicDeadline = Duration

    let number: Int
    private(set) var name = ""
    var state = State.idle
    private var body: (() -> Void)?
    private let go = Semaphore()
    private let back: Semaphore

    /// - Parameter back: where it gives the baton back.
    init(number: Int, back: Semaphore) {
        self.number = number
        self.back = back
        _ = WorkerThread(name: "simulated-\(number)") { [self] in
            while true {
                go.wait()
                guard let body else { break }
                body()
                self.body = nil
                state = .idle
                self.back.signal()
            }
            self.back.signal()
        }
    }

    /// Gives it something to do.
    func begin(_ name: String, _ body: @escaping () -> Void) {
        self.name = name
        self.body = body
        state = .ready
    }

    /// Hands it the baton and waits until it gives it back. Called by the scheduler.
    func resume() {
        go.signal()
        back.wait()
    }

    /// Gives the baton back and waits for the next turn. Called by the thread itself.
    func pause(_ state: State) {
        self.state = state
        back.signal()
        go.wait()
        self.state = .ready
    }

    /// Ends the thread, which must be idle.
    func end() {
        go.signal()
        back.wait()
    }
}

/// A counting semaphore.
final class Semaphore: @unchecked Sendable {
    private let semaphore = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
    init() { sem_init(semaphore, 0, 0) }
    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }
    func signal() { sem_post(semaphore) }
    func wait() { while sem_wait(semaphore) != 0 {} }
}
