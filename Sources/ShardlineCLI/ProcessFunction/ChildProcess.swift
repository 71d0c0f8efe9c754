import CProcess
import Glibc
import Synchronization

/// A child process that runs a shell command, and this process's ends of its three pipes.
///
/// It inherits nothing else of this process: no file descriptor and no signal setting. It leads a session of its own,
/// so Ctrl-C at the terminal reaches only this process. A guard (`CProcess.h`) ensures that no process that the child
/// has started survives when the child has ended, is killed, or this process is gone.
///
/// Used by one thread; only ``endAllAndExit(_:)`` may be called on any.
final class ChildProcess {
    /// How a child ended.
    enum End: Equatable, CustomStringConvertible {
        case exited(Int32)
        case signalled(Int32)
        /// The guard was killed, and these processes of the child could not be ended.
        case outlived(by: [MarkedProcess])

        fileprivate init(status: Int32) {
            let signal = status & 0x7F
            self = signal == 0 ? .exited(status >> 8 & 0xFF) : .signalled(signal)
        }

        var description: String {
            switch self {
            case .exited(let code): "ended with exit code \(code)"
            case .signalled(let number): "was ended by signal \(number) (\(String(cString: strsignal(number))))"
            case .outlived(let processes):
                "has lost its guard, which somebody has killed, and \(FunctionOwner.words(processes)) could not be ended within \(Readable.duration(ProcessMark.patience)): look what keeps it, mostly a disk or a network file system"
            }
        }
    }

    let id: pid_t
    /// The child's standard input; -1 once it is closed.
    private(set) var input: Int32
    /// The child's standard output.
    let output: Int32
    /// The child's standard error.
    let errors: Int32
    /// Readable once the child has ended and everything that it has started is gone.
    let watch: Int32
    private let mark: ProcessMark
    private var end: End?

    /// The control sockets of the guards whose children run.
    private static let running = Mutex<Set<Int32>>([])

    /// Ends this process at once, with all children and everything that they have started. No start of a child returns
    /// meanwhile.
    static func endAllAndExit(_ code: Int32) -> Never {
        running.withLock { running in
            for control in running { _ = shardline_tell(control, CChar(bitPattern: UInt8(ascii: "K"))) }
            // What is still alive after that is killed all the same: the guards notice that this process is gone.
            var patience: Int32 = 50
            var open = running.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            while !open.isEmpty, patience > 0 {
                _ = poll(&open, nfds_t(open.count), 10)
                open.removeAll { $0.revents != 0 }
                patience -= 1
            }
            _exit(code)
        }
    }

    /// Starts `sh -c command`, with `environment` added to this process's own. Throws the system's message.
    init(
        command: String, environment additions: [(name: String, value: String)],
        owner: FunctionOwner = .ofNoStore
    ) throws(StartFailure) {
        // Writing to a child that has ended must be an error of that call and must not end this process.
        signal(SIGPIPE, SIG_IGN)
        mark = owner.nextMark()
        let additions = additions + [(ProcessMark.name, mark.value)]
        var variables: [UnsafeMutablePointer<CChar>?] = []
        defer { for variable in variables { free(variable) } }
        var inherited = environ
        while let variable = inherited.pointee {
            inherited += 1
            let text = String(cString: variable)
            if !additions.contains(where: { text.hasPrefix($0.name + "=") }) { variables.append(strdup(variable)) }
        }
        for (name, value) in additions { variables.append(strdup("\(name)=\(value)")) }
        variables.append(nil)
        var child = shardline_child()
        var error = EPIPE
        var lost: Int32?
        // A server that was killed is replaced, once.
        for _ in 0..<2 where error == EPIPE {
            let requests: Int32
            do { requests = try ForkServer.requests(insteadOf: lost) } catch { throw error }
            error = shardline_spawn(requests, command, variables, owner.lock, &child)
            lost = requests
        }
        guard error == 0 else { throw StartFailure(reason: systemMessage(error)) }
        id = child.pid
        watch = child.control
        input = child.input
        output = child.output
        errors = child.errors
        _ = Self.running.withLock { [watch] in $0.insert(watch) }
    }

    /// The child could not be started.
    struct StartFailure: Error, CustomStringConvertible {
        var reason: String
        var description: String { "a process can't be started: \(reason)" }
    }

