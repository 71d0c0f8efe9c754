import StreamModel

extension LaneCore {
    /// The part of a mapping's settings that a shard and its lanes need. They don't validate the values; the caller
    /// has done so.
    package struct Settings: Sendable {
        /// The maximum number of records of a batch (ESM-S4).
        package var batchSize = 100
        /// How long a batch may wait to fill (ESM-S5, ESM-B3). Zero: a batch takes what is available at once (ESM-B2).
        package var batchWindow = Duration.zero
        /// Retries of a unit after its first invocation (ESM-S8); nil: no limit.
        package var maximumRetryAttempts: Int? = 5
        /// The age at which a record is no longer sent (ESM-S9, ESM-G1); nil: no limit.
        package var maximumRecordAge: Duration?
        /// Whether records whose attempts are used up, or that can never succeed, park their keys (ESM-N1) in place of being
        /// given up (ESM-A3).
        package var parksKeys = false
        /// Whether they pause the shard in place of that (ESM-N3).
        package var pausesShard = false
        /// The most records of one key that wait in the parking stream (ESM-N1).
        package var maximumParkedRecordsPerKey = 10_000
        /// The most records of the shard that wait in the parking stream (ESM-N1).
        package var maximumParkedRecords = 1_000_000
        /// Whether a failed unit is split in two instead of being retried (ESM-S10).
        package var bisectsOnError = true
        /// Whether a function may report the first record that failed (ESM-S13).
        package var reportsFailures = true
        /// Whether there is a failure destination. Without one, records that are given up are dropped and counted
        /// (ESM-D8).
        package var hasDestination = false
        /// Whether the destination takes the records in the commit that moves the checkpoint past them (ESM-D10).
        package var deliveryMovesCheckpoint = false
        /// The number of lanes that work on a shard at the same time (ESM-S11).
        package var parallelizationFactor = 1
        /// The most full batches that one task calls the function with, one after the other (ESM-B8).
        package var maximumChain = 1
        /// The finished units of a lane whose checkpoint may be missing when the next one is invoked (ESM-P9).
        package var maximumUnsavedUnits = 1
        /// Which records the lanes get (ESM-F1); nil: all.
        package var filter: RecordFilter?
        /// The keys whose records the lanes get; nil: all.
        var onlyKeys: ParkedKeys?
        /// The length of tumbling windows (ESM-S12); nil: there are none.
        package var tumblingWindow: Duration?
        /// How an event's size is measured and limited (ESM-B4); nil: no limit (ESM-B5).
        package var payload: PayloadMeasure?
        /// The pauses before retries (ESM-A7).
        package var backOff = BackOff()
        /// The bytes of records that a shard's lanes hold together before it stops reading (ESM-K3). 64 MiB by default.
        package var maximumHeldBytes = 64 << 20

        package init() {}

        /// The bytes of small records that each lane may hold beyond four batches, up to twenty (ESM-K3).
        package var leadBytes = 0

        /// The number of records that a shard's lanes hold together before it stops reading (ESM-K3), if they hold this
        /// many bytes.
        func maximumHeldRecords(holding bytes: Int) -> Int {
            (bytes < leadBytes * parallelizationFactor ? 20 : 4) * batchSize * parallelizationFactor
        }
    }

    /// How the size of an invocation's event is measured (ESM-B4): `envelope`, the size of each record, and
    /// `separator` between every two.
    package struct PayloadMeasure: Sendable {
        /// The maximum bytes of one event. Lambda's limit by default: 6 MiB.
        package var limit: Int
        /// Bytes of an event without records.
        package var envelope: Int
        /// Bytes that a tumbling window adds, without its state.
        package var windowEnvelope = 0
        /// Bytes between two records.
        package var separator: Int
        /// The bytes of one record in the event.
        package var size: @Sendable (Record) -> Int
        /// Whether the size of a record is at most its encoded bytes. If so, small batches need no measuring.
        package var isWithinEncoding = false

        package init(
            limit: Int = 6 << 20, envelope: Int, separator: Int, size: @escaping @Sendable (Record) -> Int
        ) {
            self.limit = limit
            self.envelope = envelope
            self.separator = separator
            self.size = size
        }

        /// The same for an event with this window.
        func measuring(_ window: Window?) -> PayloadMeasure {
            guard let window else { return self }
            var measure = self
            measure.envelope += windowEnvelope + max(window.state.count, 2)
            return measure
        }

        /// Counts the records' data only, for functions that get no serialized event (ESM-B5).
        package static func rawBytes(limit: Int = 6 << 20) -> PayloadMeasure {
            var measure = PayloadMeasure(limit: limit, envelope: 0, separator: 0) { $0.dataByteCount }
            measure.isWithinEncoding = true
            return measure
        }
    }

    /// The pauses before retries: `first`, doubled with each retry up to `longest`, times a random factor (ESM-A7).
    package struct BackOff: Sendable {
        package var first = Duration.milliseconds(500)
        package var longest = Duration.seconds(60)
        /// The bounds of the random factor.
        package var jitter: ClosedRange<Double> = 0.9...1.1

        package init() {}

        /// The pause before retry `k`, counted from 1.
        func delay(before k: Int, using generator: inout SplitMix) -> Duration {
            // 40 doublings exceed the longest pause by far, and the shift can't overflow.
            let doubled = first * (1 << min(k - 1, 40))
            let factor = jitter.lowerBound + (jitter.upperBound - jitter.lowerBound) * generator.nextFraction()
            return min(doubled, longest) * factor
        }
    }

    /// A small generator of random numbers that starts from a seed, so that a run can be replayed (SplitMix64).
    struct SplitMix: Sendable {
        private var state: UInt64

        init(seed: UInt64) { state = seed }

        /// The next number, from 0 (included) to 1.
        mutating func nextFraction() -> Double { Double(next() >> 11) / Double(1 << 53) }

        /// The next number.
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var mixed = state
            mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
            mixed ^= mixed >> 31
            return mixed
        }
    }
}
