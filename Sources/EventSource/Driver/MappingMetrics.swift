import Metrics
import StreamModel

/// The figures of a mapping for swift-metrics, under Lambda's names with `shardline.` before them (ESM-M).
///
/// Every one has the dimensions `stream` and `mapping`.
struct MappingMetrics: Sendable {
    private let polled: Counter
    private let invoked: Counter
    private let failedInvoked: Counter
    private let dropped: Counter
    private let delivered: Counter
    private let deliveryFailures: Counter
    private let invocations: Counter
    private let errors: Counter
    private let throttles: Counter
    private let expired: Counter
    private let lost: Counter
    private let durations: Timer
    private let iteratorAges: Recorder
    private let blocked: Recorder
    private let lag: Recorder

    init(stream: String, mapping: String, factory: any MetricsFactory = MetricsSystem.factory) {
        let dimensions = [("stream", stream), ("mapping", mapping)]
        func counter(_ name: String) -> Counter {
            Counter(label: "shardline.\(name)", dimensions: dimensions, factory: factory)
        }
        polled = counter("PolledEventCount")
        invoked = counter("InvokedEventCount")
        failedInvoked = counter("FailedInvokeEventCount")
        dropped = counter("DroppedEventCount")
        delivered = counter("OnFailureDestinationDeliveredEventCount")
        deliveryFailures = counter("DestinationDeliveryFailures")
        invocations = counter("Invocations")
        errors = counter("Errors")
        throttles = counter("Throttles")
        expired = counter("ExpiredEventCount")
        lost = counter("LostEventCount")
        durations = Timer(label: "shardline.Duration", dimensions: dimensions, factory: factory)
        iteratorAges = Recorder(
            label: "shardline.IteratorAge", dimensions: dimensions, aggregate: true, factory: factory)
        blocked = Recorder(
            label: "shardline.LaneBlockedSeconds", dimensions: dimensions, aggregate: true, factory: factory)
        lag = Recorder(label: "shardline.CheckpointLag", dimensions: dimensions, aggregate: true, factory: factory)
    }

    /// What a lane has counted between two moments (M2 to M8).
    func record(from old: LaneCore.Counters, to new: LaneCore.Counters) {
        func add(_ counter: Counter, _ difference: Int) { if difference > 0 { counter.increment(by: difference) } }
        add(polled, new.polled - old.polled)
        add(invoked, new.invokedRecords - old.invokedRecords)
        add(failedInvoked, new.failedInvokedRecords - old.failedInvokedRecords)
        add(dropped, new.dropped - old.dropped)
        add(delivered, new.destinationDelivered - old.destinationDelivered)
        add(deliveryFailures, new.destinationFailures - old.destinationFailures)
        add(invocations, new.invocations - old.invocations)
        add(errors, new.errors - old.errors)
        add(throttles, new.notReached - old.notReached)
        add(expired, new.expired - old.expired)
        add(lost, new.lost - old.lost)
    }

    /// The age of a batch's last record when it is sent, or of the oldest record that is not done (M1).
    func iteratorAge(_ age: Duration) { iteratorAges.record(age.wholeMilliseconds) }
    /// How long an invocation took (M7).
    func duration(_ duration: Duration) { durations.recordMilliseconds(duration.inSeconds * 1000) }
    /// How long a lane has been on one unit (M8).
    func blocked(_ duration: Duration) { blocked.record(duration.inSeconds) }
    /// Records between checkpoint and tip (M8).
    func lag(_ records: Int) { lag.record(records) }
}
