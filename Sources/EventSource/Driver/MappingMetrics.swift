import Metrics
import StreamModel

/// The figures of a mapping for swift-metrics (ESM-M1 to ESM-M8). They have Lambda's names if Lambda has them, with the
/// prefix `shardline.`.
///
/// Each has the dimensions `stream` and `mapping`. The page "Metrics" of the documentation lists them all.
struct MappingMetrics: Sendable {
    /// The counters, each with the lane's count that it shows (ESM-M2 to ESM-M8).
    static let counters: [(name: String, count: @Sendable (borrowing LaneCore.Counters) -> Int)] = [
        ("PolledEventCount", { $0.polled }),
        ("FilteredOutEventCount", { $0.filteredOut }),
        ("InvokedEventCount", { $0.invokedRecords }),
        ("FailedInvokeEventCount", { $0.failedInvokedRecords }),
        ("ResentEventCount", { $0.resentRecords }),
        ("SucceededEventCount", { $0.succeeded }),
        ("GivenUpEventCount", { $0.givenUp }),
        ("DroppedEventCount", { $0.dropped }),
        ("OnFailureDestinationDeliveredEventCount", { $0.destinationDelivered }),
        ("DestinationDeliveryFailures", { $0.destinationFailures }),
        ("ExpiredEventCount", { $0.expired }),
        ("LostEventCount", { $0.lost }),
        ("ReleasedEventCount", { $0.released }),
        ("Invocations", { $0.invocations }),
        ("Errors", { $0.errors }),
        ("Throttles", { $0.notReached }),
        ("Retries", { $0.retries }),
        ("Splits", { $0.splits }),
        ("PartialSuccesses", { $0.partialSuccesses }),
        ("BatchesClosed", { $0.batches.total }),
        ("Checkpoints", { $0.checkpoints }),
    ]

    private let counters: [Counter]
    private let redelivered: Counter
    private let durations: Timer
    private let iteratorAges: Recorder
    private let blocked: Recorder
    private let lag: Gauge
    private let oldest: Gauge

    init(stream: String, mapping: String, factory: any MetricsFactory = MetricsSystem.factory) {
        let dimensions = [("stream", stream), ("mapping", mapping)]
        func label(_ name: String) -> String { "shardline.\(name)" }
        func counter(_ name: String) -> Counter {
            Counter(label: label(name), dimensions: dimensions, factory: factory)
        }
        counters = Self.counters.map { counter($0.name) }
        redelivered = counter("RedeliveredEventCount")
        durations = Timer(label: label("Duration"), dimensions: dimensions, factory: factory)
        iteratorAges = Recorder(label: label("IteratorAge"), dimensions: dimensions, aggregate: true, factory: factory)
        blocked = Recorder(
            label: label("LaneBlockedSeconds"), dimensions: dimensions, aggregate: true, factory: factory)
        lag = Gauge(label: label("CheckpointLag"), dimensions: dimensions, factory: factory)
        oldest = Gauge(label: label("OldestRecordAge"), dimensions: dimensions, factory: factory)
    }

    /// Adds what a lane has counted between two moments.
    func record(from old: borrowing LaneCore.Counters, to new: borrowing LaneCore.Counters) {
        for (index, metric) in Self.counters.enumerated() {
            let difference = metric.count(new) - metric.count(old)
            if difference > 0 { counters[index].increment(by: difference) }
        }
    }

    /// Records an invocation that reached the function (ESM-M1, ESM-M7).
    ///
    /// - Parameters:
    ///   - duration: how long the invocation took.
    ///   - age: the age of the batch's last record when it was sent.
    ///   - again: how many of its records had been sent before this lane started.
    func invoked(for duration: Duration, age: Duration, redelivered again: Int) {
        durations.recordMilliseconds(duration.inSeconds * 1000)
        iteratorAges.record(age.wholeMilliseconds)
        if again > 0 { redelivered.increment(by: again) }
    }

    /// Records how long a lane has been on one unit (ESM-M8), and the age of its oldest record if it is known (ESM-M1).
    func blocked(_ duration: Duration, age: Duration?) {
        blocked.record(duration.inSeconds)
        if let age { iteratorAges.record(age.wholeMilliseconds) }
    }

    /// Records the current backlog (ESM-M8).
    func show(_ backlog: MappingBacklog, at now: Timestamp) {
        lag.record(backlog.records)
        // If the clock went back, the age is zero, not negative.
        oldest.record(max(.zero, backlog.oldest.map { now - $0 } ?? .zero).wholeMilliseconds)
    }
}
