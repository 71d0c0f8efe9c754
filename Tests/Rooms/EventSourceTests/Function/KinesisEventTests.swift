import DataFormats
import StreamModel
import TestSupport
import Testing

@testable import EventSource

@Suite("The event of functions outside Swift")
struct KinesisEventTests {
    private let event = KinesisEvent(names: Records.names)

    @Test func `an event is Lambda's, byte by byte (ESM-E1, ESM-E2, ESM-E9)`() {
        let records = Records.batch(["hello"])
        let number = records[0].kinesisSequenceNumber.description
        let expected =
            #"{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"k1","sequenceNumber":"\#(number)","data":"aGVsbG8=","approximateArrivalTimestamp":1545084650.987},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000006:\#(number)","eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::000000000000:role/shardline","awsRegion":"us-east-1","eventSourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s"}]}"#
        #expect(String(decoding: event.json(of: records), as: UTF8.self) == expected)
    }

    @Test func `a stream that names its account and region has an ARN with them (ESM-E9, STORE-Q3)`() {
        var settings = EventSourceMapping.Configuration()
        (settings.account, settings.region) = ("999999999999", "us-west-2")
        func names(_ stream: String) -> ResourceNames {
            ResourceNames(stream: stream, mapping: "m", configuration: settings)
        }
        let (plain, named) = (names("orders"), names("123456789012:eu-west-1:orders"))
        #expect(plain.stream == "arn:aws:kinesis:us-west-2:999999999999:stream/orders" && plain.region == "us-west-2")
        #expect(named.stream == "arn:aws:kinesis:eu-west-1:123456789012:stream/orders" && named.region == "eu-west-1")
        #expect(plain.function == "arn:aws:lambda:us-west-2:999999999999:function:m")
        #expect(named.function == plain.function && named.role == plain.role)
        // API-N-2.
        for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")] {
            settings.region = region
            let own = names("orders")
            #expect(own.stream == "arn:\(partition):kinesis:\(region):999999999999:stream/orders")
            #expect(own.function == "arn:\(partition):lambda:\(region):999999999999:function:m")
            #expect(own.role == "arn:\(partition):iam::999999999999:role/shardline")
            #expect(names("123456789012:\(region):orders").stream.hasPrefix("arn:\(partition):kinesis:\(region):1234"))
            #expect(named.stream.hasPrefix("arn:aws:") && own.source.streamARN == own.stream)
        }
        let text = String(decoding: KinesisEvent(names: named).json(of: Records.batch(["a"])), as: UTF8.self)
        #expect(text.contains(#""awsRegion":"eu-west-1","eventSourceARN":"\#(named.stream)""#))
    }

    @Test func `a record without a key has no such member, and is measured to the byte (ESM-E1, API-U-1)`() {
        let record = Record(
            NewRecord("a", partitionKey: "", explicitHashKey: HashKey(7)), shard: ShardID(6),
            shardCreationSecond: Records.creation, sequenceNumber: SequenceNumber(1),
            approximateArrivalTimestamp: Records.arrival)
        let text = String(decoding: event.json(of: RecordBatch([record])), as: UTF8.self)
        #expect(!text.contains("partitionKey"))
        #expect(text.hasPrefix(#"{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","sequenceNumber":"#))
        #expect(text.utf8.count == KinesisEvent.envelopeSize + event.size(of: record))
    }

    @Test func `with a tumbling window an event has six more members (ESM-E7, ESM-E8)`() {
        let start = Timestamp(milliseconds: 1_607_497_440_000)
        var window = LaneCore.Window(start: start, end: start + .seconds(120), state: Array(#"{"1": 282}"#.utf8))
        let plain = event.json(of: RecordBatch())
        func text(_ call: LaneCore.WindowCall) -> String {
            let json = event.json(of: RecordBatch(), window: call, shard: ShardID(6))
            #expect(json.count <= plain.count + event.windowSize + max(call.state.count, 2))
            return String(decoding: json, as: UTF8.self)
        }
        #expect(
            text(LaneCore.WindowCall(window))
                == #"{"Records":[],"window":{"start":"2020-12-09T07:04:00Z","end":"2020-12-09T07:06:00Z"},"state":{"1": 282},"shardId":"shardId-000000000006","eventSourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/s","isFinalInvokeForWindow":false,"isWindowTerminatedEarly":false}"#
        )
        window.state = []
        let final = text(LaneCore.WindowCall(window, isFinal: true, isTerminatedEarly: true))
        #expect(final.contains(#""state":{},"#))
        #expect(final.hasSuffix(#""isFinalInvokeForWindow":true,"isWindowTerminatedEarly":true}"#))
    }

    @Test
    func `user records have the members that libraries give them, and are measured to the byte (ESM-E11, ESM-B4)`() {
        let users = (0..<12).map { AggregateEncoder.User("k\"\($0)", hashKey: $0 == 11 ? "77" : nil, [UInt8($0)]) }
        let record = Record(
            NewRecord(AggregateEncoder.aggregate(users), partitionKey: "outer"), shard: ShardID(6),
            shardCreationSecond: Records.creation, sequenceNumber: SequenceNumber(1),
            approximateArrivalTimestamp: Records.arrival)
        let number = record.kinesisSequenceNumber.description
        let event = KinesisEvent(names: Records.names, deaggregates: true)
        let text = String(decoding: event.json(of: RecordBatch([record])), as: UTF8.self)
        #expect(text.utf8.count == KinesisEvent.envelopeSize + event.size(of: record))
        let last =
            #"{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"k\"11","explicitHashKey":"77","sequenceNumber":"\#(number)","subSequenceNumber":11,"aggregated":true,"data":"Cw==","approximateArrivalTimestamp":1545084650.987},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000006:\#(number)","#
        #expect(text.contains(last), "\(text)")
        // As it is stored without the setting, and what is no aggregate with it.
        #expect(
            self.event.json(of: RecordBatch([record])).count == KinesisEvent.envelopeSize + self.event.size(of: record))
        let plain = Records.batch(["a", "b"])
        #expect(event.json(of: plain) == self.event.json(of: plain))
    }

    @Test func `records stand in sequence order with a comma between`() throws {
        let value = try #require(JSONValue(event.json(of: Records.batch(["a", "b", "c"]))))
        guard case .array(let records)? = value["Records"] else {
            Issue.record("no list of records")
            return
        }
        #expect(records.compactMap { $0["kinesis"]?["data"]?.text } == ["YQ==", "Yg==", "Yw=="])
        #expect(records.compactMap { $0["kinesis"]?["sequenceNumber"]?.text }.sorted().count == 3)
    }

    @Test(arguments: ["", "a", "ab", "abc", "longer than a line of base64 would ever be"], ["k", "\"\\\n\u{1}ß🙂"])
    func `the size of a record is the size it takes (ESM-B4)`(data: String, key: String) {
        let one = Records.batch([data], keys: [key])
        #expect(event.json(of: one).count == KinesisEvent.envelopeSize + event.size(of: one[0]))
        let two = Records.batch([data, data], keys: [key])
        #expect(
            event.json(of: two).count
                == KinesisEvent.envelopeSize + event.size(of: two[0]) + 1 + event.size(of: two[1]))
    }

    @Test(arguments: [
        (0, "0.000"), (1, "0.001"), (1_545_084_650_987, "1545084650.987"), (1_664_559_083_050, "1664559083.050"),
        (-1500, "-1.500"),
    ]) func `times are seconds with three decimals`(milliseconds: Int64, text: String) {
        var writer = JSONWriter()
        writer.seconds(ofMilliseconds: milliseconds)
        #expect(String(decoding: writer.bytes, as: UTF8.self) == text)
    }

    @Test func `what is written can be read`() throws {
        let texts = ["", "plain", "\"quoted\" \\ /", "tab\tline\nreturn\r", "\u{0}\u{1F}", "ß🙂\u{2028}"]
        for text in texts {
            var writer = JSONWriter()
            writer.string(text)
            #expect(JSONValue(writer.bytes) == .string(text))
            #expect(writer.bytes.count == JSONWriter.size(ofString: text))
        }
    }

    @Test(arguments: [
        "[1,]", "{\"a\":}", "{a:1}", "\"\u{1}\"", "\"\\x\"", "\"\\ud800\"", "+1", "1.", ".5", "1e", "[", "]", "tru",
        "\"open", "1 2", "\u{FEFF}1",
    ]) func `what is no JSON is not read as JSON`(text: String) {
        #expect(JSONValue(Array(text.utf8)) == nil)
    }

    @Test func `members whose names look equal are told apart`() throws {
        let text =
            "{\"caf\u{E9}\":1,\"cafe\u{301}\":2,\"caf\\u00e9\":3,\"\u{212B}\":4,\"\u{C5}\":5,\"\":6,\"\\u0000\":7}"
        let value = try #require(JSONValue(Array(text.utf8)))
        // Of two members of one name the last counts, however the name is written.
        for (name, number) in [
            ("caf\u{E9}", "3"), ("cafe\u{301}", "2"), ("\u{212B}", "4"), ("\u{C5}", "5"), ("", "6"), ("\0", "7"),
        ] { #expect(value[name] == .number(number)) }
        #expect(value["A\u{30A}"] == nil)
        let answer = try #require(JSONValue(Array("{\"errorMessage\":\"x\",\"\u{212A}ind\":1}".utf8)))
        #expect(answer["Kind"] == nil)
    }

    @Test func `JSON is read with escapes, numbers as written, and a limit to its depth`() {
        #expect(JSONValue(Array(#" {"a": [1e5, -0.5, "\ud83d\ude42\/"], "a": null} "#.utf8)) == .object(["a": .null]))
        #expect(JSONValue(Array(#"["\ud83d\ude42", 1E+2]"#.utf8)) == .array([.string("🙂"), .number("1E+2")]))
        #expect(
            JSONValue(Array((String(repeating: "[", count: 1000) + String(repeating: "]", count: 1000)).utf8)) == nil)
        #expect(JSONValue([0x22, 0xFF, 0x22]) == nil)
    }
}
