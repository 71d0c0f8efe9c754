import DiskAccess
import Glibc
import ShardlineTesting
import StreamModel
import Synchronization
import TestSupport

/// Runs all tasks and all threads of a simulated process, one at a time, in an order that follows from a seed.
///
/// Tasks come to it as their executor (SE-0417); threads are ``SimulatedThread``s, which give the baton back before each
/// operation on the disk. Where nobody can go on, the clock moves to the next moment for which somebody waits.
package final class Scheduler: TaskExecutor, @unchecked Sendable {
    // Touched by the thread that holds the baton; a job that comes from anybody else is counted, and fails the run.

    package let time: VirtualTime
    package private(set) var random: SeededRandom
    package var trace: Trace
    private let jobs = Mutex<[UnownedJob]>([])
    private var threads: [SimulatedThread] = []
    private var running: SimulatedThread?
    private let baton = Semaphore()
    private let strays = Atomic(0)
    private let holder = Atomic<UInt>(0)
    /// How often it has chosen who goes on.
    package private(set) var turns = 0
    /// Called between two turns, for an observer of the whole.
    package var betweenTurns: (() -> Void)?

    package init(seed: UInt64, time: VirtualTime, keepsText: Bool = false) {
        self.time = time
        random = SeededRandom(seed)
        trace = Trace(keepsText: keepsText)
    }

    /// Jobs that were not enqueued by the simulation itself: something ran outside it.
    package var strayJobs: Int { strays.load(ordering: .sequentiallyConsistent) }

    private static var thisThread: UInt { UInt(pthread_self()) }
    private func takeBaton() { holder.store(Self.thisThread, ordering: .sequentiallyConsistent) }

    // MARK: Tasks

    package func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        if holder.load(ordering: .sequentiallyConsistent) != Self.thisThread { strays.add(1, ordering: .relaxed) }
        jobs.withLock { $0.append(unowned) }
    }

    // MARK: Threads

    /// Runs `body` on a thread of the simulation.
    package func start(_ name: String, _ body: @escaping () -> Void) {
        let thread: SimulatedThread
        if let idle = threads.first(where: { if case .idle = $0.state { true } else { false } }) {
            thread = idle
        } else {
            thread = SimulatedThread(number: threads.count, back: baton)
            threads.append(thread)
        }
        thread.begin(name) { [self] in
            takeBaton()
            body()
        }
    }

    /// Lets others go on, where the seed says so. For the simulation's threads; on any other nothing happens.
    package func perhapsYield(once times: Int = 3) {
        guard let running, random.once(in: times) else { return }
        running.pause(.ready)
        self.running = running
        takeBaton()
    }

    /// Sleeps until the time has come or `isWoken` says so. For the simulation's threads.
    package func park(until deadline: MonotonicTime?, orWhen isWoken: @escaping () -> Bool) {
        guard let running else { preconditionFailure("only a simulated thread can sleep") }
        running.pause(.parked(deadline: deadline?.sinceOrigin, isWoken: isWoken))
        self.running = running
        takeBaton()
    }

    /// How many threads have something to do, or wait for it.
    package var threadsAtWork: Int {
        threads.count { if case .idle = $0.state { false } else { true } }
    }

    // MARK: Running

    /// Why ``run(until:)`` returned.
    package enum End { case done, stuck, tooLong }

    /// Lets tasks and threads go on until `isDone` says so, at most this many turns.
    package func run(atMost limit: Int, until isDone: () -> Bool) -> End {
        takeBaton()
        let last = turns + limit
        while !isDone() {
            guard turns < last else { return .tooLong }
            turns += 1
            guard takeTurn() else { return .stuck }
            betweenTurns?()
        }
        return .done
    }

    /// One job, one thread up to where it waits, or one step of the clock; false where there is none of them.
    private func takeTurn() -> Bool {
        let now = time.monotonicTime.sinceOrigin
        var ready: [SimulatedThread] = []
        var next: Duration?
        for thread in threads {
            switch thread.state {
            case .ready: ready.append(thread)
            case .parked(let deadline, let isWoken):
                if isWoken() || deadline.map({ $0 <= now }) ?? false {
                    ready.append(thread)
                } else if let deadline {
                    next = min(next ?? deadline, deadline)
                }
            case .idle: break
            }
        }
        let waiting = jobs.withLock { $0.count }
        let choices = waiting + ready.count
        guard choices > 0 else {
            if let sleeper = time.nextDeadline?.sinceOrigin { next = min(next ?? sleeper, sleeper) }
            guard let next else { return false }
            advance(by: max(.zero, next - now))
            return true
        }
        // A machine under load lets time pass while there is work.
        if random.once(in: 200) { advance(by: .milliseconds(random.pick(1...20))) }
        let choice = random.below(choices)
        if choice < waiting {
            let job = jobs.withLock { $0.remove(at: choice) }
            trace.note("job", "", choice, waiting)
            job.runSynchronously(on: asUnownedTaskExecutor())
        } else {
            let thread = ready[choice - waiting]
            trace.note("thread", thread.name)
            running = thread
            thread.resume()
            running = nil
            takeBaton()
        }
        return true
    }

    private func advance(by duration: Duration) {
        trace.note("time", "", Int(duration.wholeMilliseconds))
        time.advance(by: duration)
    }

    /// Ends the threads, all of which must be idle.
    package func end() {
        for thread in threads { thread.end() }
        threads = []
    }
}
