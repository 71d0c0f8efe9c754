import Shardline
import Synchronization

/// The clocks of a store that gets records of another time: the wall clock stands at the moment of the data, until it is
/// moved on.
///
/// The store stamps records with it, so their arrival times, and with them their windows, are those of the data. What
/// lasts, such as a time limit or a pause, is measured by the machine's own clock.
public final class ReplayClock: TimeSource {
    private let machine = SystemTimeSource()
    private let moment: Mutex<Timestamp>

    /// Clocks whose wall clock stands at `moment`.
    public init(at moment: Timestamp) { self.moment = Mutex(moment) }

    /// The moment to which the clock was moved last.
    public var wallTime: Timestamp { moment.withLock { $0 } }
    /// The machine's monotonic clock.
    public var monotonicTime: MonotonicTime { machine.monotonicTime }
    /// Waits on the machine's clock.
    public func sleep(until deadline: MonotonicTime) async throws { try await machine.sleep(until: deadline) }

    /// Moves the wall clock on; it never goes back.
    public func move(to moment: Timestamp) { self.moment.withLock { $0 = max($0, moment) } }
}
