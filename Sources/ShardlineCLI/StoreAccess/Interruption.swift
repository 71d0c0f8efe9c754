import DiskAccess
import Glibc
import StreamStorage
import Synchronization

/// Ctrl-C and SIGTERM: the first asks the command to end in order, the second ends the process and its children at once.
///
/// The handler only writes to a pipe, as little else is allowed in one; a thread of our own does the rest.
final class Interruption: Sendable {
    private static let handlerEnd = Atomic<Int32>(-1)
    private let signal = OneTimeSignal<Void>()

    /// The interruptions of this process; handled from the first use on.
    static let ofProcess: Interruption = {
        let interruption = Interruption()
        interruption.install()
        return interruption
    }()

    init() {}

    private func install() {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        Self.handlerEnd.store(ends[1], ordering: .sequentiallyConsistent)
        for number in [SIGINT, SIGTERM, SIGHUP] {
            // What the starter told us to ignore stays ignored (nohup does so).
            var before = sigaction()
            sigaction(number, nil, &before)
            if number == SIGHUP, unsafeBitCast(before.__sigaction_handler.sa_handler, to: Int.self) == 1 { continue }
            var action = sigaction()
            action.__sigaction_handler.sa_handler = { number in
                let saved = errno
                var byte = UInt8(truncatingIfNeeded: number)
                _ = write(Interruption.handlerEnd.load(ordering: .relaxed), &byte, 1)
                errno = saved
            }
            action.sa_flags = SA_RESTART
            sigaction(number, &action, nil)
        }
        let readEnd = ends[0]
        _ = WorkerThread(name: "shardline-sig") {
            var seen = 0
            while true {
                var number: UInt8 = 0
                let count = read(readEnd, &number, 1)
                if count < 0, errno == EINTR { continue }
                guard count == 1 else { return }
                seen += 1
                if seen > 1 { ChildProcess.endAllAndExit(128 + Int32(number)) }
                for output in [Output.standard, .error] { output.endBlockedWrites() }
                self.interrupt()
            }
        }
    }

    /// Whether the first one has come.
    var isInterrupted: Bool { signal.value != nil }

    /// What the first signal does; tests call it.
    func interrupt() { signal.send(()) }

    /// Returns when the first one has come, or the task is cancelled.
    func wait() async { try? await signal.wait() }
}
