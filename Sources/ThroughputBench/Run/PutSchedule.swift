/// When the records of one producer are due in an open loop, in nanoseconds since the run began.
///
/// If every producer began with its first record at once, they would put one record each at the same moment, whatever
/// the rate. So each begins a fraction of a record's interval after the one before it: where all have the same number
/// of records, record j of producer i of P is due as record j × P + i of all records.
struct PutSchedule: Sendable {
    /// Records a second of this producer.
    private let rate: Double
    /// The fraction of its records' interval by which the producer begins later.
    private let shift: Double

    /// An equal share of the rate.
    init(rate: Double, producer: Int, of producers: Int) {
        self.init(rate: rate, producer: producer, of: producers, count: 1, total: producers)
    }

    /// A share of the rate for `count` of the `total` records, so that all producers end together.
    init(rate: Double, producer: Int, of producers: Int, count: Int, total: Int) {
        self.rate = rate * Double(count) / Double(total)
        shift = Double(producer) / Double(producers)
    }

    /// When the producer's record with this number, from 0 on, is due.
    func due(_ record: Int) -> UInt64 { UInt64((Double(record) + shift) / rate * 1e9) }

    /// How many of the producer's records are due by `time`.
    func dueCount(by time: UInt64) -> Int { max(0, Int((Double(time) / 1e9 * rate - shift).rounded(.down)) + 1) }
}
