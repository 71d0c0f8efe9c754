import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

@testable import EventSource

@Suite("A mapping's settings")
struct ConfigurationTests {
    typealias Configuration = EventSourceMapping.Configuration

    private func message(_ body: () throws -> Void) -> String {
        do {
            try body()
            return ""
        } catch {
            return String(describing: error)
        }
    }

    @Test func `the defaults are the safe ones and pass the check`() throws {
        let settings = Configuration()
        try settings.validate()
        #expect(settings.bisectOnError && settings.reportsBatchItemFailures)
        #expect(settings.maximumRetryAttempts == 5)
        #expect(settings.failureDestination == .deadLetterStream)
        #expect(!settings.deaggregates)
        #expect(settings.batchSize == 100 && settings.batchWindow == .zero && settings.maximumRecordAge == nil)
    }

    @Test func `Lambda's defaults are Lambda's (ESM-S4, ESM-S8 to ESM-S10, ESM-S13)`() throws {
        let settings = Configuration.lambdaDefaults
        try settings.validate()
        #expect(!settings.bisectOnError && !settings.reportsBatchItemFailures)
        #expect(settings.maximumRetryAttempts == nil && settings.maximumRecordAge == nil)
        #expect(settings.failureDestination == .none && settings.batchSize == 100)
    }

