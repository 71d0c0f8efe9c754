import CrashChild
import Glibc

/// A process that says what it does in a file, and can be killed at a moment.
///
/// All calls block: use them on a thread of their own.
final class ChildProcess {
    /// How a process ended.
    enum End: Hashable {
        case exited(Int32)
        case killed(by: Int32)
        /// It did not end within the limit, and was killed for it.
        case hung
    }

    struct SpawnFailure: Error, CustomStringConvertible {
        let description: String
    }

    /// Where the test programs are: beside the one that runs now.
    static let binaries: String = {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let length = buffer.withUnsafeMutableBytes { readlink("/proc/self/exe", $0.baseAddress!, $0.count) }
        let path = String(decoding: buffer.prefix(max(0, length)), as: UTF8.self)
        return String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    }()

    let pid: pid_t
    let outputPath: String
    let errorPath: String
    /// The file whose lines are waited for and read as reports; the output unless another one is named.
    let reportPath: String
    private(set) var end: End?

    /// Starts `program` (a name in ``binaries``, or a path) in a process group of its own, with its output in
    /// `files` + `.out` and its errors in `files` + `.err`. Its reports are in `reports` where that is not its output.
    init(
        _ program: String, _ arguments: [String], files: String, reports: String? = nil,
        environment: [String: String] = [:]
    ) throws {
        let path = program.contains("/") ? program : "\(Self.binaries)/\(program)"
        outputPath = files + ".out"
        errorPath = files + ".err"
        reportPath = reports ?? outputPath
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, outputPath, O_WRONLY | O_CREAT | O_APPEND | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errorPath, O_WRONLY | O_CREAT | O_APPEND | O_TRUNC, 0o600)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // What a thread of the tests blocks is no concern of the child's.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        var variables = Self.currentEnvironment.merging(environment) { _, new in new }
        // Not what the tests were told, and no backtrace, which would take a killed process seconds.
        variables["SHARDLINE_DATA"] = environment["SHARDLINE_DATA"]
        variables["SWIFT_BACKTRACE"] = "enable=no"
        let texts = ([path] + arguments).map { strdup($0) } + [nil]
        let settings = variables.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in texts + settings { free(text) } }
        var pid = pid_t()
        let result = posix_spawn(&pid, path, &actions, &attributes, texts, settings)
        guard result == 0 else {
            throw SpawnFailure(description: "can't start \(path): \(String(cString: strerror(result)))")
        }
        self.pid = pid
    }

    private static var currentEnvironment: [String: String] {
        var variables: [String: String] = [:]
        var place = environ
        while let text = place.pointee {
            let parts = String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            variables[String(parts[0])] = parts.count == 2 ? String(parts[1]) : ""
            place += 1
        }
        return variables
    }

    /// Sends a signal to the process and to what it has started itself.
    func signal(_ number: Int32) {
        if end == nil { _ = Glibc.kill(-pid, number) }
    }

    /// Whether the process has ended by now.
    func hasEnded() -> Bool {
        if end != nil { return true }
        var status: Int32 = 0
        guard waitpid(pid, &status, WNOHANG) == pid else { return false }
        end = status & 0x7F == 0 ? .exited(status >> 8 & 0xFF) : .killed(by: status & 0x7F)
        // What it had started may be alive still.
        _ = Glibc.kill(-pid, SIGKILL)
        return true
    }

    /// Returns when `condition` holds or the process has ended; false: neither came within the limit.
    @discardableResult
    func wait(limit: Duration = .seconds(30), until condition: () -> Bool = { false }) -> Bool {
        let deadline = ContinuousClock.now + limit
        while !hasEnded(), !condition() {
            guard ContinuousClock.now < deadline else { return false }
            usleep(500)
        }
        return true
    }

    /// Returns at the moment, or when the process has ended before it.
    func wait(for moment: KillMoment) {
        let started = ContinuousClock.now
        switch moment {
        case .afterStart(let milliseconds):
            wait { ContinuousClock.now >= started + .milliseconds(milliseconds) }
        case .afterOpening(let milliseconds):
            wait { self.lineCount() >= 1 }
            let opened = ContinuousClock.now
            wait { ContinuousClock.now >= opened + .milliseconds(milliseconds) }
        case .afterReports(let count):
            wait(limit: .seconds(2)) { self.lineCount() >= count }
        }
    }

    /// Kills the process at its moment, unless it ends before.
    func kill(at moment: KillMoment) {
        wait(for: moment)
        endByForce()
    }

    /// Kills the process unless it has ended, and returns when it has.
    func endByForce() {
        signal(SIGKILL)
        wait()
    }

    /// Waits for the process to end by itself; one that does not is killed and has ``End/hung``.
    func endByItself(limit: Duration = .seconds(30)) -> End {
        if !wait(limit: limit) {
            endByForce()
            end = .hung
        }
        return end ?? .hung
    }

    private var countedBytes = 0
    private var countedLines = 0

    /// How many whole lines it has written by now.
    func lineCount() -> Int {
        let descriptor = open(reportPath, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return countedLines }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = buffer.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress!, $0.count, off_t(countedBytes))
            }
            guard count > 0 else { return countedLines }
            countedBytes += count
            countedLines += buffer[..<count].count { $0 == 0x0A }
        }
    }

    /// How many whole lines there are in this many bytes.
    func lineCount(within bytes: Int) -> Int { Self.text(of: reportPath).utf8.prefix(bytes).count { $0 == 0x0A } }

    /// Whether the last line that it has written is this one.
    func hasWritten(_ line: String) -> Bool {
        let descriptor = open(reportPath, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        let expected = Array("\n\(line)\n".utf8)
        let start = lseek(descriptor, 0, SEEK_END) - off_t(expected.count)
        var buffer = [UInt8](repeating: 0, count: expected.count)
        guard start >= 0 else { return false }
        let count = buffer.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress!, $0.count, start) }
        return count == expected.count && buffer == expected
    }

    /// The whole lines that it has written; what a killed process left unfinished is not counted.
    func lines() -> [Substring] { Self.lines(of: reportPath) }

    static func lines(of path: String) -> [Substring] {
        let text = Self.text(of: path)
        guard let end = text.lastIndex(of: "\n") else { return [] }
        return text[..<end].split(separator: "\n")
    }

    /// The process's reports, and a complaint for each line that is none.
    func reports() -> [Report] { lines().map { Report(line: $0) ?? .failed("no report: \($0)") } }

    /// What it wrote as output.
    func output() -> String { Self.text(of: outputPath) }

    /// What it wrote as errors.
    func errors() -> String { Self.text(of: errorPath) }

    private static func text(of path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress!, $0.count) }
            guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
            bytes.append(contentsOf: buffer[..<count])
        }
    }
}
