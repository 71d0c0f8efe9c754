import CProcess
import DiskAccess
import Glibc
import StreamModel

/// An environment variable of every process of a function, by which the process is found when guard, fork server and
/// owner were all killed. It names the store, the owner and the child.
struct ProcessMark: Sendable, Hashable {
    /// The variable's name.
    static let name = "SHARDLINE_OWNER"

    /// The store's directory by device and inode, which are the same for every path and differ for a copy.
    var store: String
    /// The owner by its process number and its start time, since process numbers are reused.
    var owner: String
    /// The number of the child among the owner's.
    var child: Int

    var value: String { "\(store)/\(owner)/\(child)" }

    /// How long to wait for processes that were killed: one that waits for a disk in the kernel ends only when that
    /// wait does.
    static let patience = Duration.seconds(10)

    /// Kills the processes with exactly this mark, and waits for their end. Returns those that are still there after
    /// ``patience``.
    ///
    /// - Parameter find: returns the processes whose mark fulfils a condition.
    func endProcesses(
        timeSource: some TimeSource = SystemTimeSource(),
        find: ((String) -> Bool) -> [MarkedProcess] = { MarkedProcess.all(where: $0) }
    ) -> [MarkedProcess] {
        let value = value
        let deadline = timeSource.monotonicTime + Self.patience
        while true {
            let found = find { $0 == value }
            guard !found.isEmpty, timeSource.monotonicTime < deadline else { return found }
            for process in found { process.kill(isStill: { $0 == value }) }
        }
    }

    /// The name of this process in marks.
    static let thisProcess: String = {
        let stat = MarkedProcess.contents(of: "/proc/self/stat")
        // Field 22 is the start time; field 3 is the first after the name, which may contain anything.
        let behind = stat.lastIndex(of: UInt8(ascii: ")")).map { stat[($0 + 1)...] } ?? []
        let fields = behind.split(separator: UInt8(ascii: " "))
        return "\(getpid())-" + (fields.count > 19 ? String(decoding: fields[19], as: UTF8.self) : "0")
    }()
}

/// A process with a mark.
struct MarkedProcess: Sendable, Hashable {
    let id: pid_t
    let mark: String
    /// Its current command line.
    let command: String

    /// The processes whose mark `isWanted`; those of other users can't be examined.
    static func all(where isWanted: (String) -> Bool) -> [MarkedProcess] {
        guard let directory = opendir("/proc") else { return [] }
        defer { closedir(directory) }
        var found: [MarkedProcess] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let id = pid_t(name), id != getpid(), let mark = mark(of: id), isWanted(mark) else { continue }
            let words = contents(of: "/proc/\(id)/cmdline").split(separator: 0)
            let command = words.map { String(decoding: $0, as: UTF8.self) }.joined(separator: " ")
            found.append(MarkedProcess(id: id, mark: mark, command: Readable.shortened(command, to: 80)))
        }
        return found
    }

    private static func mark(of id: pid_t) -> String? {
        let prefix = Array("\(ProcessMark.name)=".utf8)
        return contents(of: "/proc/\(id)/environ").split(separator: 0).first { $0.starts(with: prefix) }
            .map { String(decoding: $0.dropFirst(prefix.count), as: UTF8.self) }
    }

    /// Kills the process if it still has such a mark, and waits briefly for its end.
    func kill(isStill isWanted: (String) -> Bool) {
        // The number may belong to another process by now; the descriptor always means the same process.
        let watch = shardline_watch(id)
        guard watch >= 0 else {
            if errno == ENOSYS, let mark = Self.mark(of: id), isWanted(mark) { Glibc.kill(id, SIGKILL) }
            return
        }
        defer { close(watch) }
        guard let mark = Self.mark(of: id), isWanted(mark), shardline_signal(watch, SIGKILL) == 0 else { return }
        var wanted = pollfd(fd: watch, events: Int16(POLLIN), revents: 0)
        _ = poll(&wanted, 1, 20)
    }

    /// A file of `/proc`; empty where it can't be read.
    static func contents(of path: String) -> [UInt8] {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 << 10)
        while true {
            let count = read(file, &chunk, chunk.count)
            guard count > 0 else { return bytes }
            bytes += chunk[..<count]
        }
    }
}
