import DiskAccess
import Glibc

/// Writes to a descriptor, which may never take anything: a pipe that nobody reads, a terminal that was stopped.
///
/// What may block is written by a thread of its own, which comes when it is needed and goes when it is idle, so that who
/// waits for the write can be released. Regular files and devices such as `/dev/null` are written at once by the caller.
final class DescriptorWriter: Sendable {
    /// Called once, on any thread, possibly before ``enqueue(_:then:)`` returns.
    typealias Completion = @Sendable (Result<Void, any Error>) -> Void

    private struct Job {
        var bytes: [UInt8]
        var completion: Completion
    }

    private struct State {
        /// The first one is being written.
        var jobs: [Job] = []
        /// How often the other end has taken something.
        var progress = 0
        var hasThread = false
        var isAbandoned = false
    }

    private let descriptor: Int32
    private let mayBlock: Bool
    private let state = Monitor(State())

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        let isPipeOrSocket = lseek(descriptor, 0, SEEK_CUR) < 0 && errno == ESPIPE
        mayBlock = isPipeOrSocket || isatty(descriptor) == 1
    }

    /// Whether writes were given up.
    var isAbandoned: Bool { state.withLock { $0.isAbandoned } }

    /// Writes `bytes` after what was enqueued before.
    func enqueue(_ bytes: [UInt8], then completion: @escaping Completion) {
        guard mayBlock else { return completion(Result { try writeAll(bytes) }) }
        let startsThread: Bool? = state.withLock { state in
            if state.isAbandoned { return nil }
            state.jobs.append(Job(bytes: bytes, completion: completion))
            defer { state.hasThread = true }
            return !state.hasThread
        }
        switch startsThread {
        case nil: completion(.failure(Output.Blocked()))
        case true?: _ = WorkerThread(name: "shardline-out") { self.work() }
        case false?: break
        }
        // The writing thread, and who looks whether it gets on.
        state.wakeAll()
    }

    private func work() {
        while true {
            guard let job = state.wait(atMost: .seconds(2), until: { $0.jobs.first }) else {
                let ends = state.withLock { state in
                    if state.jobs.isEmpty { state.hasThread = false }
                    return state.jobs.isEmpty
                }
                if ends { return }
                continue
            }
            let result = Result { try writeAll(job.bytes) { self.state.withLock { $0.progress += 1 } } }
            let isAbandoned = state.withLock { state in
                if !state.isAbandoned {
                    state.jobs.removeFirst()
                    state.progress += 1
                }
                return state.isAbandoned
            }
            state.wakeAll()
            if !isAbandoned { job.completion(result) }
        }
    }

    /// From now on a write of which nothing is taken for `patience` fails with ``Output/Blocked``, and so does what comes after it.
    /// What the system has of it by then stays written, and may be a part.
    func endBlockedWrites(after patience: Duration) {
        guard mayBlock else { return }
        _ = WorkerThread(name: "shardline-out-e") { [state] in
            while true {
                let progress = state.wait(atMost: nil) { $0.jobs.isEmpty ? nil : $0.progress }
                if state.wait(atMost: patience, until: { $0.progress != progress ? true : nil }) == true { continue }
                let abandoned: [Job]? = state.withLock { state in
                    guard state.progress == progress else { return nil }
                    state.isAbandoned = true
                    defer { state.jobs = [] }
                    return state.jobs
                }
                guard let abandoned else { continue }
                for job in abandoned { job.completion(.failure(Output.Blocked())) }
                return
            }
        }
    }

    private func writeAll(_ bytes: [UInt8], progress: () -> Void = {}) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            // In pieces, so that a slow reader is told from one that is gone.
            let count = rest.prefix(mayBlock ? 64 << 10 : .max).withUnsafeBytes {
                Glibc.write(descriptor, $0.baseAddress, $0.count)
            }
            if count >= 0 {
                rest = rest.dropFirst(count)
                progress()
            } else if errno == EAGAIN {
                // Somebody made the terminal or pipe that we share non-blocking.
                var wanted = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&wanted, 1, -1)
            } else if errno == EPIPE {
                throw Output.Closed()
            } else if errno != EINTR {
                let reason = errno == EBADF ? "it is closed, or open for reading alone" : systemMessage()
                throw CommandFailure(
                    .inputOutput,
                    "\(descriptor == STDOUT_FILENO ? "standard output" : "standard error") can't be written: \(reason)")
            }
        }
    }
}

/// What a call has come to, for the thread that waits for it.
final class OneTimeResult: Sendable {
    private let result = Monitor<Result<Void, any Error>?>(nil)

    func set(_ value: Result<Void, any Error>) {
        result.withLock { $0 = value }
        result.wakeAll()
    }

    /// Waits for it on the calling thread.
    func wait() throws { try result.wait(atMost: nil) { $0 }?.get() }
}
