import Logging
import Metrics
import StreamModel

/// Logs when the system's clock has gone back. Records that were put before then have arrival times in the future.
///
/// No data is lost: arrival times within a shard never decrease (STORE-C3), ages are never below 0, and retention
/// deletes that much later. It is logged for people who read times.
struct ClockWatch {
    /// Smaller steps are ordinary corrections by NTP.
    static let tolerance = Duration.seconds(1)

    private var newest: Timestamp
    /// The distance that was last logged.
    private var behind = Duration.zero
    private let logger: Logger
    private let gauge: Gauge

    /// - Parameter newest: the latest arrival of what the store holds.
    init(newest: Timestamp, logger: Logger, metrics: any MetricsFactory = MetricsSystem.factory) {
        self.newest = newest
        self.logger = logger
        gauge = Gauge(label: "shardline.ClockBehindSeconds", factory: metrics)
    }

    /// Compares the clock with the newest time seen.
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
