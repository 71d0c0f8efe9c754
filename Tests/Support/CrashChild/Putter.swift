import DiskAccess
import Shardline
import StreamModel
import StreamStorage
import TestSupport

/// Puts records of all sizes, alone, together and to two streams at once, and says what was acknowledged.
struct Putter {
    let name: String
    let store: any StoreEngine
    let reporter: Reporter
    private var random: SeededRandom
    private var counters: [String: Int] = [:]
    private var calls = 0
    private let noise: [UInt8]

    init(name: String, seed: UInt64, store: any StoreEngine, reporter: Reporter) {
        self.name = name
        self.store = store
        self.reporter = reporter
        var random = SeededRandom(seed)
        // Bytes that do not compress, to fill segments with; base 64 keeps the data readable.
        noise = (0..<4096).map { _ in
            Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef0123456789+-".utf8).randomElement(using: &random)!
        }
        self.random = random
    }

    /// Puts until `limit` puts are done or the process is killed.
    mutating func run(limit: Int) async throws {
        while calls < limit {
            var streams = random.chance(10) ? [CrashStore.mapped, CrashStore.beside] : [CrashStore.mapped]
            if CrashStore.Mode.churns, random.chance(30) { streams = [CrashStore.brief] }
            let counts = streams.map { _ in random.chance(75) ? 1 : Int.random(in: 2...24, using: &random) }
            let size = counts.reduce(0, +)
            var index = 0
            var appends: [Append] = []
            for (stream, count) in zip(streams, counts) {
                var records: [NewRecord] = []
                for _ in 0..<count {
                    records.append(record(of: stream, size: size, index: index))
                    index += 1
                }
                appends.append(Append(records, to: stream))
            }
            try await put(appends)
            calls += 1
        }
    }

    private func put(_ appends: [Append]) async throws {
        let begun = SystemTimeSource().wallTime.milliseconds
        guard case .committed(let receipts) = try await store.commit(appends.map { .append($0) }) else {
            reporter.fail("a put by \(name) was neither stored nor refused")
        }
        var reports: [Report] = []
        for (append, receipt) in zip(appends, receipts) {
            guard case .appended(let puts) = receipt, puts.count == append.records.count else {
                reporter.fail("a put by \(name) was answered with another number of receipts")
            }
            for (record, put) in zip(append.records, puts) {
                reports.append(
                    .acknowledged(
                        Place(append.stream, put.shard.number, put.sequenceNumber.rawValue),
                        checksum: Stamp.checksum(record.data), at: begun))
            }
        }
        reporter.send(reports)
    }

    private mutating func record(of stream: String, size: Int, index: Int) -> NewRecord {
        let key = "k\(Int.random(in: 0..<12, using: &random))"
        let lane = "\(stream)/\(key)"
        let stamp = Stamp(
            producer: name, key: key, counter: counters[lane] ?? 0, call: calls, size: size, index: index)
        counters[lane] = stamp.counter + 1
        return NewRecord(stamp.data(filler: filler()), partitionKey: key)
    }

    /// Mostly short, now and then so long that a record is larger than a journal file.
    private mutating func filler() -> [UInt8] {
        let length =
            switch Int.random(in: 0..<1000, using: &random) {
            case 0..<900: Int.random(in: 0...200, using: &random)
            case 900..<980: Int.random(in: 200...6000, using: &random)
            case 980..<999: Int.random(in: 6000...80_000, using: &random)
            default: Int.random(in: 300_000...600_000, using: &random)
            }
        if random.chance(50) { return [UInt8](repeating: UInt8(ascii: "x"), count: length) }
        var filler: [UInt8] = []
        filler.reserveCapacity(length + noise.count)
        while filler.count < length {
            let start = Int.random(in: 0..<noise.count / 2, using: &random)
            filler.append(contentsOf: noise[start...])
        }
        filler.removeLast(filler.count - length)
        return filler
    }
}
