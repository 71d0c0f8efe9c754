import Metrics
import StreamModel
import Synchronization

/// The figures of a mapping for swift-metrics (ESM-M1 to ESM-M8). They have Lambda's names if Lambda has them.
///
/// Those of the mapping have the prefix `shardline.` and the dimensions `stream` and `mapping`. Where the settings ask
/// for it, each shard has the same ones with the prefix `shardline.shard.` and the dimension `shard` in addition: under
/// labels of their own, since a backend may add up all values of a label, and may refuse one with other dimensions. The
/// page "Metrics" of the documentation lists them all.
final class MappingMetrics: Sendable {
    /// The counters, each with the lane's count that it shows (ESM-M2 to ESM-M8).
    static let counters: [(name: String, count: @Sendable (borrowing LaneCore.Counters) -> Int)] = [
        ("PolledEventCount", { $0.polled }),
        ("FilteredOutEventCount", { $0.filteredOut }),
        ("InvokedEventCount", { $0.invokedRecords }),
        ("FailedInvokeEventCount", { $0.failedInvokedRecords }),
        ("ResentEventCount", { $0.resentRecords }),
        ("SucceededEventCount", { $0.succeeded }),
        ("RecordsParked", { $0.parked }),
        ("GivenUpEventCount", { $0.givenUp }),
        ("DroppedEventCount", { $0.dropped }),
        ("OnFailureDestinationDeliveredEventCount", { $0.destinationDelivered }),
        ("DestinationDeliveryFailures", { $0.destinationFailures }),
        ("ExpiredEventCount", { $0.expired }),
        ("LostEventCount", { $0.lost }),
        ("LateEventCount", { $0.late }),
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

    static let redelivered = "RedeliveredEventCount"

    /// The metrics of a mapping or of one shard.
    fileprivate struct Handlers: Sendable {
        let counters: [Counter]
        let redelivered: Counter
        let durations: Timer
        let iteratorAges: Recorder
        let blocked: Recorder
        let lag: Gauge
        let oldest: Gauge

        init(prefix: String, _ dimensions: [(String, String)], _ factory: any MetricsFactory) {
            func counter(_ name: String) -> Counter {
                Counter(label: prefix + name, dimensions: dimensions, factory: factory)
            }
            func recorder(_ name: String) -> Recorder {
                Recorder(label: prefix + name, dimensions: dimensions, aggregate: true, factory: factory)
            }
            counters = MappingMetrics.counters.map { counter($0.name) }
            redelivered = counter(MappingMetrics.redelivered)
            durations = Timer(label: prefix + "Duration", dimensions: dimensions, factory: factory)
            iteratorAges = recorder("IteratorAge")
            blocked = recorder("LaneBlockedSeconds")
            lag = Gauge(label: prefix + "CheckpointLag", dimensions: dimensions, factory: factory)
            oldest = Gauge(label: prefix + "OldestRecordAge", dimensions: dimensions, factory: factory)
        }

        func show(_ backlog: MappingBacklog, at now: Timestamp) {
            lag.record(backlog.records)
            // If the clock went back, the age is zero, not negative.
            oldest.record(max(.zero, backlog.oldest.map { now - $0 } ?? .zero).wholeMilliseconds)
        }
    }

    /// What the counters of the metrics know of one shard.
    struct Told: Sendable { fileprivate var counts = Array(repeating: 0, count: MappingMetrics.counters.count) }

    /// Records what happens in one shard: for the mapping, and for the shard where the settings ask for it. A shard's
    /// driver keeps it.
    struct Shard: Sendable {
        private let mapping: Handlers
        private let shard: Handlers?

        fileprivate init(_ mapping: Handlers, _ shard: Handlers?) {
            self.mapping = mapping
            self.shard = shard
        }

        /// Adds what the shard has counted since ``Told``.
        func record(_ counters: borrowing LaneCore.Counters, since told: inout Told) {
            for index in told.counts.indices {
                let count = MappingMetrics.counters[index].count(counters)
                let difference = count - told.counts[index]
                guard difference > 0 else { continue }
                told.counts[index] = count
                mapping.counters[index].increment(by: difference)
                shard?.counters[index].increment(by: difference)
            }
        }

        /// Records an invocation that reached the function (ESM-M1, ESM-M7).
        ///
        /// - Parameters:
        ///   - duration: how long the invocation took.
        ///   - age: the age of the batch's last record when it was sent.
        ///   - again: how many of its records had been sent before this lane started.
        func invoked(for duration: Duration, age: Duration, redelivered again: Int) {
            func record(_ handlers: Handlers) {
                handlers.durations.recordMilliseconds(duration.inSeconds * 1000)
                handlers.iteratorAges.record(age.wholeMilliseconds)
                if again > 0 { handlers.redelivered.increment(by: again) }
            }
            record(mapping)
            if let shard { record(shard) }
        }

        /// Records how long a lane has been on one unit (ESM-M8), and the age of its oldest record if it is known
        /// (ESM-M1).
        func blocked(_ duration: Duration, age: Duration?) {
            func record(_ handlers: Handlers) {
                handlers.blocked.record(duration.inSeconds)
                if let age { handlers.iteratorAges.record(age.wholeMilliseconds) }
            }
            record(mapping)
            if let shard { record(shard) }
        }
    }

    private let dimensions: [(String, String)]
    private let factory: any MetricsFactory
    private let mapping: Handlers
    private struct Shards {
        /// Whether there are metrics of each shard.
        var isOn: Bool
        var handlers: [ShardID: Handlers] = [:]
    }

    private let shards: Mutex<Shards>

    init(
        stream: String, mapping name: String, byShard: Bool = false,
        factory: any MetricsFactory = MetricsSystem.factory
    ) {
        dimensions = [("stream", stream), ("mapping", name)]
        self.factory = factory
        mapping = Handlers(prefix: "shardline.", dimensions, factory)
        shards = Mutex(Shards(isOn: byShard))
    }

    /// Says whether there are metrics of each shard from now on.
    func countsShards(_ isOn: Bool) { shards.withLock { $0.isOn = isOn } }

    /// What records of one shard.
    func of(_ shard: ShardID) -> Shard { Shard(mapping, handlers(of: shard)) }

    private func handlers(of shard: ShardID) -> Handlers? {
        shards.withLock { shards in
            guard shards.isOn else { return nil }
            if let known = shards.handlers[shard] { return known }
            let new = Handlers(prefix: "shardline.shard.", dimensions + [("shard", "\(shard)")], factory)
            shards.handlers[shard] = new
            return new
        }
    }

    /// Records the current backlog (ESM-M8).
    func show(_ backlog: MappingBacklog.Measured, at now: Timestamp) {
        mapping.show(backlog.total, at: now)
        for (shard, part) in backlog.shards { handlers(of: shard)?.show(part, at: now) }
    }
}

/// The names of what mappings count: those of their metrics, without a prefix.
package enum MappingCounts {
    /// In the order of the page "Metrics".
    package static let names = MappingMetrics.counters.map(\.name) + [MappingMetrics.redelivered]
    /// As the counts of a shard's state have them.
    static let keys = MappingMetrics.counters.map { UTF8Key($0.name) }
    static let redelivered = UTF8Key(MappingMetrics.redelivered)
}