    @Test func `all violations are named at once, with what is allowed (ESM-S5, ESM-S27)`() {
        var settings = Configuration()
        settings.batchSize = 10_001
        settings.batchWindow = .seconds(301)
        settings.maximumRetryAttempts = -2
        settings.maximumRecordAge = .seconds(59)
        settings.functionTimeout = .zero
        settings.backOff = .init(first: .seconds(2), longest: .seconds(1))
        settings.payloadLimit = 10
        settings.concurrency = 0
        settings.shutdownGrace = .seconds(-1)
        settings.failureDestination = .stream(named: "a b")
        settings.account = "1"
        settings.region = ""
        let text = message { try settings.validate() }
        for part in [
            "batchSize 10001 (allowed: 1 to 10000)", "batchWindow 301s (allowed: 0s to 5m)",
            "maximumRetryAttempts -2 (allowed: 0 to 10000, or nil for no limit)",
            "maximumRecordAge 59s (allowed: 1m to 7d, or nil for no limit)", "functionTimeout 0s",
            "backOff.longest 1s", "payloadLimit 10 (allowed: 1024", "concurrency 0 (allowed: 1", "shutdownGrace -1s",
            "failureDestination stream:a b", "account '1'", "region ''",
        ] { #expect(text.contains(part), "missing: \(part) in \(text)") }
        #expect(!text.contains("\n"))
    }

    @Test func `a tumbling window has whole milliseconds, up to 900 s, and one lane (ESM-S12, ESM-S29)`() throws {
        var settings = Configuration()
        for allowed in [Duration.milliseconds(1), .milliseconds(1_500), .seconds(900)] {
            settings.tumblingWindow = allowed
            try settings.validate()
        }
        settings.parallelizationFactor = 2
        let text = message { try settings.validate() }
        #expect(text.hasPrefix("parallelizationFactor 2 with tumblingWindow (allowed: 1,"))
        settings.parallelizationFactor = 1
        for refused in [Duration.zero, .seconds(-1), .microseconds(1_500), .seconds(900) + .milliseconds(1)] {
            settings.tumblingWindow = refused
            #expect(message { try settings.validate() }.hasPrefix("tumblingWindow "), "\(refused)")
        }
        #expect(try Configuration(json: Array(#"{"tumblingWindow": 0}"#.utf8)).tumblingWindow == nil)
        #expect(try Configuration(json: Array(#"{"tumblingWindow": 900}"#.utf8)).tumblingWindow == .seconds(900))
    }

    @Test(arguments: [1, 10], [nil, .seconds(1)] as [Duration?])
    func `settings may be combined, but windows with several lanes (ESM-S34, ESM-S29)`(
        factor: Int, window: Duration?
    ) throws {
        for bits in 0..<32 {
            var settings = Configuration()
            settings.parallelizationFactor = factor
            settings.tumblingWindow = window
            settings.bisectOnError = bits & 1 == 0
            settings.reportsBatchItemFailures = bits & 2 == 0
            settings.filters = bits & 4 == 0 ? [] : [#"{"partitionKey":["a"]}"#]
            settings.maximumRecordAge = bits & 8 == 0 ? nil : .seconds(60)
            (settings.batchSize, settings.batchWindow) = bits & 16 == 0 ? (10_000, .zero) : (1, .seconds(300))
            #expect(message { try settings.validate() }.isEmpty == (factor == 1 || window == nil))
        }
    }

    @Test func `a shard has 1 to 10 lanes (ESM-S11)`() throws {
        var settings = Configuration()
        #expect(settings.parallelizationFactor == 1)
        for (factor, isAllowed) in [(0, false), (1, true), (10, true), (11, false)] {
            settings.parallelizationFactor = factor
            let text = message { try settings.validate() }
            #expect(text == (isAllowed ? "" : "parallelizationFactor \(factor) (allowed: 1 to 10)"))
        }
    }

    @Test func `wrong filters are named together with the other settings (ESM-S15, ESM-S26, ESM-S27)`() throws {
        var settings = Configuration()
        settings.filters = [#"{"data":{"type":["order"]}}"#, #"{"data":{"type":"order"}}"#, "type = order"]
        settings.batchSize = 0
        let text = message { try settings.validate() }
        for part in [
            "batchSize 0 (allowed: 1 to 10000)",
            "filters[1]: invalid filter pattern definition, byte 16, at $.data.type: the value is the string \"order\"",
            "filters[2]: invalid filter pattern definition, byte 0, at $: no JSON value",
        ] { #expect(text.contains(part), "missing: \(part) in \(text)") }
        #expect(!text.contains("filters[0]"))
        let inJSON = message { _ = try Configuration(json: Array(#"{"filters": ["{}"]}"#.utf8)) }
        #expect(inJSON.hasPrefix("filters[0]: invalid filter pattern definition, byte 0, at $: an empty object"))
        settings = Configuration()
        settings.filters = [FilterPattern](repeating: #"{"data":{"type":["order"]}}"#, count: 10)
        try settings.validate()
        settings.filters.append("{}")
        #expect(message { try settings.validate() }.contains("11 filters (allowed: at most 10)"))
    }

    @Test func `no filter is the default, and the empty list in JSON is none (ESM-S15, ESM-S26)`() throws {
        #expect(Configuration().filters == [] && Configuration.lambdaDefaults.filters == [])
        #expect(try Configuration(json: Array(#"{"filters": []}"#.utf8)) == Configuration())
        // Settings of an older version have no such member.
        #expect(try Configuration(json: Array("{}".utf8)).filters == [])
    }

    @Test func `a pattern can be tried on a record`() throws {
        let pattern: FilterPattern = #"{"data":{"type":["order"]},"partitionKey":[{"prefix":"vip-"}]}"#
        try pattern.validate()
        func record(_ data: String, _ key: String) -> Record {
            Record(
                NewRecord(data, partitionKey: key), shard: ShardID(1), shardCreationSecond: 5,
                sequenceNumber: SequenceNumber(7), approximateArrivalTimestamp: Timestamp(milliseconds: 9))
        }
        #expect(try pattern.matches(record(#"{"type":"order"}"#, "vip-1")))
        #expect(try !pattern.matches(record(#"{"type":"order"}"#, "1")))
        #expect(try !pattern.matches(record("order", "vip-1")))
        #expect(throws: ShardlineError.self) { try FilterPattern("{").validate() }
        #expect(throws: ShardlineError.self) { try FilterPattern("{").matches(record("{}", "k")) }
        // By bytes, as JSON is: a text that looks the same may be another pattern.
        #expect(FilterPattern("\u{E9}") != FilterPattern("e\u{301}"))
    }

    @Test(arguments: [1, 100, 10_000]) func `batch sizes within the limits pass (ESM-S4)`(size: Int) throws {
        var settings = Configuration()
        settings.batchSize = size
        try settings.validate()
    }

    @Test(arguments: [60, 604_800]) func `ages at the limits pass (ESM-S9)`(seconds: Int) throws {
        var settings = Configuration()
        settings.maximumRecordAge = .seconds(seconds)
        settings.maximumRetryAttempts = 0
        settings.batchWindow = .milliseconds(300_000)
        try settings.validate()
    }

    @Test func `the source stream is refused as its own destination (ESM-S31)`() {
        var settings = Configuration()
        settings.failureDestination = .stream(named: "orders")
        let text = message { try settings.validate(mapping: "m", stream: "orders") }
        #expect(text == "failureDestination stream:orders (allowed: any stream but the source itself)")
        #expect(message { try settings.validate(mapping: "m", stream: "other") } == "")
    }

    @Test func `a dead-letter stream whose name would be too long is refused, a named one is not`() {
        let stream = String(repeating: "s", count: 70)
        let mapping = String(repeating: "m", count: 60)
        var settings = Configuration()
        let text = message { try settings.validate(mapping: mapping, stream: stream) }
        #expect(text.contains("more than 128 characters; name a stream"))
        settings.failureDestination = .stream(named: "short")
        #expect(message { try settings.validate(mapping: mapping, stream: stream) } == "")
    }

    @Test func `a bad mapping name is named with what is allowed`() {
        let text = message { try Configuration().validate(mapping: "a/b", stream: "s") }
        #expect(text.hasPrefix("mapping name 'a/b' (allowed: 1 to 128 of"))
    }

    @Test func `settings survive the way through JSON (ESM-S33)`() throws {
        var settings = Configuration()
        settings.batchSize = 7
        settings.parallelizationFactor = 4
        settings.batchWindow = .milliseconds(1500)
        settings.maximumRetryAttempts = nil
        settings.maximumRecordAge = .seconds(120)
        settings.failureDestination = .file("/tmp/x y.jsonl")
        settings.concurrency = 3
        settings.payloadLimit = nil
        settings.backOff = .init(first: .microseconds(1001), longest: .seconds(9))
        settings.region = "eu-central-1"
        settings.filters = [#"{"data": {"a": ["\\u00e9\"", 5]}}"#, "{\"partitionKey\": [\"\u{E9} \\n\"]}"]
        #expect(try Configuration(json: settings.json) == settings)
        #expect(try Configuration(json: Array("{}".utf8)) == Configuration())
        #expect(try Configuration(json: Configuration.lambdaDefaults.json) == .lambdaDefaults)
    }

    @Test func `minus one means no limit in JSON, as in Lambda's API (ESM-S8, ESM-S9)`() throws {
        let json = #"{"maximumRetryAttempts": -1, "maximumRecordAge": -1, "payloadLimit": -1}"#
        let settings = try Configuration(json: Array(json.utf8))
        #expect(settings.maximumRetryAttempts == nil)
        #expect(settings.maximumRecordAge == nil)
        #expect(settings.payloadLimit == nil)
    }

    @Test(arguments: [
        (#"{"batchsize": 5}"#, "unknown setting 'batchsize' (allowed: batchSize, "),
        (
            #"{"failureDestination": "queue:x"}"#,
            "failureDestination 'queue:x' (allowed: dead-letter-stream, stream:NAME"
        ),
        (#"{"batchSize": "many"}"#, "batchSize has a value of the wrong type"),
        ("[1]", "the settings are no JSON object"), ("{", "the settings are no JSON object"),
    ]) func `settings that can't be read are refused in words`(json: String, expected: String) {
        let text = message { _ = try Configuration(json: Array(json.utf8)) }
        #expect(text.hasPrefix(expected), "\(text)")
    }

    @Test func `a mapping with bad settings is not made`() async throws {
        let bench = try await Bench()
        var settings = Configuration()
        settings.batchSize = 0
        await #expect(throws: ShardlineError.self) { try await bench.mapping("m", settings) }
        #expect(try await bench.store.listMappings(of: nil).isEmpty)
    }
}
