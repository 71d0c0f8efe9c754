/// When the records of one producer are due in an open loop, in nanoseconds since the run began.
///
/// Producers that all began with their first record would put as many at once as there are producers, whatever the
/// rate. So each begins a part of a record's time behind the one before it: where all have the same number of records,
/// record j of producer i of P is due as record j × P + i of them all.
struct PutSchedule: Sendable {
    /// Records a second of this producer.
    private let rate: Double
    /// By which part of its own records' distance the producer begins later.
    private let shift: Double

    /// A producer's share in the rate: the same for all.
    init(rate: Double, producer: Int, of producers: Int) {
        self.init(rate: rate, producer: producer, of: producers, count: 1, total: producers)
    }

    /// A producer that has `count` of the `total` records has that share in the rate, so that all end together.
    init(rate: Double, producer: Int, of producers: Int, count: Int, total: Int) {
        self.rate = rate * Double(count) / Double(total)
        shift = Double(producer) / Double(producers)
    }

    /// When the producer's record of this number, from 0 on, is due.
    func due(_ record: Int) -> UInt64 { UInt64((Double(record) + shift) / rate * 1e9) }

    /// How many of the producer's records are due by `time`.
    func dueCount(by time: UInt64) -> Int { max(0, Int((Double(time) / 1e9 * rate - shift).rounded(.down)) + 1) }
}
