import SegmentStorage
import StreamModel

/// What a bench does.
package struct BenchSettings: Sendable {
    /// What the records hold.
    package enum Data: Sendable {
        /// Records like JSON of a web shop, of this many bytes; they compress about 3 to 1.
        case json(size: Int)
        /// Bytes that don't compress, behind the number at their head.
        case random(size: Int)
        /// These records, in their order, again and again until there are enough.
        case given([NewRecord])
    }

    /// Bytes of one made record: the number needs the first 24.
    package static let sizes = 24...Limits.defaultRecordSize
    /// Producers at work at once: their number has two hexadecimal digits in each record.
    package static let producerCounts = 1...255

    package var data = Data.json(size: 1024)
    /// How many records are put in all.
    package var records = 1_000_000
    package var shards = 4
    /// Mappings that consume, each on its own.
    package var mappings = 1
    package var producers = 4
    /// Records in one call of a producer.
    package var batch = 500
    /// The mapping's batch size; nil: its default.
    package var consumerBatch: Int?
    package var durability = SegmentStore.Durability.synced
    /// Records a second, of all producers together, put when they are due; nil: as fast as it goes.
    package var rate: Double?
    /// Puts begin while nothing is consumed, which begins at half of the records.
    package var consumesFromHalf = false
    /// Whether the machine's own limit is measured before and after.
    package var measuresFloor = false
    /// How long nothing may arrive, when all is put, before what is missing is called lost.
    package var patience = Duration.seconds(30)
    /// The first pause before the user's function is tried again. Shorter than a mapping's own default, so that a
    /// record that it can't do is given up within a second and a run of failures ends soon.
    package var retryPause = Duration.milliseconds(20)

    package init() {}

    /// Throws `invalidArgument` that names everything outside its limits, as the options of `bench` call it; the size as it
    /// was given, where that was text.
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
        if let rate, !(rate >= 1 && rate <= 1e8) { wrong.append("--rate \(rate) (allowed: 1 to 100000000 a second)") }
        guard wrong.isEmpty else { throw ShardlineError(.invalidArgument, wrong.joined(separator: "; ")) }
    }
}
