import DiskAccess
import EventSource
import Logging
import StreamModel
import StreamStorage
import Testing

@testable import ThroughputBench

/// The bench proves what it claims: whatever a log can do wrong with a record makes it fail, and is named.
@Suite(.timeLimit(.minutes(2)))
struct ProofTests {
    private static let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    private static func settings(records: Int = 2_000) -> BenchSettings {
        var settings = BenchSettings()
        settings.data = .json(size: 100)
        settings.records = records
        settings.shards = 2
        settings.producers = 3
        settings.batch = 97
        settings.patience = .milliseconds(50)
        // Behind a backlog reads are full, so that each holds several records of one key, however fast the producers
        // are.
        settings.consumesFromHalf = true
        return settings
    }

    private static func run(
        _ fault: FaultyStore.Fault?, _ settings: BenchSettings = settings()
    ) async throws -> BenchReport {
        let store = FaultyStore(fault, timeSource: SystemTimeSource())
        return try await BenchRun(settings, on: store, logger: silent).run()
    }

    @Test func `a log that does everything right is complete and in order`() async throws {
        let report = try await Self.run(nil)
        #expect(report.isProved)
        #expect(report.violations == [])
        #expect(report.latencyMs != nil && report.putAckMs != nil)
        #expect(report.invocations > 0)
    }

    @Test(arguments: FaultyStore.Fault.allCases)
    func `whatever a log does wrong is found, and the record named`(fault: FaultyStore.Fault) async throws {
        // Few keys, so that a batch holds several records of one.
        var settings = Self.settings()
        settings.data = .given(
            (0..<20_000).map { NewRecord("record \($0) of the input, long enough", partitionKey: "key \($0 % 7)") })
        settings.records = 20_000
        for settings in [Self.settings(records: 20_000), settings] {
            let report = try await Self.run(fault, settings)
            #expect(!report.isProved, "\(fault)")
            let named = report.violations.first ?? ""
            #expect(named.contains("sequence number"), "\(fault): \(named)")
            switch fault {
            case .swapWithinBatch, .swapAcrossBatches: #expect(!report.ordered, "\(report.violations)")
            case .wrongShard: #expect(report.violations.contains { $0.contains("belongs to") }, "\(report.violations)")
            case .drop, .duplicate, .garble:
                #expect(report.violations.contains { $0.contains("not what was acknowledged") || $0.contains("came") })
            }
        }
    }

    @Test func `a record that is lost permanently is counted and named`() {
        let findings = Findings()
        let ledger = ShardLedger(shard: ShardID(3), findings: findings)
        var latencies: [UInt64] = []
        ledger.acknowledge((1...5).map { ($0, .init(checksum: UInt32($0), time: 10)) }, latencies: &latencies)
        ledger.deliver([1, 2, 4].map { ($0, .init(checksum: UInt32($0), time: 30)) }, latencies: &latencies)
        #expect(latencies == [20, 20, 20])
        ledger.finish()
        #expect(findings.count(of: .lost) == 2)
        #expect(findings.first[0].description.contains("sequence number 3: was acknowledged and never came"))
    }

    @Test func `a record that comes twice is found, before and after both have said their word`() {
        for receiptsFirst in [true, false] {
            let findings = Findings()
            let ledger = ShardLedger(shard: ShardID(0), findings: findings)
            var latencies: [UInt64] = []
            let words = (1...3).map { (number: UInt64($0), word: ShardLedger.Word(checksum: 7, time: 1)) }
            if receiptsFirst { ledger.acknowledge(words, latencies: &latencies) }
            ledger.deliver(words, latencies: &latencies)
            ledger.deliver([words[1]], latencies: &latencies)
            #expect(findings.count(of: .duplicate) == 1)
            if !receiptsFirst { ledger.acknowledge(words, latencies: &latencies) }
            ledger.finish()
            #expect(findings.count(of: .lost) == 0)
        }
    }

    @Test func `a ledger holds no more than what is on its way, in whatever order word comes`() {
        let findings = Findings()
        let ledger = ShardLedger(shard: ShardID(0), findings: findings)
        var latencies: [UInt64] = []
        for round in 0..<200 as Range<UInt64> {
            let words = (1...50).map { (number: round * 50 + $0, word: ShardLedger.Word(checksum: 1, time: $0)) }
            // The later half of a round is acknowledged before the earlier one, as two producers may do it.
            ledger.acknowledge(Array(words[25...]), latencies: &latencies)
            ledger.deliver(words, latencies: &latencies)
            ledger.acknowledge(Array(words[..<25]), latencies: &latencies)
        }
        ledger.finish()
        #expect(findings.isEmpty)
        #expect(latencies.count == 10_000)
    }
}

@Suite struct StampTests {
    @Test func `a number comes back from a record as it was written`() {
        var data = [UInt8](repeating: UInt8(ascii: "{"), count: 30)
        for producer in [0, 1, 9, 10, 171, 255] {
            for number in [0, 1, 9, 10, 15, 16, 255, 0xDEAD_BEEF, 0xFF_FFFF_FFFF_FFFF] as [UInt64] {
                let stamp = Stamp(producer: producer, number: number)
                data.withUnsafeMutableBytes { stamp.write(to: $0) }
                #expect(Stamp(data.span) == stamp)
                let digits = String(decoding: data[8..<24], as: UTF8.self)
                #expect(UInt64(digits, radix: 16) == UInt64(producer) << 56 | number)
            }
        }
        #expect(data[7] == UInt8(ascii: "{") && data[24] == UInt8(ascii: "{"))
    }

    @Test func `what is no number is not read as one`() {
        var data = [UInt8](repeating: UInt8(ascii: "0"), count: 24)
        for place in 8..<24 {
            for byte in 0...255 as ClosedRange<UInt8> {
                data[place] = byte
                let isDigit = (0x30...0x39).contains(byte) || (0x61...0x66).contains(byte)
                #expect((Stamp(data.span) != nil) == isDigit, "byte \(byte) at \(place)")
            }
            data[place] = UInt8(ascii: "0")
        }
        #expect(Stamp(Array(data.prefix(23)).span) == nil)
    }

    @Test(arguments: [24, 64, 100, 1024])
    func `made records have their size and look like JSON`(size: Int) {
        var maker = RecordMaker()
        for _ in 0..<20 {
            let record = maker.json(size: size)
            #expect(record.count == size)
            #expect(record.first == UInt8(ascii: "{") && record.last == UInt8(ascii: "}"))
        }
        #expect(maker.noise(size: size).count == size)
    }

    @Test(arguments: [1, 4, 64, 1000])
    func `where a key belongs is found as the store finds it`(shards: Int) {
        let workload = Workload(.json(size: 64), shards: shards)
        let ranges = HashKeyRange.even(shards)
        for (key, shard) in zip(workload.keys, workload.homes.map(\.shard)).prefix(500) {
            #expect(ranges[Int(shard.number)].contains(HashKey(partitionKey: key)))
        }
        #expect(workload.keysOfShard.reduce(0, +) == workload.keys.count)
    }
}

extension ShardLedger {
    fileprivate func acknowledge(_ words: [(number: UInt64, word: Word)], latencies: inout [UInt64]) {
        acknowledge(words.count, latencies: &latencies) { words[$0] }
    }
}
