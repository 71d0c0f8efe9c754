import Glibc

/// The resource usage of this process, for reports.
package struct ProcessUsage: Sendable {
    /// Processor time of all threads, in seconds.
    package var processorSeconds: Double
    /// The most memory that was resident at once since the start or ``forgetPeak()``, in bytes (VmHWM).
    package var peakResidentBytes: Int

    /// The usage now. Blocks for a moment.
    package static var now: ProcessUsage {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return ProcessUsage(
            processorSeconds: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            peakResidentBytes: peak() ?? usage.ru_maxrss * 1024)
    }

    /// The processor time of all threads of a process, in seconds, in steps of the system's clock tick (mostly 10 ms); nil
    /// where there is no such process. Blocks for a moment.
    package static func processorSeconds(of process: Int32) -> Double? {
        guard process > 0, let stat = ProcessState.contents(of: "/proc/\(process)/stat"),
            let end = stat.lastIndex(of: UInt8(ascii: ")"))
        else { return nil }
        // From the state on: fields 14 and 15 of proc(5) are those of programs and kernel.
        let fields = stat[stat.index(after: end)...].split(separator: UInt8(ascii: " "))
        guard fields.count > 12, let user = Int(String(decoding: fields[11], as: UTF8.self)),
            let system = Int(String(decoding: fields[12], as: UTF8.self))
        else { return nil }
        return Double(user + system) / Double(max(1, sysconf(Int32(_SC_CLK_TCK))))
    }

    /// The number of online processors, at least 1.
    package static let processorCount = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))

    /// The most files that this process may have open at once (`ulimit -n`).
    package static var openFileLimit: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_cur)
    }

    /// Lets this process open as many files as it may let itself.
    package static func raiseOpenFileLimit() {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }

    /// Resets ``peakResidentBytes`` to what is resident now. Does nothing where the system does not support it.
    package static func forgetPeak() {
        let descriptor = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var five = UInt8(ascii: "5")
        _ = write(descriptor, &five, 1)
    }

    private static func peak() -> Int? {
        let descriptor = open("/proc/self/status", O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var room = [UInt8](repeating: 0, count: 8192)
        let count = read(descriptor, &room, room.count)
        guard count > 0 else { return nil }
        for line in String(decoding: room[..<count], as: UTF8.self).split(separator: "\n") {
            guard line.hasPrefix("VmHWM:") else { continue }
            return line.split(whereSeparator: { " \t".contains($0) }).dropFirst().first.flatMap { Int($0) }
                .map { $0 * 1024 }
        }
        return nil
    }
}
