import SegmentStorage
import StreamModel

/// The settings of a bench.
package struct BenchSettings: Sendable {
    /// The content of the records.
    package enum Data: Sendable {
        /// Records like JSON of a web shop, of this many bytes; they compress about 3 to 1.
        case json(size: Int)
        /// Bytes that don't compress, after the number at the record's head.
        case random(size: Int)
        /// These records, in their order, repeated until there are enough.
        case given([NewRecord])
    }

    /// The allowed sizes of a made record: the number needs the first 24 bytes.
    package static let sizes = 24...Limits.defaultRecordSize
    /// The allowed numbers of producers: a record holds the number in two hexadecimal digits.
    package static let producerCounts = 1...255

    package var data = Data.json(size: 1024)
    /// How many records are put in total.
    package var records = 1_000_000
    package var shards = 4
    /// The number of mappings, each of which consumes all records.
    package var mappings = 1
    package var producers = 4
    /// Records in one call of a producer.
    package var batch = 500
    /// The mapping's batch size; nil: its default.
    package var consumerBatch: Int?
    /// The batches of a shard that are with the function at the same time.
    package var parallelizationFactor = 1
    /// How long each call of the bench's own function waits, as one that asks another system does.
    package var callTime = Duration.zero
    package var durability = SegmentStore.Durability.synced
    /// Records a second of all producers together, each put when it is due; nil: as fast as possible.
    package var rate: Double?
    /// Whether consumption begins only after half of the records were put.
    package var consumesFromHalf = false
    /// Whether the disk's limit is measured before and after the run.
    package var measuresFloor = false
    /// How long no record may arrive after everything is put before missing records count as lost.
    package var patience = Duration.seconds(30)
    /// The first pause before the user's function is retried. It is shorter than a mapping's default, so that a record
    /// that the function can't process is given up within a second, and a series of failures ends soon.
    package var retryPause = Duration.milliseconds(20)

    package init() {}

    /// Throws `invalidArgument` with every value outside its limits, by the names of the options of `bench`. `given`:
    /// the size as the user wrote it, where it was text.
    package func validate(size given: String? = nil) throws {
        var wrong: [String] = []
        func check(_ name: String, _ value: Int, _ allowed: ClosedRange<Int>, given: String? = nil) {
            guard !allowed.contains(value) else { return }
            wrong.append("\(name) \(given ?? "\(value)") (allowed: \(allowed.lowerBound) to \(allowed.upperBound))")
        }
        switch data {
        case .json(let size), .random(let size): check("--size", size, Self.sizes, given: given)
        case .given(let records):
            if records.isEmpty { wrong.append("the input has no record") }
        }
        check("--records", records, 1...1_000_000_000_000)
        check("--shards", shards, Limits.shards)
        check("--mappings", mappings, 1...100)
        check("--producers", producers, Self.producerCounts)
        check("--batch", batch, 1...100_000)
        if let consumerBatch { check("--consumer-batch", consumerBatch, 1...10_000) }
        check("--parallelization-factor", parallelizationFactor, 1...10)
        if !(callTime >= .zero && callTime <= .seconds(60)) {
            wrong.append("--call-time \(callTime) (allowed: 0 to 60s)")
        }
        if let rate, !(rate >= 1 && rate <= 1e8) { wrong.append("--rate \(rate) (allowed: 1 to 100000000 a second)") }
        guard wrong.isEmpty else { throw ShardlineError(.invalidArgument, wrong.joined(separator: "; ")) }
    }
}
