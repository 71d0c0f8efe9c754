import EventSource
import Foundation
import StreamModel
import StreamStorage
import Testing

@testable import ShardlineCLI

@Suite struct MappingReportTests {
    private let now = Timestamp(milliseconds: 1_795_532_957_000)  // 2026-11-24T15:09:17Z

    private func report(_ state: MappingShardState?, isClaimed: Bool = true, settings: [UInt8] = []) -> MappingReport {
        let mapping = MappingDescription(
            key: MappingID(stream: "s", name: "m"), id: 1, startingPosition: .trimHorizon, createdAt: now,
            configuration: settings, epoch: 2, isClaimed: isClaimed, checkpoints: [])
        return MappingReport(
            mapping, [MappingProgress(shard: ShardID(0), isShardEnd: false, behind: 6, checkpoint: nil, state: state)])
    }

    private func state(_ phase: MappingShardState.Phase, attempts: Int = 0, error: String? = nil) -> MappingShardState {
        MappingShardState(
            shard: ShardID(0), phase: phase, checkpoint: .zero, tip: SequenceNumber(6), attempts: attempts,
            lastError: error, busySince: attempts > 0 ? now - .seconds(5) : nil)
    }

    @Test func `a shard that is stuck says since when, how often it failed and with what`() throws {
        let stuck = report(state(.retrying, attempts: 7, error: "ValueError: \u{1B}[2J bad"))
        #expect(stuck.state == "failing")
        #expect(
            stuck.lines(now: now).last?.hasSuffix(
                "retrying, 7 failed attempts, on this unit since 15:09:12Z: ValueError: \\x1B[2J bad") == true)
        let json = try #require(JSONSerialization.jsonObject(with: Data(stuck.json(now: now))) as? [String: Any])
        let shard = try #require((json["shards"] as? [[String: Any]])?.first)
        #expect(json["state"] as? String == "failing")
        #expect(shard["phase"] as? String == "retrying" && shard["failedAttempts"] as? Int == 7)
        #expect(shard["lastError"] as? String == "ValueError: \u{1B}[2J bad")
        #expect(shard["busySince"] as? Double == 1_795_532_952)
        #expect(shard["attempts"] == nil)
        #expect(
            MappingReport.words(state(.retrying, attempts: 1), now: now + .seconds(86_400)).hasSuffix(
                "1 failed attempt, on this unit since 2026-11-24T15:09:12Z"))
    }

    @Test func `a shard names the record that it is on, and how old the oldest one is that waits`() throws {
        var stuck = state(.retrying, attempts: 2, error: "boom")
        let number = KinesisSequenceNumber(
            shard: ShardID(0), shardCreationSecond: 1, sequenceNumber: SequenceNumber(4), arrivalSecond: 2)
        stuck.unit = .init(partitionKey: "k\u{1B}[2J\u{202E}", sequenceNumber: number, recordCount: 1)
        stuck.oldestArrival = now - .seconds(3 * 3600 + 12 * 60 + 5)
        stuck.expired = 3
        let line = try #require(report(stuck).lines(now: now).last)
        #expect(
            line.hasSuffix(
                #"retrying, 2 failed attempts, record \#(number) (key $'k\x1B[2J\u202E'), on this unit since 15:09:12Z, oldest record 3h 12m old, 3 records expired: boom"#
            ), "\(line)")
        let json = try #require(
            JSONSerialization.jsonObject(with: Data(report(stuck).json(now: now))) as? [String: Any])
        let shard = try #require((json["shards"] as? [[String: Any]])?.first)
        let unit = try #require(shard["unit"] as? [String: Any])
        #expect(unit["partitionKey"] as? String == "k\u{1B}[2J\u{202E}" && unit["recordCount"] as? Int == 1)
        #expect(unit["sequenceNumber"] as? String == number.description)
        #expect(shard["oldestAgeMilliseconds"] as? Int == 11_525_000 && shard["expiredRecords"] as? Int == 3)
        // What was counted is there by name, also what was never counted.
        #expect(
            shard["counts"] as? [String: Int] == Dictionary(uniqueKeysWithValues: MappingCounts.names.map { ($0, 0) }))
        stuck.counts = ["Errors": 7, "of another version": 1]
        let counted = try #require(
            JSONSerialization.jsonObject(with: Data(report(stuck).json(now: now))) as? [String: Any])
        #expect((counted["counts"] as? [String: Int])?["Errors"] == 7)
        #expect((counted["counts"] as? [String: Int])?.count == MappingCounts.names.count)
        // What waits for its destination is named as well, and a batch by its first record.
        stuck.phase = .delivering
        stuck.unit?.recordCount = 1200
        #expect(
            MappingReport.words(stuck, now: now).contains("fails, 2 failed attempts, a batch of 1,200 from \(number)"))
    }

    @Test func `a mapping that nobody runs names the oldest record that waits as well`() throws {
        let number = KinesisSequenceNumber(
            shard: ShardID(7), shardCreationSecond: 1, sequenceNumber: SequenceNumber(4), arrivalSecond: 2)
        func progress(_ shard: UInt32, _ key: String?, _ age: Int = 0) -> MappingProgress {
            let unit = key.map { MappingShardState.Unit(partitionKey: $0, sequenceNumber: number, recordCount: 1) }
            return MappingProgress(
                shard: ShardID(shard), isShardEnd: false, behind: 6,
                waiting: unit.map { .init(record: $0, arrival: now - .seconds(age)) })
        }
        let stopped = MappingReport(
            report(nil, isClaimed: false).mapping,
            [progress(0, nil), progress(7, "k\n", 7200), progress(8, "young", 5)])
        #expect(
            stopped.lines(now: now).contains(
                #"oldest     2h old, record \#(number) (key $'k\n') of shardId-000000000007"#))
        let json = try #require(
            JSONSerialization.jsonObject(with: Data(stopped.json(now: now))) as? [String: Any])
        let shards = try #require(json["shards"] as? [[String: Any]])
        #expect(json["counts"] is NSNull && shards[0]["counts"] is NSNull)
        #expect(shards[0]["nextRecord"] is NSNull && shards[0]["oldestAgeMilliseconds"] is NSNull)
        #expect(shards[1]["oldestAgeMilliseconds"] as? Int == 7_200_000)
        #expect((shards[1]["nextRecord"] as? [String: Any])?["partitionKey"] as? String == "k\n")
        #expect(!report(nil).lines(now: now).contains { $0.hasPrefix("oldest") })
    }

    @Test func `settings that are no JSON break neither the report nor the terminal`() throws {
        for settings in ["{\"a\":1}]", "\u{1B}[2J", "\"\u{9B}2J", "x\",\"state\":\"y"] {
            let report = report(nil, settings: Array(settings.utf8))
            let json = try #require(JSONSerialization.jsonObject(with: Data(report.json(now: now))) as? [String: Any])
            #expect(json["settings"] as? String == settings && json["state"] as? String == "running")
            #expect(
                !report.lines(now: now).joined().unicodeScalars.contains { $0.properties.generalCategory == .control })
        }
    }

    @Test(
        arguments: [
            (.invoking, 0, nil, "running", "the function runs"), (.idle, 0, nil, "running", "idle"),
            (.invoking, 2, "x", "failing", "trying again, 2 failed attempts"),
            (.delivering, 0, nil, "running", "giving up, its destination is written"),
            (.delivering, 0, "disk full", "failing", "giving up, its destination fails: disk full"),
            (.retrying, 0, "no such file", "failing", "retrying: no such file"),
            (.damaged, 0, "checksum", "failing", "damaged: checksum"),
        ] as [(MappingShardState.Phase, Int, String?, String, String)])
    func `each phase has its words`(
        phase: MappingShardState.Phase, attempts: Int, error: String?, word: String, words: String
    ) {
        let state = state(phase, attempts: attempts, error: error)
        #expect(report(state).state == word)
        #expect(MappingReport.words(state, now: now).hasPrefix(words))
    }

    @Test func `where nobody runs it there is nothing to tell`() throws {
        let stopped = report(nil, isClaimed: false)
        #expect(stopped.state == "stopped")
        #expect(!stopped.lines(now: now).contains { $0.contains("NOW") })
        let json = try #require(JSONSerialization.jsonObject(with: Data(stopped.json(now: now))) as? [String: Any])
        let shard = try #require((json["shards"] as? [[String: Any]])?.first)
        #expect(shard["phase"] is NSNull && shard["failedAttempts"] is NSNull && shard["busySince"] is NSNull)
    }

    @Test func `settings stand a row each under their options' names, with units`() {
        var settings = EventSourceMapping.Configuration()
        settings.maximumRetryAttempts = nil
        settings.maximumRecordAge = .seconds(7200)
        settings.batchWindow = .milliseconds(1500)
        settings.payloadLimit = nil
        settings.filters = [#"{"data":{"type":["order\n"]}}"#, "{\"partitionKey\":[\"\u{202E}\"]}"]
        let text = report(nil, settings: settings.json).lines(now: now).map { $0 + "\n" }.joined()
        for row in [
            "settings   --batch-size    at most 100 records\n", "           --batch-window  1500ms\n",
            #"           --filter        {"data":{"type":["order\n"]}}"# + "\n",
            "           --filter        {\"partitionKey\":[\"\\u{202E}\"]}\n",
            "           --max-retries   no limit\n", "           --max-age       2h\n",
            "           --timeout       1m\n", "           --on-failure    stream:s.m.failed\n",
            "           payload limit   no limit\n",
        ] { #expect(text.contains(row), "\(row) in \(text)") }
        // Those of a version that is newer are shown as they are.
        #expect(report(nil, settings: Array("{\"x\":1}".utf8)).lines(now: now).contains("settings   {\"x\":1}"))
    }
}
