import Glibc
public import StreamModel

/// The machine's own clocks.
public struct SystemTimeSource: TimeSource {
    private static let origin = ContinuousClock.now

    /// The machine's own clocks.
    public init() {}

    /// The machine's UTC clock.
    public var wallTime: Timestamp {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Timestamp(milliseconds: Int64(now.tv_sec) * 1000 + Int64(now.tv_nsec) / 1_000_000)
    }

    /// The time since the process first asked.
    public var monotonicTime: MonotonicTime {
        MonotonicTime(sinceOrigin: Self.origin.duration(to: .now))
    }

    /// Waits on the machine's continuous clock.
    public func sleep(until deadline: MonotonicTime) async throws {
        try await Task.sleep(until: Self.origin.advanced(by: deadline.sinceOrigin), clock: .continuous)
    }
}
