import CrashChild
import Glibc

/// Places and limits that a test asks the system for: they are there for one process and what it starts, and go with it.
enum Machine {
    /// What a test needs and not every machine allows.
    enum Need: String, CaseIterable {
        /// A file system of its own in memory.
        case mounting = "unshare -m sh -c 'mount -t tmpfs -o size=1m none /mnt'"
        /// One in a file.
        case loopDevices =
            "f=$(mktemp); truncate -s 4M $f; mkfs.ext4 -q -F $f && unshare -m mount -o loop $f /mnt; s=$?; rm $f; exit $s"
        /// A group of processes with a limit on memory.
        case memoryGroups =
            "d=/sys/fs/cgroup/memory/shardline-probe-$$; mkdir $d && echo $((256 << 20)) > $d/memory.limit_in_bytes; s=$?; rmdir $d; exit $s"
        /// To give up root's rights, or to have none.
        case plainUser = "[ $(id -u) != 0 ] || setpriv --reuid 65534 --regid 65534 --clear-groups true"
    }

    /// Whether the system allows it; asked once.
    static func allows(_ need: Need) -> Bool { allowed.contains(need) }

    private static let allowed = Set(
        Need.allCases.filter { need in
            guard
                let probe = try? ChildProcess(
                    "/bin/sh", ["-c", need.rawValue], files: "/tmp/shardline-probe-\(getpid())")
            else { return false }
            defer {
                unlink(probe.outputPath)
                unlink(probe.errorPath)
            }
            return probe.endByItself() == .exited(0)
        })
}

extension CrashDirectory {
    /// Runs a script of the shell that finds this directory in `$1`, the test process in `$2`, and the other arguments after these.
    mutating func script(_ text: String, _ arguments: String...) throws -> ChildProcess {
        try ChildProcess(
            "/bin/sh", ["-c", text, "sh", path, "\(ChildProcess.binaries)/CrashChild"] + arguments,
            files: nextFiles("script"))
    }
}

extension [Report] {
    /// What was measured under this name; nil: nothing was.
    func measured(_ name: String) -> Int? {
        for case .measured(name, let value) in self { return value }
        return nil
    }
}
