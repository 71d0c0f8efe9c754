import Glibc

/// The descriptors of this process.
private func opened() -> [Int32] {
    guard let directory = opendir("/proc/self/fd") else { return [] }
    defer { closedir(directory) }
    var numbers: [Int32] = []
    while let entry = readdir(directory) {
        let name = withUnsafeBytes(of: entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        if let number = Int32(name) { numbers.append(number) }
    }
    return numbers
}

/// A child process, started and waited for by system calls: what Foundation's `Process` waits on may be inherited by
/// another child that is started at the same moment, and then the end of the first is noticed at the end of the other.
package final class SpawnedProcess {
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    package let pid: pid_t
    /// Writes to its standard input; nil where that is a file, or was closed.
    private var input: Int32?
    private var status: Int32?

    /// Starts the program at `path`. Output and errors go to these files, which are recreated; input comes from a file,
    /// or with nil from ``write(_:)``. `environment` is all that it gets.
    package init(
        _ path: String, _ arguments: [String], input: String?, output: String, errors: String,
        environment: [String: String], directory: String? = nil
    ) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        var pipe: [Int32] = [-1, -1]
        defer { if pipe[0] >= 0 { close(pipe[0]) } }
        if let input {
            posix_spawn_file_actions_addopen(&actions, 0, input, O_RDONLY, 0)
        } else {
            guard Glibc.pipe(&pipe) == 0 else { throw Failure(description: "no pipe: errno \(errno)") }
            for end in pipe { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            posix_spawn_file_actions_adddup2(&actions, pipe[0], 0)
            self.input = pipe[1]
        }
        posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        // What a spawned process could do itself is hidden from Swift.
        let command = (directory.map { ["/usr/bin/env", "-C", $0] } ?? []) + [path] + arguments
        // Of what the tests have open it gets nothing.
        for name in opened() where name > 2 { _ = fcntl(name, F_SETFD, FD_CLOEXEC) }
        let texts = command.map { strdup($0) } + [nil]
        let variables = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in texts + variables { free(text) } }
        // A thread of the tests may block signals; a shell with SIGCHLD blocked would wait for its children for ever.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var pid = pid_t()
        let result = posix_spawn(&pid, command[0], &actions, &attributes, texts, variables)
        guard result == 0 else {
            if let input = self.input { close(input) }
            throw Failure(description: "can't start '\(path)': \(String(cString: strerror(result)))")
        }
        // Behind that: without a child there is nothing to end.
        self.pid = pid
    }

    deinit {
        endInput()
        guard end(waits: false) == nil else { return }
        kill(pid, SIGKILL)
        _ = end(waits: true)
    }

    package func write(_ text: String) throws {
        guard let input else { throw Failure(description: "its input was closed") }
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { Glibc.write(input, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw Failure(description: "its input takes nothing: errno \(errno)") }
            bytes = bytes.dropFirst(count)
        }
    }

    package func endInput() {
        if let input { close(input) }
        input = nil
    }

    /// Its exit code, or its signal's number, negated; nil where it has not ended.
    package func end(waits: Bool) -> Int32? {
        if status == nil {
            var found: Int32 = 0
            var result: pid_t
            repeat { result = waitpid(pid, &found, waits ? 0 : WNOHANG) } while result < 0 && errno == EINTR
            if result == pid { status = found }
        }
        return status.map { $0 & 0x7F == 0 ? $0 >> 8 & 0xFF : -($0 & 0x7F) }
    }
}
