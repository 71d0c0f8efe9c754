import CProcess
import DiskAccess
import Glibc
import StreamModel
import Synchronization

/// One worker of a pool of child processes: a thread that starts the child when it is first needed, or at once, sends it one event
/// at a time, restarts it after a failure, and passes on its standard error.
///
/// Only that thread touches the child, in one loop around `poll`. Tasks and other threads leave a request in the
/// mailbox and wake the thread through a pipe; no other lock is taken while the mailbox's is held.
final class ProcessWorker: Sendable {
    /// The configuration of a worker.
    struct Settings: Sendable {
        /// The argument of `sh -c`.
        var command: String
        /// Added to this process's environment.
        var environment: [(name: String, value: String)] = []
        /// The right under which the children run.
        var owner = FunctionOwner.ofNoStore
        /// Whether a child is to be there before the first event, and again after it has ended.
        var isKeptReady = false
        /// The longest answer that is accepted, in bytes.
        var longestAnswer = 6 << 20
        /// The longest line of standard error that is passed on in one piece, in bytes.
        var longestErrorLine = ErrorLines.longest
        /// What all children of a pool know about second lines.
        var secondLines = SecondLines()
        /// Receives what the child writes to standard error, line by line and unchanged.
        var passOn: @Sendable ([UInt8]) -> Void
        /// Called with a warning when a child has written output that answers no event.
        var warn: @Sendable (String) -> Void
    }

    struct Mail {
        var event: Event?
        var isCancelled = false
        var isRestartWanted = false
        var stop: Stop?
    }

    struct Event {
        var line: [UInt8]
        var answer: Waiter<Result<[UInt8], any Error>>
    }

    struct Stop {
        var grace: Int32
        var done: Waiter<Void>
    }

    private let settings: Settings
    private let mailbox = Mutex(Mail())
    private let wakeEnd: Int32
    private let bell: Int32

    /// A worker whose child starts with its first event, or at once where it is kept ready. Throws the system's message.
    init(_ settings: Settings) throws(ProcessFailure) {
        self.settings = settings
        var reading: Int32 = -1
        var writing: Int32 = -1
        let error = shardline_pipe(&reading, &writing)
        guard error == 0 else { throw .notStarted(systemMessage(error)) }
        (wakeEnd, bell) = (reading, writing)
        _ = WorkerThread(name: "shardline-child") { [self] in
            var loop = ProcessLoop(settings, wakeEnd: wakeEnd)
            loop.run { loop in mailbox.withLock { mail in loop.take(&mail) } }
            close(wakeEnd)
        }
    }

    deinit { close(bell) }

    /// Sends the child one event, a line without its end, and returns the line that it answers.
    ///
    /// Throws ``ProcessFailure``; when the task is cancelled, `CancellationError` after the child has ended.
    func exchange(_ line: [UInt8]) async throws -> [UInt8] {
        try await withWaiter { waiter in
            leave { mail in
                mail.isCancelled = false
                mail.event = Event(line: line, answer: waiter)
            }
        } onCancel: {
            leave { $0.isCancelled = true }
        }.get()
    }

    /// Ends the child, so that the next event starts a new one.
    func restart() { leave { $0.isRestartWanted = true } }

    /// Closes the child's standard input, gives it `grace` to end by itself, and returns when it has ended.
    func stop(grace: Duration) async {
        await withWaiter { waiter in
            leave { $0.stop = Stop(grace: Int32(clamping: grace.wholeMilliseconds), done: waiter) }
        }
    }

    private func leave(_ change: (inout Mail) -> Void) {
        mailbox.withLock { change(&$0) }
        var byte: UInt8 = 1
        // A full pipe has already woken the thread.
        _ = write(bell, &byte, 1)
    }
}
