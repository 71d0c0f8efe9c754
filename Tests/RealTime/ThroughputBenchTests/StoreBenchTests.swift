import Foundation
import Logging
import SegmentStorage
import StreamModel
import TestSupport
import Testing

@testable import ThroughputBench

/// The bench on the real store, small.
@Suite(.timeLimit(.minutes(2)))
struct StoreBenchTests {
    private static let silent = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

    private func run(_ change: (inout BenchSettings) -> Void) async throws -> BenchReport {
        let directory = TestDirectory()
        var settings = BenchSettings()
        settings.data = .json(size: 100)
        settings.records = 5_000
        settings.batch = 100
        change(&settings)
        return try await StoreBench(settings, in: directory.path, logger: Self.silent).run(BenchProgress())
    }

    @Test(arguments: [1, 3, 40])
    func `what the store does is counted`(shards: Int) async throws {
        let report = try await run { $0.shards = shards }
        #expect(report.isProved, "\(report.violations)")
        #expect(report.records == 5_000 && report.recordBytes == 100 && report.shards == shards)
        #expect(report.syncs >= 1 && report.recsPerCommit > 1)
        #expect(report.checkpoints >= shards && report.invocations >= shards)
        #expect(report.diskBytes > 5_000 * 20 && report.journalReservedBytes > 0)
        #expect(report.peakRssBytes > 1 << 20 && report.cpuUsPerRecord > 0)
        #expect(report.durability == "synced")
    }

    @Test func `with several lanes the order of each key is judged, and calls that wait overlap`() async throws {
        let report = try await run {
            $0.shards = 1
            $0.records = 1_000
            $0.consumerBatch = 10
            $0.parallelizationFactor = 10
            $0.callTime = .milliseconds(1)
        }
        #expect(report.isProved, "\(report.violations)")
        #expect(report.parallelizationFactor == 10 && report.invocations >= 100)
    }

    @Test func `with a rate the records come when they are due`() async throws {
        let report = try await run {
            $0.records = 200
            $0.rate = 1_000
            $0.producers = 2
        }
        #expect(report.isProved)
        // The last one is due 0.198 s after the first; no test asks how late it may be.
        #expect(report.seconds >= 0.198)
    }

    @Test(arguments: [false, true])
    func `a rate holds from the first record on, however many producers there are`(isGiven: Bool) async throws {
        let report = try await run {
            if isGiven {
                $0.data = .given((0..<40).map { NewRecord("record \($0)", partitionKey: "key \($0)") })
            }
            $0.records = 40
            $0.rate = 200
            $0.producers = 20
        }
        #expect(report.isProved, "\(report.violations)")
        // The last one is due 0.195 s after the first.
        #expect(report.putRecordsPerS <= 40 / 0.19)
    }

    @Test func `keys that look equal are told apart`() async throws {
        let keys = ["caf\u{E9}", "cafe\u{301}", "\u{AC00}", "\u{1100}\u{1161}", "\u{212B}", "\u{C5}", "a\0", "a"]
        let report = try await run {
            $0.data = .given((0..<400).map { NewRecord("record \($0)", partitionKey: keys[$0 % keys.count]) })
            $0.records = 2_000
            $0.shards = 7
        }
        #expect(report.isProved, "\(report.violations)")
    }

    @Test func `a consumer that begins at half of the records gets all of them`() async throws {
        let report = try await run {
            $0.consumesFromHalf = true
            $0.data = .random(size: 200)
            $0.durability = .interval(.seconds(1))
        }
        #expect(report.isProved, "\(report.violations)")
        #expect(report.durability == "interval:1000ms")
    }

    @Test func `several mappings each get everything`() async throws {
        let report = try await run { $0.mappings = 3 }
        #expect(report.isProved, "\(report.violations)")
        #expect(report.mappings == 3 && report.checkpoints >= 3 * 4)
    }

    @Test func `the floor is measured beside the run`() async throws {
        let report = try await run {
            $0.records = 100
            $0.measuresFloor = true
        }
        let floor = try #require(report.floor)
        #expect(floor.mbPerS > 0 && floor.syncMs.p50 > 0 && floor.variation >= 1)
        #expect(report.isVoid == (floor.variation > BenchReport.allowedVariation))
    }

    @Test func `the report has the names that programs rely on`() async throws {
        let report = try await run { $0.records = 100 }
        let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(report)) as? [String: Any]
        let names = Set(try #require(object).keys)
        let wanted: Set = [
            "records", "record_bytes", "shards", "durability", "put_records_per_s", "consumed_records_per_s",
            "mb_per_s", "put_ack_ms", "latency_ms", "cpu_us_per_record", "recs_per_commit", "syncs", "invocations",
            "checkpoints", "ordered", "lost", "duplicates", "disk_bytes", "journal_reserved_bytes", "peak_rss_bytes",
        ]
        #expect(wanted.subtracting(names) == [])
        #expect(Set(try #require(object?["latency_ms"] as? [String: Any]).keys) == ["p50", "p99", "p999", "max"])
    }

    @Test func `the documentation has the report's keys, all of them and no others`() throws {
        let times = BenchReport.Milliseconds(p50: 1, p99: 2, p999: 3, max: 4)
        var report = BenchReport()
        // What is there only when it is used.
        report.rate = 1
        (report.putAckMs, report.latencyMs) = (times, times)
        report.functionError = "no luck"
        report.floor = BenchReport.Floor(syncMs: times, mbPerS: 1, variation: 1)
        (report.endpoint, report.reader, report.retries) = ("http://host", "GetRecords", 1)
        (report.serverCpuS, report.serverCpuUsPerRecord) = (1, 1)
        let object = try #require(
            try JSONSerialization.jsonObject(with: JSONEncoder().encode(report)) as? [String: Any])
        let page = URL(filePath: PackageFolder.path("Sources/Shardline/Shardline.docc/BenchOutput.md"))
        let rows = try String(contentsOf: page, encoding: .utf8).split(separator: "\n").filter { $0.hasPrefix("| `") }
        let documented = rows.flatMap { row in
            row.split(separator: "|")[0].matches(of: /`(\w+)`/).map { String($0.1) }
        }
        #expect(documented.count == Set(documented).count)
        #expect(Set(documented) == Set(object.keys))
        let floor = try #require(object["floor"] as? [String: Any])
        let row = try #require(rows.first { $0.hasPrefix("| `floor`") })
        for key in floor.keys { #expect(row.contains("`\(key)`"), "\(key)") }
    }

    @Test func `settings outside their limits are all named at once`() throws {
        var settings = BenchSettings()
        settings.data = .json(size: 10)
        settings.shards = 0
        settings.producers = 256
        settings.rate = 0.1
        #expect {
            try settings.validate()
        } throws: { error in
            let message = (error as? ShardlineError)?.message ?? ""
            return ["size 10", "shards 0", "producers 256", "rate 0.1"].allSatisfy { message.contains($0) }
        }
    }
}
