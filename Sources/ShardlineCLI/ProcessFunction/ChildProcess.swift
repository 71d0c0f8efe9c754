import CProcess
import Glibc
import Synchronization

/// A child process that runs a command of the shell, and this side's ends of its three pipes.
///
/// It gets nothing else of this process: no file descriptor, no signal setting. It leads a session of its own, so
/// Ctrl-C at the terminal reaches only us. A guard (`CProcess.h`) sees to it that nothing that the child has started
/// lives on when the child has ended, when it is killed, or when this process is gone. Used by one thread.
final class ChildProcess {
    /// How a child ended.
    enum End: Equatable, CustomStringConvertible {
        case exited(Int32)
        case signalled(Int32)
        /// It was killed with its guard, and these could not be.
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
    /// The child's standard input; -1 once it was closed.
    private(set) var input: Int32
    /// The child's standard output.
    let output: Int32
    /// The child's standard error.
    let errors: Int32
    /// Readable once the child has ended and what it has started is gone.
    let watch: Int32
    private let mark: ProcessMark
    private var end: End?

    /// The sockets of the guards whose children run.
    private static let running = Mutex<Set<Int32>>([])

    /// Ends this process at once, with all children and what they have started. None can be started meanwhile.
    static func endAllAndExit(_ code: Int32) -> Never {
        running.withLock { running in
            for control in running { _ = shardline_tell(control, CChar(bitPattern: UInt8(ascii: "K"))) }
            // What is not gone by then is killed all the same: the guards notice that this process is gone.
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

    /// Starts `sh -c command`, with `environment` added to this process's own. Throws what the system said, in words.
    init(
        command: String, environment additions: [(name: String, value: String)],
        owner: FunctionOwner = .ofNoStore
    ) throws(StartFailure) {
        // Writing to a child that has ended must be an error of that call, not the end of this process.
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
        // A server that somebody has killed is replaced, once.
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

    /// The child could not be started at all.
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

    /// Tells the child that no more events come.
    func closeInput() {
        guard input >= 0 else { return }
        close(input)
        input = -1
    }

    private func tell(_ order: Unicode.Scalar) { _ = shardline_tell(watch, CChar(truncatingIfNeeded: order.value)) }

    /// Asks the child and what it has started to end.
    func terminate() { if end == nil { tell("T") } }

    /// Ends the child and what it has started, at once, and answers how it ended: by itself before, or by this. Returns
    /// when nothing of it is left.
    func kill() -> End {
        if let end = ended() { return end }
        tell("K")
        return waitForEnd()
    }

    /// Makes the child stand still where it is, all of its threads; returns when it does. False: it has ended already.
    func suspend() -> Bool {
        guard ended() == nil else { return false }
        tell("S")
        return hear(waits: true) == .suspended
    }

    /// Lets it go on.
    func resume() { if end == nil { Glibc.kill(id, SIGCONT) } }

    /// How the child ended; nil while it runs, or what it has started is not gone.
    func ended() -> End? {
        if end == nil { _ = hear(waits: false) }
        return end
    }

    /// Waits until the child has ended by itself.
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
            // Somebody has killed the guard. The child has ended with it; what it has started comes to the fork server.
            ForkServer.settle()
            let left = mark.endProcesses()
            end = left.isEmpty ? .signalled(SIGKILL) : .outlived(by: left)
        }
        return .ended
    }
}

/// The process that starts the guards, forked from this one when the first child is started.
private enum ForkServer {
    private static let running = Mutex<(requests: Int32, process: pid_t)?>(nil)

    /// The socket that takes requests; a new server's where the one of `lost` is gone.
    static func requests(insteadOf lost: Int32?) throws(ChildProcess.StartFailure) -> Int32 {
        let (requests, error) = running.withLock { running in
            if let running, running.requests != lost { return (running.requests, Int32(0)) }
            // A guard that is killed while it starts looks like a server that has ended, which is waited for a moment.
            if let running, !hasEnded(running.process) { return (running.requests, Int32(0)) }
            // Its socket stays open: another thread may be about to use its number.
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

    // In a container nobody else might, and a process that has ended would stay on the list.
    private static let reapsAtExit: Void = {
        atexit {
            guard let server = ForkServer.running.withLock({ $0.take() }) else { return }
            close(server.requests)
            let watch = shardline_watch(server.process)
            var wanted = pollfd(fd: watch, events: Int16(POLLIN), revents: 0)
            // Where a child still runs the server outlives this process, and ends with it.
            if watch >= 0 { _ = poll(&wanted, 1, 200) }
            waitpid(server.process, nil, WNOHANG)
        }
    }()

    /// Returns when nothing is left of what killed guards have left behind, as far as the server knows.
    static func settle() {
        let requests = running.withLock { $0?.requests }
        if let requests { _ = shardline_settle(requests) }
    }
}
