import DataFormats
import KinesisAPI
import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// PutRecord and PutRecords.
@Suite struct PuttingTests {
    let client = APIClient()

    private func entries(_ entries: [(key: String, text: String)]) -> String {
        entries.map { #"{"PartitionKey":"\#($0.key)","Data":"\#(base64(Array($0.text.utf8)))"}"# }.joined(
            separator: ",")
    }

    @Test func `API-PutRecord-1, API-S-6, API-Q-8 numbers of a shard increase and name the shard`() async throws {
        try await client.makeStream(shards: 2)
        let numbers = [try await client.put("a", hash: "0"), try await client.put("b", hash: "0")]
        #expect(numbers[0] < numbers[1])
        #expect(numbers.allSatisfy { $0.count == 56 })
        #expect(numbers.map { KinesisSequenceNumber($0)?.shard } == [ShardID(0), ShardID(0)])
        let last = try await client.call(
            "PutRecord",
            #"{"StreamName":"s","PartitionKey":"a","Data":"","ExplicitHashKey":"340282366920938463463374607431768211455"}"#
        )
        #expect(last["ShardId"]?.text == "shardId-000000000001")
        #expect(last["EncryptionType"] == nil)
    }

    @Test func `API-PutRecord-2 a hash key out of range is refused`() async throws {
        try await client.makeStream()
        let key = "340282366920938463463374607431768211456"
        #expect(
            try await client.error(
                "PutRecord", #"{"StreamName":"s","PartitionKey":"a","Data":"","ExplicitHashKey":"\#(key)"}"#
            ).text
                == "Invalid ExplicitHashKey. ExplicitHashKey must be in the range: [0, 2^128-1]. Specified value was \(key)"
        )
    }

    @Test func `API-PutRecord-3, API-Q-6 a number for ordering must be one of the past`() async throws {
        try await client.makeStream()
        let number = try await client.put("a")
        func put(_ ordering: String) -> String {
            #"{"StreamName":"s","PartitionKey":"a","Data":"","SequenceNumberForOrdering":"\#(ordering)"}"#
        }
        let next = try await client.call("PutRecord", put(number))
        #expect(try #require(next["SequenceNumber"]?.text) > number)
        try await client.call("PutRecord", put("5"))
        let parsed = try #require(KinesisSequenceNumber(number))
        let future = KinesisSequenceNumber(
            shard: parsed.shard, shardCreationSecond: parsed.shardCreationSecond, sequenceNumber: parsed.sequenceNumber,
            arrivalSecond: parsed.arrivalSecond + 10
        ).description
        for wrong in [future, String(repeating: "9", count: 56), "1" + String(repeating: "0", count: 40)] {
            #expect(
                try await client.error("PutRecord", put(wrong)).text
                    == "ExclusiveMinimumSequenceNumber \(wrong) used in PutRecord on stream s under account 000000000000 is invalid."
            )
        }
    }

    @Test func `API-PutRecord-4, API-L-2, API-B-12 data over the stream's record size is refused as a whole`()
        async throws
    {
        try await client.makeStream()
        let whole = base64([UInt8](repeating: 1, count: 1 << 20))
        let more = base64([UInt8](repeating: 1, count: 1 << 20 + 1))
        // The key does not count.
        try await client.call("PutRecord", #"{"StreamName":"s","PartitionKey":"key","Data":"\#(whole)"}"#)
        #expect(
            try await client.error("PutRecord", #"{"StreamName":"s","PartitionKey":"a","Data":"\#(more)"}"#)
                == APIClient.Failure(
                    code: "ValidationException",
                    text:
                        "1 validation error detected: Value at 'data' failed to satisfy constraint: Member must have length less than or equal to 1048576"
                ))
        let both = #"{"PartitionKey":"a","Data":""},{"PartitionKey":"a","Data":"\#(more)"}"#
        #expect(
            try await client.error("PutRecords", #"{"StreamName":"s","Records":[\#(both)]}"#).text.contains(
                "Value at 'records.2.member.data'"))
        #expect(try await client.records(try await client.iterator()).texts.count == 1)
        try await client.call(
            "CreateStream", #"{"StreamName":"t","ShardCount":1,"MaxRecordSizeInKiB":2048}"#)
        try await client.call("PutRecord", #"{"StreamName":"t","PartitionKey":"a","Data":"\#(more)"}"#)
    }

    @Test func `API-PutRecord-5 data may be empty, a key may not`() async throws {
        try await client.makeStream()
        try await client.put("")
        #expect(try await client.records(try await client.iterator()).texts == [""])
        #expect(
            try await client.error("PutRecord", #"{"StreamName":"s","PartitionKey":"","Data":""}"#).code
                == "ValidationException")
    }

    @Test func `API-PutRecord-6, API-K-6 the same call again makes another record`() async throws {
        try await client.makeStream()
        try await client.put("a")
        try await client.put("a")
        #expect(try await client.records(try await client.iterator()).texts == ["a", "a"])
    }

    @Test
    func `API-PutRecords-3, API-PutRecords-4 records get numbers in the order of the request, and no failure is zero`()
        async throws
    {
        try await client.makeStream(shards: 2)
        let keys = (0..<100).map { (key: "k\($0 % 7)", text: "\($0)") }
        let reply = try await client.call("PutRecords", #"{"StreamName":"s","Records":[\#(entries(keys))]}"#)
        #expect(reply["FailedRecordCount"]?.int == 0)
        let results = reply["Records"]?.elements.map { $0 } ?? []
        #expect(results.count == 100)
        #expect(results.allSatisfy { $0["ErrorCode"] == nil && $0["ErrorMessage"] == nil })
        for shard in ["shardId-000000000000", "shardId-000000000001"] {
            let numbers = results.filter { $0["ShardId"]?.text == shard }.compactMap { $0["SequenceNumber"]?.text }
            #expect(!numbers.isEmpty)
            #expect(numbers == numbers.sorted())
            let place = String(shard.suffix(1))
            let read = try await client.call(
                "GetRecords", #"{"ShardIterator":"\#(try await client.iterator(shard: Int(place)!))"}"#)
            #expect(read["Records"]?.elements.map { $0["SequenceNumber"]?.text } == numbers)
        }
    }

    @Test func `API-PutRecords-1 a malformed record fails the request, and nothing is written`() async throws {
        try await client.makeStream()
        let good = entries([("a", "x")])
        for bad in [
            #"{"PartitionKey":"","Data":""}"#, #"{"PartitionKey":"a"}"#,
            #"{"PartitionKey":"a","Data":"","ExplicitHashKey":"340282366920938463463374607431768211456"}"#,
            #"{"PartitionKey":"a","Data":"","ExplicitHashKey":"-1"}"#, #"{"Data":""}"#,
        ] {
            _ = try await client.error("PutRecords", #"{"StreamName":"s","Records":[\#(good),\#(bad)]}"#)
        }
        #expect(
            try await client.error("PutRecords", #"{"StreamName":"no","Records":[\#(good)]}"#).code
                == "ResourceNotFoundException")
        #expect(try await client.records(try await client.iterator()).texts == [])
    }

    @Test func `API-PutRecords-2 the whole request is limited`() async throws {
        try await client.makeStream()
        let megabyte = base64([UInt8](repeating: 1, count: 1 << 20))
        let ten = Array(repeating: #"{"PartitionKey":"a","Data":"\#(megabyte)"}"#, count: 10).joined(separator: ",")
        #expect(
            try await client.error("PutRecords", #"{"StreamName":"s","Records":[\#(ten)]}"#)
                == APIClient.Failure(code: "InvalidArgumentException", text: "Records size exceeds 10 MB limit"))
    }

    @Test func `API-U-1 without a key a record needs a stream that distributes records`() async throws {
        try await client.makeStream()
        #expect(
            try await client.error("PutRecord", #"{"StreamName":"s","Data":""}"#)
                == APIClient.Failure(
                    code: "ValidationException",
                    text:
                        "1 validation error detected: Value null at 'partitionKey' failed to satisfy constraint: Member must not be null"
                ))
        #expect(
            try await client.error("PutRecords", #"{"StreamName":"s","Records":[{"Data":""}]}"#).text.contains(
                "'records.1.member.partitionKey'"))
    }

    @Test func `API-U-1 on a stream that distributes records the key may be missing`() async throws {
        try await client.call("CreateStream", #"{"StreamName":"s","RecordDistributionStrategy":"AUTO"}"#)
        let records = Array(repeating: #"{"Data":"YQ=="}"#, count: 100).joined(separator: ",")
        let reply = try await client.call(
            "PutRecords", #"{"StreamName":"s","Records":[\#(records),{"Data":"Yg==","PartitionKey":"k"}]}"#)
        #expect(reply["FailedRecordCount"]?.int == 0)
        // A hundred random hash keys reach more than one of four shards.
        #expect(Set(reply["Records"]?.elements.compactMap { $0["ShardId"]?.text } ?? []).count > 1)
        try await client.call("PutRecord", #"{"StreamName":"s","Data":"YQ=="}"#)
        var keys: [String?] = []
        for shard in 0..<4 {
            let page = try await client.records(try await client.iterator(shard: shard)).reply
            keys += page["Records"]?.elements.map { $0["PartitionKey"]?.text } ?? []
        }
        #expect(keys.count == 102)
        #expect(keys.compactMap(\.self) == ["k"])
    }

    @Test func `API-C-6, API-Encryption-1 records of streams that are shown as encrypted say so`() async throws {
        try await client.makeStream()
        try await client.put("a")
        client.time.advance(by: .milliseconds(1))
        try await client.call(
            "StartStreamEncryption", #"{"StreamName":"s","EncryptionType":"KMS","KeyId":"alias/aws/kinesis"}"#)
        let put = try await client.call("PutRecord", #"{"StreamName":"s","PartitionKey":"a","Data":""}"#)
        #expect(put["EncryptionType"]?.text == "KMS")
        let puts = try await client.call(
            "PutRecords", #"{"StreamName":"s","Records":[{"PartitionKey":"a","Data":""}]}"#)
        #expect(puts["EncryptionType"]?.text == "KMS")
        let read = try await client.records(try await client.iterator()).reply
        #expect(read["Records"]?.elements.map { $0["EncryptionType"]?.text } == [nil, "KMS", "KMS"])
        client.time.advance(by: .milliseconds(1))
        try await client.call(
            "StopStreamEncryption", #"{"StreamName":"s","EncryptionType":"KMS","KeyId":"alias/aws/kinesis"}"#)
        #expect(
            try await client.call("PutRecord", #"{"StreamName":"s","PartitionKey":"a","Data":""}"#)["EncryptionType"]
                == nil)
        // What was put before stays as it was.
        let last = try await client.records(try await client.iterator()).reply
        #expect(last["Records"]?.elements.map { $0["EncryptionType"]?.text } == [nil, "KMS", "KMS", nil])
        for key in ["", "a b", "alias/", "arn:aws:kms:us-east-1:123456789012:foo/bar"] {
            #expect(
                await client.respond(
                    "StartStreamEncryption", #"{"StreamName":"s","EncryptionType":"KMS","KeyId":"\#(key)"}"#
                ).status == 400)
        }
        #expect(
            try await client.error("StartStreamEncryption", #"{"StreamName":"s","EncryptionType":"NONE","KeyId":"a"}"#)
                .code
                == "InvalidArgumentException")
    }

    @Test func `API-S-2, API-S-3, API-S-4, API-B-2 CBOR takes bytes and writes times as milliseconds`() async throws {
        try await client.makeStream()
        var body = DocumentWriter(.cbor)
        body.beginMap(3)
        body.key("StreamName")
        body.string("s")
        body.key("PartitionKey")
        body.string("a")
        body.key("Data")
        body.blob([0, 255, 7])
        body.endMap()
        let caller = client.caller
        func call(_ operation: String, _ body: [UInt8]) async throws -> Document {
            let response = await client.respond(
                target: "Kinesis_20131202.\(operation)", contentType: "application/x-amz-cbor-1.1", body: body
            ) { _ in caller }
            return try Document(cbor: try response.bytes)
        }
        #expect(try await call("PutRecord", body.bytes).root["SequenceNumber"]?.text != nil)
        var read = DocumentWriter(.cbor)
        read.beginMap(1)
        read.key("ShardIterator")
        read.string(try await client.iterator())
        read.endMap()
        let record = try #require(
            try await call("GetRecords", read.bytes).root["Records"]?.elements.first { _ in true })
        #expect(try record["Data"]?.blob() == [0, 255, 7])
        #expect(record["ApproximateArrivalTimestamp"]?.kind == .time)
        #expect(record["ApproximateArrivalTimestamp"]?.milliseconds == APIClient.start.milliseconds)
        // A Java client's AT_TIMESTAMP is an integer of milliseconds.
        var position = DocumentWriter(.cbor)
        position.beginMap(4)
        position.key("StreamName")
        position.string("s")
        position.key("ShardId")
        position.string("0")
        position.key("ShardIteratorType")
        position.string("AT_TIMESTAMP")
        position.key("Timestamp")
        position.time(milliseconds: APIClient.start.milliseconds)
        position.endMap()
        #expect(try await call("GetShardIterator", position.bytes).root["ShardIterator"]?.text != nil)
    }

    // MARK: Rates

    @Test func `API-L-1, API-L-3 rates are enforced only where that is asked for`() async throws {
        let free = APIClient()
        try await free.makeStream()
        for _ in 0..<20 { _ = try await free.records(try await free.iterator()) }
        let client = APIClient { $0.enforcesLimits = true }
        try await client.makeStream(shards: 1)
        let text = "Rate exceeded for shard shardId-000000000000 in stream s under account 000000000000."
        let kilobyte = String(repeating: "x", count: 1 << 10)
        let half = entries(Array(repeating: ("a", "x"), count: 500))
        for _ in 0..<2 {
            #expect(
                try await client.call("PutRecords", #"{"StreamName":"s","Records":[\#(half)]}"#)["FailedRecordCount"]?
                    .int == 0)
        }
        let third = try await client.call("PutRecords", #"{"StreamName":"s","Records":[\#(half)]}"#)
        #expect(third["FailedRecordCount"]?.int == 500)
        #expect(
            third["Records"]?.elements.map { $0["ErrorCode"]?.text }.first == "ProvisionedThroughputExceededException")
        #expect(third["Records"]?.elements.map { $0["ErrorMessage"]?.text }.first == text)
        #expect(
            try await client.error("PutRecord", #"{"StreamName":"s","PartitionKey":"a","Data":""}"#)
                == APIClient.Failure(code: "ProvisionedThroughputExceededException", text: text))
        client.time.advance(by: .seconds(1))
        // Half a MiB at once leaves room for more.
        let many = entries(Array(repeating: ("a", kilobyte), count: 500))
        #expect(
            try await client.call("PutRecords", #"{"StreamName":"s","Records":[\#(many)]}"#)["FailedRecordCount"]?.int
                == 0)
        let over = try await client.call(
            "PutRecords", #"{"StreamName":"s","Records":[\#(entries([("a", "x")]))]}"#)
        #expect(over["FailedRecordCount"]?.int == 0)
        client.time.advance(by: .seconds(2))
        let iterator = try await client.iterator()
        for _ in 0..<5 { _ = try await client.call("GetRecords", #"{"ShardIterator":"\#(iterator)","Limit":1}"#) }
        #expect(try await client.error("GetRecords", #"{"ShardIterator":"\#(iterator)"}"#).text == text)
    }

    @Test func `API-L-3 after ten megabytes a shard is not read for five seconds`() async throws {
        let client = APIClient { $0.enforcesLimits = true }
        try await client.makeStream()
        let megabyte = base64([UInt8](repeating: 1, count: 1 << 20 - 100))
        for _ in 0..<10 {
            try await client.call("PutRecord", #"{"StreamName":"s","PartitionKey":"a","Data":"\#(megabyte)"}"#)
            client.time.advance(by: .seconds(2))
        }
        let iterator = try await client.iterator()
        #expect(try await client.records(iterator).texts.count == 10)
        client.time.advance(by: .milliseconds(4900))
        #expect(
            try await client.error("GetRecords", #"{"ShardIterator":"\#(iterator)"}"#).code
                == "ProvisionedThroughputExceededException")
        client.time.advance(by: .milliseconds(200))
        _ = try await client.records(iterator)
    }

    @Test func `API-E-11, API-L-4 control calls are limited before the stream is looked for`() async throws {
        let client = APIClient { $0.enforcesLimits = true }
        try await client.makeStream()
        for _ in 0..<10 { try await client.call("DescribeStream", #"{"StreamName":"s"}"#) }
        #expect(
            try await client.error("DescribeStream", #"{"StreamName":"s"}"#)
                == APIClient.Failure(
                    code: "LimitExceededException", text: "Rate exceeded for stream s under account 000000000000."))
        client.time.advance(by: .seconds(1))
        try await client.call("DescribeStream", #"{"StreamName":"s"}"#)
    }
}
