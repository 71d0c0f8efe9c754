import Logging
import Metrics
import StreamModel

/// Tells when the system's clock has gone back: what was put before is younger than now then.
///
/// Nothing is lost by it: within a shard a record never arrives before the one before it (STORE-C3), ages are never
/// below 0, and retention deletes that much later. But who reads times should know.
struct ClockWatch {
    /// Less is what keeping a clock right takes now and then.
    static let tolerance = Duration.seconds(1)

    private var newest: Timestamp
    /// How far behind it was when that was last shown.
    private var behind = Duration.zero
    private let logger: Logger
    private let gauge: Gauge

    /// - Parameter newest: the latest arrival of what the store holds.
    init(newest: Timestamp, logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory) {
        self.newest = newest
        self.logger = logger
        gauge = Gauge(label: "shardline.ClockBehindSeconds", factory: metrics)
    }

    /// Looks at the clock.
    mutating func look(at now: Timestamp) {
        guard now < newest else {
            newest = now
            if behind > .zero {
                behind = .zero
                gauge.record(0)
                logger.notice("the system's clock is where it was before it went back")
            }
            return
        }
        let distance = newest - now
        guard distance > Self.tolerance, behind == .zero || abs((distance - behind).inSeconds) >= 1 else { return }
        if behind == .zero {
            logger.warning(
                "the system's clock went back by \(distance.inSeconds) s: until it is there again, records arrive at the time of the newest one in their shard, and what is too old is deleted that much later"
            )
        }
        behind = distance
        gauge.record(distance.inSeconds)
    }
}