    deinit {
        _ = kill()
        closeInput()
        close(output)
        close(errors)
        _ = Self.running.withLock { [watch] in $0.remove(watch) }
        close(watch)
    }

    /// Signals the end of the events to the child.
    func closeInput() {
        guard input >= 0 else { return }
        close(input)
        input = -1
    }

    private func tell(_ order: Unicode.Scalar) { _ = shardline_tell(watch, CChar(truncatingIfNeeded: order.value)) }

    /// Asks the child and its process group to end (SIGTERM).
    func terminate() { if end == nil { tell("T") } }

    /// Kills the child and everything that it has started. Returns how the child ended, by itself before or by this,
    /// when nothing of it is left.
    func kill() -> End {
        if let end = ended() { return end }
        tell("K")
        return waitForEnd()
    }

    /// Suspends the child with all of its threads, and returns when it is suspended. False: it has ended already.
    func suspend() -> Bool {
        guard ended() == nil else { return false }
        tell("S")
        return hear(waits: true) == .suspended
    }

    /// Resumes a suspended child.
    func resume() { if end == nil { Glibc.kill(id, SIGCONT) } }

    /// How the child ended; nil while it runs, or something that it has started still does.
    func ended() -> End? {
        if end == nil { _ = hear(waits: false) }
        return end
    }

    /// Blocks until the child has ended by itself and everything that it has started is gone.
    func waitForEnd() -> End {
        while true {
            if let end { return end }
            _ = hear(waits: true)
        }
    }

    private enum Word { case nothing, ended, suspended }

    private func hear(waits: Bool) -> Word {
        var value: Int32 = 0
        switch shardline_hear(watch, waits ? 1 : 0, &value) {
        case Int32(shardline_nothing): return .nothing
        case Int32(shardline_suspended): return value == 1 ? .suspended : .nothing
        case Int32(shardline_ended): end = End(status: value)
        default:
            // The guard was killed. The child was killed with it, and what it has started becomes a child of the fork
            // server.
            ForkServer.settle()
            let left = mark.endProcesses()
            end = left.isEmpty ? .signalled(SIGKILL) : .outlived(by: left)
        }
        return .ended
    }
}

/// The process that forks the guards. It is forked from this process when the first child is started.
///
/// All calls may be made on any thread. Its lock and that of ``ChildProcess`` are never held together.
private enum ForkServer {
    private static let running = Mutex<(requests: Int32, process: pid_t)?>(nil)

    /// The socket for requests; that of a new server where the server of `lost` has ended.
    static func requests(insteadOf lost: Int32?) throws(ChildProcess.StartFailure) -> Int32 {
        let (requests, error) = running.withLock { running in
            if let running, running.requests != lost { return (running.requests, Int32(0)) }
            // A guard that is killed while it starts looks like a server that has ended, so the server's end is checked
            // briefly.
            if let running, !hasEnded(running.process) { return (running.requests, Int32(0)) }
            // The socket of the lost server stays open, because another thread may be about to use its number.
            var requests: Int32 = -1
            var process: pid_t = 0
            let error = shardline_start_server(&requests, &process)
            running = error == 0 ? (requests, process) : nil
            return (requests, error)
        }
        if lost == nil { _ = reapsAtExit }
        guard error == 0 else { throw ChildProcess.StartFailure(reason: systemMessage(error)) }
        return requests
    }

    private static func hasEnded(_ process: pid_t) -> Bool {
        for _ in 0..<100 {
            var ended: pid_t
            repeat { ended = waitpid(process, nil, WNOHANG) } while ended < 0 && errno == EINTR
            if ended != 0 { return true }
            usleep(1000)
        }
        return false
    }

    // In a container no other process might reap the server, and it would stay a zombie.
    private static let reapsAtExit: Void = {
        atexit {
            guard let server = ForkServer.running.withLock({ $0.take() }) else { return }
            close(server.requests)
            let watch = shardline_watch(server.process)
            var wanted = pollfd(fd: watch, events: Int16(POLLIN), revents: 0)
            // Where a child still runs, the server outlives this process and ends after the child.
            if watch >= 0 { _ = poll(&wanted, 1, 200) }
            waitpid(server.process, nil, WNOHANG)
        }
    }()

    /// Returns when the processes that killed guards left behind have ended, as far as the server knows.
    static func settle() {
        let requests = running.withLock { $0?.requests }
        if let requests { _ = shardline_settle(requests) }
    }
}
