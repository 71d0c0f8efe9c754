import StreamModel
import Testing

@testable import OfflineStore
@testable import SegmentStorage
@testable import ShardlineCLI

/// Reports of `check` and `repair` for people.
@Suite struct StoreReportTextTests {
    private func range(_ number: UInt64) -> StoreReport.RecordRange {
        StoreReport.RecordRange(
            stream: "s", shard: ShardID(0), shardKey: 1, shardCreationSecond: 0,
            numbers: SequenceNumber(number)...SequenceNumber(number))
    }

    @Test func `of many findings the first are shown and the others counted, and JSON has all`() {
        var report = StoreReport(directory: "d")
        for number in 1...1_000 as ClosedRange<UInt64> {
            report.findings.append(
                .init(.damage, file: "metadata.sqlite", "finding \(number)", lost: [range(number)]))
            report.lostRanges.append(range(number))
        }
        var lines = report.lines
        #expect(lines.count { $0.contains(": finding ") } == 50)
        #expect(lines.contains("… and 950 findings more; --json has all"))
        #expect(lines.contains("… and 950 ranges more; --json has all"))
        #expect(lines.last?.hasPrefix("`shardline repair") == true)
        #expect(String(decoding: report.json, as: UTF8.self).contains("finding 1000"))

        var repair = RepairReport(found: report)
        repair.steps = (1...60).map { "step \($0)" }
        repair.lost = (1...70).map { range($0) }
        lines = repair.lines
        #expect(lines.contains("  … and 950 findings more; --json has all"))
        #expect(lines.contains("70 records would be given up:"))
        #expect(lines.count { $0.hasPrefix("  s, ") } == 50)
        #expect(lines.count < 300)
    }

    @Test func `one finding with many ranges is cut too, and few findings are shown whole`() {
        var report = StoreReport(directory: "d")
        report.findings = [.init(.damage, file: "f", "bad", lost: (1...1_000).map { range($0) })]
        #expect(report.lines.count < 210)
        #expect(report.lines.contains { $0.contains("801 lines more; --json has all") })
        report.findings = (1...50).map { .init(.damage, file: "f", "bad \($0)") }
        #expect(report.lines.count == 52)
    }
}
