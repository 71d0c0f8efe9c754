import CPosix
import Glibc

/// The state of a process by the system's account: whether it could answer.
package enum ProcessState: Hashable, Sendable {
    /// It runs, or sleeps until an event.
    case running
    /// It was stopped by Ctrl-Z or SIGSTOP; SIGCONT continues it.
    case stopped
    /// A debugger or tracer holds it.
    case traced
    /// It waits in the kernel, mostly for a disk, and can't be killed.
    case uninterruptible
    /// It has ended.
    case ended
    /// This process sees no such process: it has ended, or is in another container.
    case invisible

    /// The state of a process at this moment. Blocks for a moment.
    ///
    /// - Parameters:
    ///   - process: its process ID, as this process sees it.
    ///   - processes: the directory in which the system lists its processes.
    package static func of(_ process: Int32, in processes: String = "/proc") -> ProcessState {
        guard process > 0, let text = contents(of: "\(processes)/\(process)/stat") else { return .invisible }
        return ProcessState(stat: text)
    }

    /// Parses `/proc/PID/stat`: process ID, name in parentheses, which may hold any bytes, and the state's letter.
    init(stat: [UInt8]) {
        let rest = stat[(stat.lastIndex(of: UInt8(ascii: ")")).map { $0 + 1 } ?? stat.endIndex)...]
        guard let letter = rest.first(where: { $0 != UInt8(ascii: " ") }) else {
            self = .invisible
            return
        }
        switch letter {
        case UInt8(ascii: "T"): self = .stopped
        case UInt8(ascii: "t"): self = .traced
        case UInt8(ascii: "D"): self = .uninterruptible
        case UInt8(ascii: "Z"), UInt8(ascii: "X"), UInt8(ascii: "x"): self = .ended
        default: self = .running
        }
    }

    /// What keeps the process from answering and what to do about it, as the predicate of a sentence; nil where nothing
    /// is known.
    package func remedy(for process: Int32) -> String? {
        switch self {
        case .running, .ended, .invisible: nil
        case .stopped: "is stopped: continue it with `fg` in its terminal, or with `kill -CONT \(process)`"
        case .traced: "is held by a debugger or tracer: let it go on there"
        case .uninterruptible:
            "waits in the kernel, mostly for a disk or a network file system: look whether that answers"
        }
    }

    /// The name of a process for messages: its process ID and what keeps it from answering, if anything does.
    ///
    /// - Parameter advice: what to do about the process, such as "end it first". It comes after the advice for a
    ///   process that can't answer.
    package static func holder(_ process: Int32?, _ advice: String? = nil) -> String {
        let remedy = process.flatMap { of($0).remedy(for: $0) }
        let name = process.map { "process \($0)" } ?? "another process"
        return name + (remedy.map { ", which \($0)" } ?? "")
            + (advice.map { (remedy == nil ? ": " : "; then ") + $0 } ?? "")
    }

    /// The process at the other end of a Unix socket, as this process sees it; nil where it is not visible.
    package static func peer(of socket: Int32) -> Int32? {
        let process = shardline_peer_process(socket)
        return process > 0 ? process : nil
    }

    /// The process that holds a flock(2) lock on a file, by the system's list; nil where the list does not name it.
    static func lockHolder(device: dev_t, file: ino_t, in list: String = "/proc/locks") -> Int32? {
        guard let text = contents(of: list, atMost: 1 << 20) else { return nil }
        // 1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count >= 6, words[1] == "FLOCK", let process = Int32(words[4]), process > 0 else { continue }
            let place = words[5].split(separator: ":")
            guard place.count == 3, ino_t(place[2]) == file else { continue }
            // Split as makedev(3) composes them.
            let (major, minor) = (device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFFFFF00)
            if UInt(place[0], radix: 16) == major, UInt(place[1], radix: 16) == minor { return process }
        }
        return nil
    }

    /// The beginning of a file of the system's account of processes; nil where it can't be read.
    static func contents(of path: String, atMost limit: Int = 4096) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 4096)
        while bytes.count < limit {
            let count = read(descriptor, &room, room.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += room[..<count]
        }
        return bytes.isEmpty ? nil : bytes
    }
}
