import ArgumentParser
import EventSource
import Foundation
import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

@testable import ShardlineCLI

/// What `mapping keys`, `mapping describe` and the requests say of parked keys (ESM-N1, ESM-N13, ESM-N14).
@Suite struct ParkedKeysReportTests {
    private let now = Timestamp(milliseconds: 1_795_532_957_000)  // 2026-11-24T15:09:17Z
    private let id = MappingID(stream: "s", name: "m")

    /// A key as the store keeps it, with what is given besides the counts.
    private func value(_ waiting: Int, age: Int = 5, releasing: Bool = false, _ more: String = "") -> [UInt8] {
        let since = now.milliseconds - Int64(age) * 1000
        return Array(
            #"{"since":\#(since),"episode":7,"appended":\#(waiting + 2),"done":2,"released":2,"releasing":\#(releasing),"through":17\#(more)}"#
                .utf8)
    }

    private func key(_ name: String, _ value: [UInt8], shard: UInt32 = 0) throws -> ParkedKey {
        try ParkedKey(StoredParkedKey(shard: ShardID(shard), partitionKey: name, value: value))
    }

    private func failed(_ text: String, type: String? = nil, attempts: Int = 6) -> String {
        let type = type.map { "\"\($0)\"" } ?? "null"
        return
            #","condition":"RetryAttemptsExhausted","errorType":\#(type),"errorText":"\#(text)","attempts":\#(attempts)"#
    }

    private func report(_ keys: [ParkedKey], isSelection: Bool = false) -> ParkedKeysReport {
        ParkedKeysReport(mapping: id, keys: keys, isSelection: isSelection)
    }

