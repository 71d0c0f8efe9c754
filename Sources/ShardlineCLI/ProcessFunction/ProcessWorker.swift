import CProcess
import DiskAccess
import Glibc
import StreamModel
import Synchronization

/// One place in a pool of child processes: a thread that starts the child when it is first needed, hands it one event
/// at a time, starts it anew after it has failed, and passes on what it says on standard error.
///
/// Everything about the child happens on that thread, in one loop around `poll`; tasks and other threads only leave
/// word in the mailbox.
final class ProcessWorker: Sendable {
    /// What a worker needs to know.
    struct Settings: Sendable {
        /// Handed to `sh -c`.
        var command: String
        /// Added to this process's environment.
        var environment: [(name: String, value: String)] = []
        /// Whose functions they are.
        var owner = FunctionOwner.ofNoStore
        /// The longest answer that is taken, in bytes.
        var longestAnswer = 6 << 20
        /// The longest line of standard error that is passed on whole, in bytes.
        var longestErrorLine = ErrorLines.longest
        /// What all children of a pool know of lines that answer nothing.
        var secondLines = SecondLines()
        /// Gets what the child writes on standard error, line by line, as it is.
        var passOn: @Sendable ([UInt8]) -> Void
        /// Told when a child that was not asked for anything has to be started anew.
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
        var answer: CheckedContinuation<[UInt8], any Error>
    }

    struct Stop {
        var grace: Int32
        var done: CheckedContinuation<Void, Never>
    }

    private let settings: Settings
    private let mailbox = Mutex(Mail())
    private let wakeEnd: Int32
    private let bell: Int32

    /// A worker whose child starts with its first event. Throws what the system said.
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

    /// Hands the child one event, a line without its end, and returns the line that it answers.
    ///
    /// Throws ``ProcessFailure``; when the task is cancelled, `CancellationError`, as soon as the child has ended.
    func exchange(_ line: [UInt8]) async throws -> [UInt8] {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                leave { mail in
                    mail.isCancelled = false
                    mail.event = Event(line: line, answer: continuation)
                }
                // The cancellation may have come before the event was there to be cancelled.
                if Task.isCancelled { leave { $0.isCancelled = true } }
            }
        } onCancel: {
            leave { $0.isCancelled = true }
        }
    }

    /// Ends the child, so that the next event meets a new one.
    func restart() { leave { $0.isRestartWanted = true } }

    /// Closes the child's standard input, gives it `grace` to end by itself, and returns when it has ended.
    func stop(grace: Duration) async {
        await withCheckedContinuation { continuation in
            leave { $0.stop = Stop(grace: Int32(clamping: grace.wholeMilliseconds), done: continuation) }
        }
    }

    private func leave(_ change: (inout Mail) -> Void) {
        mailbox.withLock { change(&$0) }
        var byte: UInt8 = 1
        // A full pipe has woken the thread already.
        _ = write(bell, &byte, 1)
    }
}
