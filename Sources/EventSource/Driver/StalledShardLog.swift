import Logging
import StreamModel
import StreamStorage

/// Decides the log lines about a mapping that makes no progress: one line when this is noticed, and another each time
/// that it has become twice as bad. One line stands for any number of shards.
///
/// The mapping is checked every ten seconds. The same figures are in the metrics `LaneBlockedSeconds`, `IteratorAge`,
/// `CheckpointLag` and `OldestRecordAge` (ESM-M1, ESM-M8).
struct StalledShardLog {
    /// A shard whose lane has been on one unit for at least ``patience``.
    struct Blocked {
        var state: MappingShardState
        var time: Duration
        /// The age of the oldest record that the lane holds.
        var age = Duration.zero
    }

    /// A line and its level.
    struct Line: Hashable {
        var level: Logger.Level
        var text: String
    }

    /// The time on one unit from which on a shard counts as blocked.
    static let patience = Duration.seconds(10)
    /// The age of the oldest record from which on a line is logged.
    static let youngest = Duration.seconds(60)

    private var toldTime = Duration.zero
    private var toldCount = 0
    private var toldAge = Duration.zero
    /// The age at the previous check; nil at the first one.
    private var lastAge: Duration?

    /// The line about blocked shards; nil if there is nothing new.
    mutating func line(blocked: [Blocked]) -> Line? {
        guard let worst = blocked.max(by: { $0.time < $1.time }) else {
            (toldTime, toldCount) = (.zero, 0)
            return nil
        }
        guard worst.time >= toldTime * 2 || blocked.count >= toldCount * 2 else { return nil }
        (toldTime, toldCount) = (worst.time, blocked.count)
        let state = worst.state
        let what =
            switch state.phase {
            case .delivering: "waiting for the failure destination"
            case .retrying: "trying again after \(state.attempts) failed \(state.attempts == 1 ? "try" : "tries")"
            default: state.phase.rawValue
            }
        let others = blocked.count == 1 ? "" : ", the longest of \(blocked.count) shards"
        let unit = state.unit.map { " (\(RecordText.of($0)), the oldest record is \(RecordText.age(worst.age)) old)" }
        // The function's failures are logged on their own.
        return Line(
            level: state.phase != .delivering && state.attempts > 0 ? .notice : .warning,
            text:
                "\(state.shard) has been on one unit for \(Self.text(worst.time))\(unit ?? "")\(others), \(what); last error: \(state.lastError ?? "none")"
        )
    }

    /// The line about a function that is slower than the producers; nil if it isn't or there is nothing new.
    ///
    /// - Parameters:
    ///   - age: the age of the oldest record that a lane holds and that is not done.
    ///   - lag: the number of records that are not done; nil if it is not known.
    mutating func line(age: Duration, lag: Int?) -> Line? {
        // An old backlog that doesn't get older is not logged.
        let grows = lastAge.map { age > $0 } ?? false
        lastAge = age
        if age < Self.youngest { toldAge = .zero }
        guard grows, age >= Self.youngest, age >= toldAge * 2 else { return nil }
        toldAge = age
        return Line(
            level: .warning,
            text:
                "the function is slower than what is put: \(lag.map { "\($0) records are not done, " } ?? "")the oldest at hand is \(RecordText.age(age)) old and gets older"
        )
    }

    private static func text(_ duration: Duration) -> String {
        RecordText.age(duration)
    }
}