    @Test func `each key has a row with why it is parked, and a line has the sums`() throws {
        let keys = [
            try key(
                "ada", value(8, age: 3 * 3600 + 12 * 60, failed("order 7 has no total\\nat line 3", type: "ValueError"))
            ),
            try key(
                "e\u{1B}[2Jva", value(1_200, releasing: true, #","actor":"ops","reason":"refunds \u202e first""#),
                shard: 3),
        ]
        let lines = report(keys).lines(now: now)
        #expect(lines.count == 4)
        #expect(lines[0].hasPrefix("KEY ") && lines[0].hasSuffix("WHY") && !lines[0].contains("FAILED"))
        #expect(lines[1].contains("'ada'") && lines[1].contains(" parked ") && lines[1].contains(" 8  "))
        #expect(lines[1].contains("11:57:17Z  3h 12m"))
        #expect(lines[1].hasSuffix(#"ValueError: order 7 has no total\nat line 3"#))
        #expect(lines[2].contains(#"$'e\x1B[2Jva'"#) && lines[2].contains("shardId-000000000003  releasing    1,200"))
        #expect(lines[2].hasSuffix(#"by ops: refunds \u{202E} first"#))
        #expect(lines[3] == "2 keys are parked, 1,208 records wait")
        // The group is what --group takes.
        let group = try #require(keys[0].cause?.group)
        #expect(lines[1].contains(group.description) && FailureGroup(group.description) == group)
        let again = try key("k", value(1, failed("order 9 has no total", type: "ValueError") + #","failedReleases":2"#))
        #expect(again.cause?.group == group)
        let row = report([again]).lines(now: now)
        #expect(row[0].contains("FAILED RELEASES") && row[2] == "1 key is parked, 1 record waits")
    }

    @Test func `a failure without a text is told by its condition or its type, and a type is said once`() throws {
        let large = try key("k", value(1, #","condition":"PayloadSizeExceeded","attempts":0"#))
        #expect(ParkedKeysReport.why(large) == "PayloadSizeExceeded")
        let typed = #","condition":"PermanentFailure","errorType":"KeyError","attempts":1,"actor":"ops""#
        #expect(ParkedKeysReport.why(try key("k", value(1, typed))) == "KeyError; by ops")
        let said = try key("k", value(1, failed("ValueError: no", type: "ValueError")))
        #expect(ParkedKeysReport.why(said) == "ValueError: no")
        let long = try key("k", value(1, failed(String(repeating: "x", count: 500))))
        #expect(ParkedKeysReport.why(long).count == 200)
    }

    @Test func `nothing that is parked is a line of its own, and no line of JSON`() {
        #expect(report([]).lines(now: now) == ["no key is parked"])
        #expect(report([], isSelection: true).lines(now: now) == ["no parked key is meant"])
        #expect(report([]).json(now: now) == [])
    }

    @Test func `programs get all that is known of each key`() throws {
        let keys = [
            try key("ada", value(8, age: 90, failed("no", type: "ValueError") + #","failedReleases":3"#)),
            try key("eva", value(0, #","actor":"ops""#)),
        ]
        let lines = String(decoding: report(keys).json(now: now), as: UTF8.self).split(separator: "\n")
        #expect(lines.count == 2)
        let objects = try lines.map {
            try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
        }
        let ada = objects[0]
        #expect(ada["streamName"] as? String == "s" && ada["mapping"] as? String == "m")
        #expect(ada["partitionKey"] as? String == "ada" && ada["shardId"] as? String == "shardId-000000000000")
        #expect(ada["state"] as? String == "parked" && ada["recordCount"] as? Int == 8)
        #expect(ada["parkedSince"] as? Double == 1_795_532_867 && ada["ageMilliseconds"] as? Int == 90_000)
        #expect(ada["failedReleases"] as? Int == 3 && ada["attempts"] as? Int == 6)
        #expect(ada["condition"] as? String == "RetryAttemptsExhausted" && ada["errorType"] as? String == "ValueError")
        #expect(ada["errorText"] as? String == "no" && ada["group"] as? String == keys[0].cause?.group.description)
        #expect(ada["actor"] is NSNull && ada["reason"] is NSNull)
        let eva = objects[1]
        #expect(eva.keys.sorted() == ada.keys.sorted())
        #expect(eva["group"] is NSNull && eva["errorText"] is NSNull && eva["attempts"] is NSNull)
        #expect(eva["actor"] as? String == "ops" && eva["reason"] is NSNull)
    }

    private func mapping(isClaimed: Bool, isEnabled: Bool = true) -> MappingDescription {
        MappingDescription(
            key: id, id: 1, startingPosition: .trimHorizon, createdAt: now, configuration: [], epoch: 2,
            isClaimed: isClaimed, checkpoints: [], isEnabled: isEnabled)
    }

    @Test func `mapping describe counts parked keys where there are any`() throws {
        let keys = [try key("a", value(3)), try key("b", value(4))]
        let described = MappingReport(mapping(isClaimed: false), [], parkedKeys: keys)
        #expect(
            described.lines(now: now).contains(
                "parked     2 keys are parked, 7 records wait; `shardline mapping keys s m` lists them"))
        let json = try #require(
            JSONSerialization.jsonObject(with: Data(described.json(now: now))) as? [String: Any])
        #expect(json["parkedKeys"] as? Int == 2 && json["parkedRecords"] as? Int == 7)
        let none = MappingReport(mapping(isClaimed: false), [], parkedKeys: [])
        #expect(!none.lines(now: now).contains { $0.hasPrefix("parked") })
        // `mapping list` does not ask for them.
        #expect(
            !String(decoding: MappingReport(mapping(isClaimed: false), []).json(now: now), as: UTF8.self).contains(
                "parked"))
    }

    @Test func `a request says which keys it means, and who does it`() throws {
        let keys = [try key("a", value(3))]
        #expect(
            MeantKeys(mapping(isClaimed: false), keys).words == "1 parked key with 3 records of the mapping 'm' of 's'")
        #expect(
            MeantKeys(mapping(isClaimed: false), keys).effect("redrives")
                == "no process runs it: the next one redrives them")
        #expect(MeantKeys(mapping(isClaimed: true), keys).effect("redrives") == "it runs, and redrives them now")
        #expect(
            MeantKeys(mapping(isClaimed: true, isEnabled: false), keys).effect("redrives")
                == "it is disabled: it redrives them once it is enabled and runs")
    }

    /// A store in which the mapping has parked these keys.
    private func store(_ keys: [(String, [UInt8])]) async throws -> InMemoryStore {
        let store = InMemoryStore(timeSource: VirtualTime())
        try await store.createStream("s", shards: 1)
        try await store.createMapping(MappingDefinition(key: id, startingPosition: .trimHorizon))
        let epoch = try await store.claimMapping(id).epoch
        _ = try await store.commit(
            keys.map { key, value in
                .park(
                    ParkedKeyChange(mapping: id, shard: ShardID(0), partitionKey: key, value: value, epoch: epoch))
            })
        return store
    }

    @Test func `a key that is named and not parked is refused, and a selection narrows`() async throws {
        let store = try await store([
            ("a", value(3, age: 90, failed("no", type: "ValueError"))), ("b", value(4, age: 10, failed("other"))),
            ("c", value(5)),
        ])
        func meant(_ arguments: [String]) async throws -> [String] {
            let options = try ParkedKeyOptions.parse(arguments)
            return try await MeantKeys(options.selection(now: now), of: id, in: store).keys.map(\.partitionKey)
        }
        #expect(try await meant([]) == ["a", "b", "c"])
        #expect(try await meant(["--key", "a", "--key", "c"]) == ["a", "c"])
        #expect(try await meant(["--error-type", "ValueError"]) == ["a"])
        #expect(try await meant(["--parked-before", "30s"]) == ["a"])
        #expect(try await meant(["--parked-since", "30s", "--key", "b"]) == ["b"])
        #expect(try await meant(["--parked-since", "30s", "--key", "a"]) == [])
        let group = FailureGroup(condition: .retryAttemptsExhausted, errorType: nil, errorText: "other")
        #expect(try await meant(["--group", group.description.uppercased()]) == ["b"])
        let error = await #expect(throws: CommandFailure.self) { _ = try await meant(["--key", "a", "--key", "-x"]) }
        #expect(
            error?.status == .failed && error?.message?.contains("the key '-x' is not parked by the mapping") == true)
    }

    @Test(arguments: [
        (["--all"], true), (["--key", "-k"], true), (["--group", "67eb9b242de3b258"], true),
        (["--error-type", ""], true), (["--parked-before", "-15m"], true), ([], false),
        (["--all", "--key", "k"], false),
    ])
    func `it has to be said which keys are meant`(arguments: [String], isAllowed: Bool) throws {
        let options = try MeantKeyOptions.parse(arguments)
        if isAllowed { return try options.check() }
        let error = #expect(throws: CommandFailure.self) { try options.check() }
        #expect(error?.status == .usage && error?.message?.contains("--all, or some of --key") == true)
    }

    @Test func `the settings of parking are shown where keys are parked`() {
        var settings = EventSourceMapping.Configuration()
        func lines() -> [String] { SettingsTable.lines(ofJSON: settings.json, of: id, title: "") }
        #expect(!lines().contains { $0.contains("parked") })
        settings.whenExhausted = .parkKey
        settings.maximumParkedRecords = 5_000_000
        #expect(lines().contains { $0.hasPrefix("--when-exhausted ") && $0.contains("park-key") })
        #expect(lines().contains { $0.hasPrefix("--maximum-parked-records-per-key ") && $0.hasSuffix(" 10,000") })
        #expect(lines().contains { $0.hasPrefix("--maximum-parked-records ") && $0.contains("5,000,000") })
    }
}
