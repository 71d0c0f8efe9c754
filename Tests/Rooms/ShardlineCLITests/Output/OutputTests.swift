import Foundation
import StreamModel
import StreamStorage
import Testing

@testable import EventSource
@testable import ShardlineCLI

@Suite struct OutputTests {
    @Test(
        arguments: [
            ("plain ä", "plain ä"), ("a\nb\t\r", "a\\nb\\t\\r"), ("\u{1B}[2J", "\\x1B[2J"),
            ("\u{7F}\u{9B}1m", "\\x7F\\x9B1m"),
            ("a\\nb", "a\\\\nb"), ("\u{202E}abc", "\\u{202E}abc"), ("\u{0}", "\\x00"),
        ])
    func `a terminal is shown no control characters`(text: String, shown: String) {
        #expect(Output.escaped(Array(text.utf8)) == shown)
    }

    @Test func `bytes that are no text are shown as replacement characters`() {
        #expect(Output.escaped([0x61, 0xFF, 0x62]) == "a\u{FFFD}b")
    }

    @Test(
        arguments: [
            (0, 0, "given up       0 records"), (3, 3, "given up       3 records, in the file f"),
            (3, 1, "given up       3 records, 1 of them in the file f; the others come again"),
            (1, 0, "given up       1 record, none of them in the file f; the others come again"),
        ])
    func `a summary counts in the destination what it has taken`(givenUp: Int, taken: Int, line: String) {
        var statistics = MappingStatistics()
        statistics.givenUp = givenUp
        statistics.deliveredToDestination = taken
        let summary = ConsumeSummary(statistics: statistics, duration: .seconds(1), failures: "the file f")
        #expect(summary.lines.contains(line), "\(summary.lines)")
    }

    @Test func `tables stand in columns`() {
        var table = Table([("SHARD", .left), ("RECORDS", .right)])
        table.add(["a", "1"])
        table.add(["long name", "12,345"])
        #expect(table.lines == ["SHARD      RECORDS", "a                1", "long name   12,345"])
    }

    @Test func `numbers and times are readable`() {
        #expect(
            [0, 7, 999, 1000, 27_004, -1_234_567].map { Readable.number($0) } == [
                "0", "7", "999", "1,000", "27,004", "-1,234,567",
            ])
        #expect(Readable.count(1, "record") == "1 record")
        #expect(Readable.count(2, "retry", "retries") == "2 retries")
        let durations: [Duration] = [.seconds(86_400), .seconds(5400), .milliseconds(1500), .seconds(61), .zero]
        #expect(durations.map(Readable.duration) == ["1d", "90m", "1500ms", "61s", "0s"])
        #expect(durations.map(Readable.measured) == ["24 h 0 min", "1 h 30 min", "1.5 s", "61.0 s", "0 ms"])
    }

    @Test func `a rate has a decimal where it is small`() {
        #expect(
            [0, 0.04, 0.25, 9.94, 9.96, 10.4, 27_004.4].map(Readable.rate) == [
                "0", "0.0", "0.3", "9.9", "10", "10", "27,004",
            ])
    }

    @Test func `a summary says of batches without a window that they were as they came`() {
        var statistics = MappingStatistics()
        statistics.delivered = 5
        statistics.batches = [.window: 1, .size: 2]
        let plain = ConsumeSummary(statistics: statistics, duration: .seconds(2), failures: nil, hasWindow: false)
        #expect(plain.lines.contains("batches        2 by size, 1 as they came"))
        #expect(plain.lines.first == "delivered      5 records in 2.0 s, 2.5/s")
        let windowed = ConsumeSummary(statistics: statistics, duration: .seconds(2), failures: nil, hasWindow: true)
        #expect(windowed.lines.contains("batches        2 by size, 1 by window"))
    }

    @Test func `a run that ends before a failing record is done names it, its key and the age of the oldest`() throws {
        let number = KinesisSequenceNumber(
            shard: ShardID(3), shardCreationSecond: 1, sequenceNumber: SequenceNumber(4), arrivalSecond: 2)
        let now = Timestamp(milliseconds: 100_000)
        let stuck = MappingShardState(
            shard: ShardID(3), phase: .stopped, checkpoint: .zero, tip: SequenceNumber(9), attempts: 2,
            lastError: "boom\u{1B}", unit: .init(partitionKey: "k\n7", sequenceNumber: number, recordCount: 1),
            oldestArrival: now - .seconds(65))
        let well = MappingShardState(
            shard: ShardID(4), phase: .stopped, checkpoint: .zero, tip: .zero)
        let summary = ConsumeSummary(
            statistics: MappingStatistics(), duration: .seconds(1), failures: nil, shards: [stuck, well], now: now)
        #expect(
            summary.lines.last
                == #"unfinished     shardId-000000000003: record \#(number) (key $'k\n7'), 2 failed attempts, oldest record 1m 5s old: boom\x1B"#
        )
        let json = String(decoding: summary.json, as: UTF8.self)
        #expect(
            json.contains(
                #""unfinished":[{"shardId":"shardId-000000000003","unit":{"partitionKey":"k\n7","sequenceNumber":"\#(number)","recordCount":1},"failedAttempts":2,"lastError":"boom\u001b","oldestAgeMilliseconds":65000}]"#
            ), "\(json)")
        var failing = stuck
        failing.phase = .retrying
        #expect(
            ConsumeSummary.status(MappingStatistics(), [well, failing], now: now)
                == #"0 records delivered, 0 invocations, key $'k\n7' fails, oldest record 1m 5s old"#)
    }

    @Test func `progress fits the terminal`() {
        #expect(
            ProgressBar.text(done: 50, total: 100, records: 1000, seconds: 2, width: 60)
                == "[" + String(repeating: "#", count: 15) + String(repeating: "-", count: 16)
                + "] 50% 1,000 records, 500/s")
        #expect(ProgressBar.text(done: 0, total: nil, records: 1, seconds: 0, width: 80) == "1 record, 0/s")
        #expect(
            ProgressBar.text(done: 5, total: 10, records: 1000, seconds: 1, width: 30) == "50% 1,000 records, 1,000/s")
    }
}
