import Glibc

/// A lock around a value, on which a thread can sleep until another thread has changed the value.
///
/// Only threads of Shardline's own may call ``wait(atMost:until:)``; any thread may take the lock for a moment.
package final class Monitor<State>: @unchecked Sendable {
    private var state: State
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    package init(_ state: sending State) {
        self.state = state
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // A jump of the wall clock must not change a wait.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    /// Reads or changes the value under the lock. Does not wake sleeping threads; ``wakeAll()`` does.
    package func withLock<Result, Failure: Error>(
        _ body: (inout State) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&state)
    }

    /// Wakes all threads that sleep.
    package func wakeAll() { pthread_cond_broadcast(condition) }

    /// Sleeps until `body` returns a value, and returns that. `body` is called under the lock: at first, after each
    /// wake-up, and when `duration` is over; nil is returned if it has no value then. Without a duration it waits
    /// forever.
    package func wait<Result>(atMost duration: Duration?, until body: (inout State) -> Result?) -> Result? {
        var deadline = timespec()
        if let duration {
            clock_gettime(CLOCK_MONOTONIC, &deadline)
            let (seconds, attoseconds) = duration.components
            let nanoseconds = deadline.tv_nsec + Int(attoseconds / 1_000_000_000)
            deadline.tv_sec += Int(seconds) + nanoseconds / 1_000_000_000
            deadline.tv_nsec = nanoseconds % 1_000_000_000
        }
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while true {
            if let result = body(&state) { return result }
            if duration == nil {
                pthread_cond_wait(condition, mutex)
            } else if pthread_cond_timedwait(condition, mutex, &deadline) == ETIMEDOUT {
                return body(&state)
            }
        }
    }
}
