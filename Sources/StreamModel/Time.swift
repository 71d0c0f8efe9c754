/// A moment of the wall clock: milliseconds since 1970 in UTC. Used for arrival, age and retention.
public struct Timestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    public let milliseconds: Int64

    /// The moment this many milliseconds after 1970.
    public init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// The milliseconds that files and other processes may hold: 140,000 years around 1970, so that no sum or
    /// difference with a retention or an age overflows.
    package static let plausible: ClosedRange<Int64> = -(1 << 52)...1 << 52

    /// Whole seconds since 1970, rounded down; 0 before 1970.
    public var second: UInt64 { milliseconds > 0 ? UInt64(milliseconds / 1000) : 0 }

    /// The earlier one first.
    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.milliseconds < right.milliseconds }
    /// The moment this much later.
    public static func + (left: Timestamp, right: Duration) -> Timestamp {
        Timestamp(milliseconds: left.milliseconds + right.wholeMilliseconds)
    }
    /// The moment this much earlier.
    public static func - (left: Timestamp, right: Duration) -> Timestamp {
        Timestamp(milliseconds: left.milliseconds - right.wholeMilliseconds)
    }
    /// The time from `right` to `left`.
    public static func - (left: Timestamp, right: Timestamp) -> Duration {
        .milliseconds(left.milliseconds - right.milliseconds)
    }

    /// ISO 8601 with milliseconds, in UTC: `2019-11-14T00:38:04.835Z`.
    public var description: String {
        func padded(_ value: Int64, _ width: Int) -> String {
            let digits = String(value)
            return String(repeating: "0", count: Swift.max(0, width - digits.utf8.count)) + digits
        }
        // Rounded down, before 1970 too.
        let rest = milliseconds % 86_400_000
        let inDay = rest < 0 ? rest + 86_400_000 : rest
        let (year, month, day) = Self.civil(daysSince1970: milliseconds / 86_400_000 - (rest < 0 ? 1 : 0))
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))T"
            + "\(padded(inDay / 3_600_000, 2)):\(padded(inDay / 60_000 % 60, 2)):"
            + "\(padded(inDay / 1000 % 60, 2)).\(padded(inDay % 1000, 3))Z"
    }

    // The proleptic Gregorian calendar by eras of 400 years that begin on 1 March, so that the leap day is the last.
    private static func civil(daysSince1970: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let shifted = daysSince1970 + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}

/// A moment of a clock that never goes back and has no relation to the calendar.
/// Used for windows, back-off and time-outs.
public struct MonotonicTime: Hashable, Comparable, Sendable {
    /// The time since an arbitrary moment that is the same for all readings of one ``TimeSource``.
    public let sinceOrigin: Duration

    /// The moment this long after the clock's origin.
    public init(sinceOrigin: Duration) { self.sinceOrigin = sinceOrigin }

    /// The earlier one first.
    public static func < (left: MonotonicTime, right: MonotonicTime) -> Bool { left.sinceOrigin < right.sinceOrigin }
    /// The moment this much later.
    public static func + (left: MonotonicTime, right: Duration) -> MonotonicTime {
        MonotonicTime(sinceOrigin: left.sinceOrigin + right)
    }
    /// The time from `right` to `left`.
    public static func - (left: MonotonicTime, right: MonotonicTime) -> Duration {
        left.sinceOrigin - right.sinceOrigin
    }
}

/// The two clocks that a store or a mapping reads, and its only way to wait. Injected, so that tests run in virtual
/// time.
public protocol TimeSource: Sendable {
    /// The wall clock. It may jump; the caller clamps.
    var wallTime: Timestamp { get }
    /// The monotonic clock.
    var monotonicTime: MonotonicTime { get }
    /// Returns when the monotonic clock has reached `deadline`; throws `CancellationError` when the task is cancelled.
    func sleep(until deadline: MonotonicTime) async throws
}

extension Duration {
    package var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
    }

    /// The duration as the command's options take it, in the largest unit that divides it: `36h`, `90s`, `1500ms`.
    package var optionText: String {
        let (seconds, attoseconds) = components
        if attoseconds != 0 {
            let isLong = seconds.magnitude > 1 << 50
            return isLong || attoseconds % 1_000_000_000_000_000 != 0 ? "\(inSeconds)s" : "\(wholeMilliseconds)ms"
        }
        for (length, unit) in [(86_400 as Int64, "d"), (3600, "h"), (60, "m")]
        where seconds != 0 && seconds % length == 0 {
            return "\(seconds / length)\(unit)"
        }
        return "\(seconds)s"
    }

    /// The duration in seconds, for reports.
    package var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}
