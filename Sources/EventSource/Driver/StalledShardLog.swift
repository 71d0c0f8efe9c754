import Logging
import StreamModel
import StreamStorage

/// What an operator hears of a mapping that does not get on: a line when that is noticed, and another one each time that
/// it has become twice as bad. However many shards it is about, it is one line.
///
/// The mapping is looked at every ten seconds. The same is in the metrics `LaneBlockedSeconds`, `IteratorAge`,
/// `CheckpointLag` and `OldestRecordAge` (ESM-M1, ESM-M8).
struct StalledShardLog {
    /// A shard whose lane has been on one unit for a while.
    struct Blocked {
        var state: MappingShardState
        var time: Duration
        /// The age of the oldest record that the lane holds.
        var age = Duration.zero
    }

    /// A line and how loud it is.
    struct Line: Hashable {
        var level: Logger.Level
        var text: String
    }

    /// A unit that takes no longer is nothing to talk about.
    static let patience = Duration.seconds(10)
    /// Nor is a record that has waited no longer.
    static let youngest = Duration.seconds(60)

    private var toldTime = Duration.zero
    private var toldCount = 0
    private var toldAge = Duration.zero
    /// What the look before found; nil: there was none.
    private var lastAge: Duration?

    /// The line about shards that are on one unit for long; nil where there is nothing new.
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
        // That a function fails is told by its failures.
        return Line(
            level: state.phase != .delivering && state.attempts > 0 ? .notice : .warning,
            text:
                "\(state.shard) has been on one unit for \(Self.text(worst.time))\(unit ?? "")\(others), \(what); last error: \(state.lastError ?? "none")"
        )
    }

    /// The line about records that get older while the function works; nil where they do not, or nothing is new.
    ///
    /// - Parameters:
    ///   - age: of the oldest record that a lane holds and that is not done.
    ///   - lag: how many records are not done; nil where that is not known.
    mutating func line(age: Duration, lag: Int?) -> Line? {
        // A backlog that is old and is being worked off is no news.
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
