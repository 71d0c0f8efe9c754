import CProcess
import Glibc
import Synchronization

/// A child process that runs a command of the shell, and this side's ends of its three pipes.
///
/// It gets nothing else of this process: no file descriptor, no signal setting. It leads a process group of its own,
/// so Ctrl-C at the terminal reaches only us, and ending it ends what it has started. Used by one thread, the one that
/// started it: the system ends the child together with that thread.
final class ChildProcess {
    /// How a child ended.
    enum End: Equatable, CustomStringConvertible {
        case exited(Int32)
        case signalled(Int32)

        var description: String {
            switch self {
            case .exited(let code): "ended with exit code \(code)"
            case .signalled(let number): "was ended by signal \(number) (\(String(cString: strsignal(number))))"
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
    /// Readable once the child has ended, also where what it has started holds its output open; -1: there is no such.
    let watch: Int32
    private var end: End?

    /// The children that run: their numbers and those of their groups.
    private static let running = Mutex<Set<pid_t>>([])

    /// Ends this process at once, with all children and what they have started. None can be started meanwhile.
    static func endAllAndExit(_ code: Int32) -> Never {
        running.withLock { running in
            for id in running { Glibc.kill(-id, SIGKILL) }
            _exit(code)
        }
    }

    /// Starts `sh -c command`, with `environment` added to this process's own. Throws what the system said, in words.
    init(command: String, environment additions: [(name: String, value: String)]) throws(StartFailure) {
        // Writing to a child that has ended must be an error of that call, not the end of this process.
        signal(SIGPIPE, SIG_IGN)
        var variables: [UnsafeMutablePointer<CChar>?] = []
        defer { for variable in variables { free(variable) } }
        var inherited = environ
        while let variable = inherited.pointee {
            inherited += 1
            let text = String(cString: variable)
            if !additions.contains(where: { text.hasPrefix($0.name + "=") }) { variables.append(strdup(text)) }
        }
        for (name, value) in additions { variables.append(strdup("\(name)=\(value)")) }
        variables.append(nil)
        let (child, error) = Self.running.withLock { running in
            var child = shardline_child()
            let error = shardline_spawn(command, variables, &child)
            if error == 0 { running.insert(child.pid) }
            return (child, error)
        }
        guard error == 0 else { throw StartFailure(reason: systemMessage(error)) }
        id = child.pid
        watch = shardline_watch(child.pid)
        input = child.input
        output = child.output
        errors = child.errors
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
        if watch >= 0 { close(watch) }
    }

    /// Tells the child that no more events come.
    func closeInput() {
        guard input >= 0 else { return }
        close(input)
        input = -1
    }

    /// Asks the child and what it has started to end.
    func terminate() { if end == nil { Glibc.kill(-id, SIGTERM) } }

    /// Ends the child and what it has started, at once, and answers how it ended: by itself before, or by this.
    func kill() -> End {
        // A child that has ended already is only waited for, so what is told is its own end.
        if let end = end ?? reap(WNOHANG) { return end }
        Glibc.kill(-id, SIGKILL)
        Glibc.kill(id, SIGKILL)
        return reap(0) ?? .signalled(SIGKILL)
    }

    /// How the child ended; nil while it runs.
    func ended() -> End? { end ?? reap(WNOHANG) }

    /// Waits until the child has ended by itself.
    func waitForEnd() -> End { end ?? reap(0) ?? .signalled(SIGKILL) }

    private func reap(_ options: Int32) -> End? {
        // What the child has started may live on, and would work on beside the next child. Its group is ended before
        // the child is taken from the system's list: until then nobody else can have the group's number.
        guard shardline_has_ended(id, options & WNOHANG == 0 ? 1 : 0) == 1 else { return nil }
        Glibc.kill(-id, SIGKILL)
        var status: Int32 = 0
        let answer = Self.running.withLock { running in
            // From here on the number may be somebody else's.
            running.remove(id)
            var answer: pid_t
            repeat { answer = waitpid(id, &status, options) } while answer < 0 && errno == EINTR
            return answer
        }
        guard answer == id else { return nil }
        let signal = status & 0x7F
        end = signal == 0 ? .exited(status >> 8 & 0xFF) : .signalled(signal)
        return end
    }
}
