import DataFormats
import KinesisAPI
import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// GetShardIterator and GetRecords.
@Suite struct ReadingTests {
    let client = APIClient()

    private func error(_ type: String, _ more: String, shard: String = "0") async throws -> APIClient.Failure {
        try await client.error(
            "GetShardIterator", #"{"StreamName":"s","ShardId":"\#(shard)","ShardIteratorType":"\#(type)"\#(more)}"#)
    }

    @Test
    func `API-T-1, API-GetRecords-5 an iterator is opaque, may be used again, and holds across servers of a store`()
        async throws
    {
        try await client.makeStream()
        try await client.put("a")
        let iterator = try await client.iterator()
        #expect(iterator.count <= 512)
        #expect(Base64.bytes(of: iterator)?.prefix(8) == [0, 0, 0, 0, 0, 0, 0, 1])
        #expect(try await client.records(iterator).texts == ["a"])
        try await client.put("b")
        #expect(try await client.records(iterator).texts == ["a", "b"])
        client.time.advance(by: .milliseconds(5))
        #expect(try await client.iterator() != iterator)
        let other = APIClient.service(client.store)
        let caller = client.caller
        let response = await other.respond(
            to: ServiceRequest(
                target: "Kinesis_20131202.GetRecords", contentType: "application/x-amz-json-1.1",
                body: Array(#"{"ShardIterator":"\#(iterator)"}"#.utf8), requestID: "r")
        ) { _ in caller }
        #expect(try APIClient.Reply(try response.bytes)["Records"]?.count == 2)
    }

    @Test func `API-GetRecords-1 what is no iterator of the store is refused`() async throws {
        try await client.makeStream()
        let iterator = try await client.iterator()
        let changed = String(iterator.dropLast(4)) + (iterator.hasSuffix("AAA=") ? "BBB=" : "AAA=")
        for text in ["x", "AAAA", changed] {
            #expect(
                try await client.error("GetRecords", #"{"ShardIterator":"\#(text)"}"#)
                    == APIClient.Failure(code: "InvalidArgumentException", text: "Invalid ShardIterator."))
        }
    }

    @Test func `API-GetRecords-2 the ARN must be that of the iterator's stream`() async throws {
        try await client.makeStream()
        let iterator = try await client.iterator()
        let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/"
        try await client.call("GetRecords", #"{"ShardIterator":"\#(iterator)","StreamARN":"\#(arn)s"}"#)
        #expect(
            try await client.error("GetRecords", #"{"ShardIterator":"\#(iterator)","StreamARN":"\#(arn)t"}"#).code
                == "InvalidArgumentException")
    }

    @Test func `API-GetRecords-3, API-B-6, API-B-15 an iterator is valid for five minutes, and a clock may step back`()
        async throws
    {
        try await client.makeStream()
        let iterator = try await client.iterator()
        client.time.advance(by: .seconds(300))
        let next = try #require(try await client.records(iterator).reply["NextShardIterator"]?.text)
        client.time.advance(by: .milliseconds(1))
        #expect(
            try await client.error("GetRecords", #"{"ShardIterator":"\#(iterator)"}"#)
                == APIClient.Failure(
                    code: "ExpiredIteratorException",
                    text:
                        "Iterator expired. The iterator was created at time Sun Nov 29 10:00:00 UTC 2026 while right now it is Sun Nov 29 10:05:00 UTC 2026 which is further in the future than the tolerated delay of 300000 milliseconds."
                ))
        // The one that the answer brought has an age of its own.
        client.time.advance(by: .seconds(299))
        #expect(try await client.records(next).texts == [])
        client.time.setWallTime(APIClient.start)
        #expect(try await client.records(next).texts == [])
    }

    @Test func `API-T-2, API-T-11 the oldest record is looked for when it is read`() async throws {
        try await client.makeStream()
        try await client.put("old")
        let iterator = try await client.iterator()
        client.time.advance(by: .seconds(24 * 3600 - 60))
        try await client.put("new")
        let late = try await client.iterator()
        client.time.advance(by: .seconds(120))
        #expect(try await client.records(late).texts == ["new"])
        #expect(
            try await client.error("GetRecords", #"{"ShardIterator":"\#(iterator)"}"#).code
                == "ExpiredIteratorException")
    }

    @Test func `API-T-3, API-B-3 the newest position is that of the call`() async throws {
        try await client.makeStream()
        try await client.put("before")
        let iterator = try await client.iterator("LATEST")
        try await client.put("between")
        #expect(try await client.records(iterator).texts == ["between"])
    }

    @Test func `API-T-4, API-B-14 a time is the first record at or after it`() async throws {
        try await client.makeStream()
        let empty = try await client.iterator("AT_TIMESTAMP", #","Timestamp":1795946400"#)
        #expect(try await client.records(empty).texts == [])
        try await client.put("a")
        client.time.advance(by: .milliseconds(1500))
        try await client.put("b")
        client.time.advance(by: .seconds(10))
        let start = 1_795_946_400
        for (time, texts) in [
            ("\(start)", ["a", "b"]), ("\(start).001", ["b"]), ("\(start + 1).5", ["b"]), ("\(start + 2)", []),
            ("0", ["a", "b"]),
        ] {
            #expect(
                try await client.records(try await client.iterator("AT_TIMESTAMP", #","Timestamp":\#(time)"#)).texts
                    == texts)
        }
    }

    @Test func `API-T-5, API-Q-3, API-Q-4, API-B-11 numbers are compared as a whole`() async throws {
        try await client.makeStream(shards: 2)
        let half = "170141183460469231731687303715884105728"
        let a = try await client.put("a", hash: half)
        client.time.advance(by: .seconds(1))
        let b = try await client.put("b", hash: half)
        func read(_ type: String, _ number: String) async throws -> [String] {
            try await client.records(
                try await client.iterator(type, shard: 1, #","StartingSequenceNumber":"\#(number)""#)
            ).texts
        }
        #expect(try await read("AT_SEQUENCE_NUMBER", a) == ["a", "b"])
        #expect(try await read("AFTER_SEQUENCE_NUMBER", a) == ["b"])
        #expect(try await read("AT_SEQUENCE_NUMBER", b) == ["b"])
        #expect(try await read("AFTER_SEQUENCE_NUMBER", b) == [])
        // The number of a record that would have arrived a second later is after the record.
        let parsed = try #require(KinesisSequenceNumber(a))
        let later = KinesisSequenceNumber(
            shard: parsed.shard, shardCreationSecond: parsed.shardCreationSecond, sequenceNumber: parsed.sequenceNumber,
            arrivalSecond: parsed.arrivalSecond + 1)
        #expect(try await read("AT_SEQUENCE_NUMBER", later.description) == ["b"])
        #expect(try await read("AFTER_SEQUENCE_NUMBER", later.description) == ["b"])
        let start = try #require(
            try await client.shards()[1]["SequenceNumberRange"]?["StartingSequenceNumber"]?.text)
        #expect(start < a)
        #expect(try await read("AT_SEQUENCE_NUMBER", start) == ["a", "b"])
        #expect(try await read("AFTER_SEQUENCE_NUMBER", start) == ["a", "b"])
    }

    @Test func `API-T-6 an answer ends at the limit, and holds one record at least`() async throws {
        try await client.call("CreateStream", #"{"StreamName":"s","ShardCount":1}"#)
        for text in ["a", "b", "c"] { try await client.put(text) }
        let (texts, reply) = try await client.records(try await client.iterator(), limit: 2)
        #expect(texts == ["a", "b"])
        #expect(try await client.records(try #require(reply["NextShardIterator"]?.text)).texts == ["c"])
        let megabyte = base64([UInt8](repeating: 7, count: 1 << 20))
        for _ in 0..<12 {
            try await client.call("PutRecord", #"{"StreamName":"s","PartitionKey":"k","Data":"\#(megabyte)"}"#)
        }
        let page = try await client.call("GetRecords", #"{"ShardIterator":"\#(try await client.iterator())"}"#)
        // Three small records, and with their keys not ten of a megabyte.
        #expect(page["Records"]?.count == 12)
    }

    @Test func `API-T-7, API-T-8, API-B-4 at the end of a closed shard there are children and no iterator`()
        async throws
    {
        try await client.makeStream(shards: 2)
        try await client.put("a", hash: "0")
        let open = try await client.records(try await client.iterator())
        #expect(open.reply["NextShardIterator"] != nil && open.reply["ChildShards"] == nil)
        try await client.call("MergeShards", #"{"StreamName":"s","ShardToMerge":"0","AdjacentShardToMerge":"1"}"#)
        var (texts, reply) = try await client.records(try await client.iterator(), limit: 1)
        #expect(texts == ["a"])
        if let next = reply["NextShardIterator"]?.text {
            #expect(reply["ChildShards"] == nil)
            (texts, reply) = try await client.records(next)
            #expect(texts == [])
        }
        #expect(reply["NextShardIterator"] == nil)
        let children = reply["ChildShards"]?.elements.map { $0 } ?? []
        #expect(children.map { $0["ShardId"]?.text } == ["shardId-000000000002"])
        #expect(
            children.first?["ParentShards"]?.elements.map(\.text) == ["shardId-000000000000", "shardId-000000000001"])
        #expect(children.first?["HashKeyRange"]?["StartingHashKey"]?.text == "0")
        // A closed, empty one ends at once.
        let other = try await client.records(try await client.iterator(shard: 1)).reply
        #expect(other["NextShardIterator"] == nil && other["ChildShards"]?.count == 1)
        let latest = try await client.records(try await client.iterator("LATEST", shard: 1)).reply
        #expect(latest["NextShardIterator"] == nil && latest["ChildShards"]?.count == 1)
    }

    @Test func `API-T-9, API-B-7 milliseconds behind are measured against now`() async throws {
        try await client.makeStream(shards: 1)
        #expect(try await client.records(try await client.iterator()).reply["MillisBehindLatest"]?.int == 0)
        try await client.put("a")
        client.time.advance(by: .milliseconds(2500))
        try await client.put("b")
        client.time.advance(by: .seconds(1))
        #expect(
            try await client.records(try await client.iterator(), limit: 1).reply["MillisBehindLatest"]?.int == 3500)
        #expect(try await client.records(try await client.iterator()).reply["MillisBehindLatest"]?.int == 0)
        try await client.call(
            "SplitShard", #"{"StreamName":"s","ShardToSplit":"0","NewStartingHashKey":"1000"}"#)
        client.time.advance(by: .seconds(4))
        #expect(try await client.records(try await client.iterator()).reply["MillisBehindLatest"]?.int == 4000)
    }

    @Test func `API-T-10, API-B-5 committed records are never passed over, and come once`() async throws {
        try await client.makeStream()
        var iterator = try await client.iterator()
        var seen: [String] = []
        for round in 0..<20 {
            try await client.put("\(round)")
            let (texts, reply) = try await client.records(iterator)
            seen += texts
            iterator = try #require(reply["NextShardIterator"]?.text)
        }
        #expect(seen == (0..<20).map { "\($0)" })
    }

    @Test func `API-GetShardIterator-1, API-N-6 a shard's name is read leniently`() async throws {
        try await client.makeStream()
        for name in ["shardId-000000000000", "shard-0", "0", "x-000", "x-0-y"] {
            try await client.call(
                "GetShardIterator", #"{"StreamName":"s","ShardId":"\#(name)","ShardIteratorType":"LATEST"}"#)
        }
        for name in ["ham", "shardId-2147483648", "a-b", "-"] {
            #expect(
                try await error("LATEST", "", shard: name)
                    == APIClient.Failure(
                        code: "ResourceNotFoundException",
                        text: "Could not find shard \(name) in stream s under account 000000000000."))
        }
    }

    @Test func `API-GetShardIterator-2 an unknown shard and an unknown stream are the same`() async throws {
        let failure = APIClient.Failure(
            code: "ResourceNotFoundException",
            text: "Shard shardId-000000000007 in stream s under account 000000000000 does not exist")
        #expect(try await error("LATEST", "", shard: "7") == failure)
        try await client.makeStream()
        #expect(try await error("LATEST", "", shard: "7") == failure)
    }

    @Test func `API-GetShardIterator-3 a number is given exactly where the type needs one`() async throws {
        try await client.makeStream()
        let start =
            "Must either specify (1) AT_SEQUENCE_NUMBER or AFTER_SEQUENCE_NUMBER and StartingSequenceNumber or (2) TRIM_HORIZON or LATEST and no StartingSequenceNumber. Request specified "
        #expect(
            try await error("AT_SEQUENCE_NUMBER", "").text == start
                + "AT_SEQUENCE_NUMBER and no StartingSequenceNumber.")
        #expect(
            try await error("LATEST", #","StartingSequenceNumber":"5""#).text
                == start + "LATEST and also a StartingSequenceNumber.")
    }

    @Test func `API-GetShardIterator-4, API-GetShardIterator-6, API-Q-7 what is no number of a shard is refused`()
        async throws
    {
        try await client.makeStream()
        let large = String(repeating: "9", count: 56)
        #expect(
            try await error("AT_SEQUENCE_NUMBER", #","StartingSequenceNumber":"\#(large)""#).text
                == "StartingSequenceNumber \(large) used in GetShardIterator on shard shardId-000000000000 in stream s under account 000000000000 is invalid."
        )
        #expect(
            try await error("AT_SEQUENCE_NUMBER", #","StartingSequenceNumber":"0""#).text.hasSuffix(
                "is invalid because it did not come from this stream."))
        for sentinel in ["TRIM_HORIZON", "LATEST", "SHARD_END"] {
            #expect(
                try await error("AT_SEQUENCE_NUMBER", #","StartingSequenceNumber":"\#(sentinel)""#).code
                    == "ValidationException")
        }
    }

    @Test func `API-GetShardIterator-5, API-GetShardIterator-7 numbers of other shards and streams are refused`()
        async throws
    {
        try await client.makeStream(shards: 2)
        let number = try await client.put("a", hash: "0")
        #expect(
            try await error("AT_SEQUENCE_NUMBER", #","StartingSequenceNumber":"\#(number)""#, shard: "1").text
                == "Invalid StartingSequenceNumber. It encodes shardId-000000000000, while it was used in a call to a shard with shardId-000000000001"
        )
        try await client.call("DeleteStream", #"{"StreamName":"s"}"#)
        client.time.advance(by: .seconds(5))
        try await client.makeStream(shards: 2)
        #expect(
            try await error("AT_SEQUENCE_NUMBER", #","StartingSequenceNumber":"\#(number)""#).text
                == "StartingSequenceNumber \(number) used in GetShardIterator on shard shardId-000000000000 in stream s under account 000000000000 is invalid because it did not come from this stream."
        )
    }

    @Test func `API-GetShardIterator-8, API-GetShardIterator-9 a time is needed, and not one of the future`()
        async throws
    {
        try await client.makeStream()
        #expect(
            try await error("AT_TIMESTAMP", "").text
                == "Must specify timestampInMillis parameter for iterator of type AT_TIMESTAMP. Current request has no timestamp parameter."
        )
        #expect(
            try await error("AT_TIMESTAMP", #","Timestamp":1795946400.001"#).text
                == "The timestampInMillis parameter cannot be greater than the currentTimestampInMillis. timestampInMillis: 1795946400001, currentTimestampInMillis: 1795946400000"
        )
        _ = try await client.iterator("LATEST", #","Timestamp":99999999999"#)
    }

    @Test func `API-GetShardIterator-9 a number beyond the tip is a position that fills later`() async throws {
        try await client.makeStream()
        let first = try #require(KinesisSequenceNumber(try await client.put("a")))
        let third = KinesisSequenceNumber(
            shard: first.shard, shardCreationSecond: first.shardCreationSecond, sequenceNumber: SequenceNumber(2),
            arrivalSecond: first.arrivalSecond)
        let iterator = try await client.iterator("AFTER_SEQUENCE_NUMBER", #","StartingSequenceNumber":"\#(third)""#)
        #expect(try await client.records(iterator).texts == [])
        try await client.put("b")
        try await client.put("c")
        #expect(try await client.records(iterator).texts == ["c"])
    }

    @Test
    func `API-GetShardIterator-10, API-GetShardIterator-11 a closed shard gives iterators, but none after its end`()
        async throws
    {
        try await client.makeStream()
        try await client.call("SplitShard", #"{"StreamName":"s","ShardToSplit":"0","NewStartingHashKey":"1000"}"#)
        let end = try #require(try await client.shards()[0]["SequenceNumberRange"]?["EndingSequenceNumber"]?.text)
        #expect(
            try await error("AFTER_SEQUENCE_NUMBER", #","StartingSequenceNumber":"\#(end)""#).text
                == "Invalid SequenceNumber for ShardIteratorType AFTER_SEQUENCE_NUMBER, SequenceNumber has reached max possible value for the shard."
        )
        let at = try await client.iterator("AT_SEQUENCE_NUMBER", #","StartingSequenceNumber":"\#(end)""#)
        #expect(try await client.records(at).reply["ChildShards"]?.count == 2)
    }

    @Test func `API-U-2 a dry run checks everything and does nothing`() async throws {
        try await client.makeStream()
        let put = #"{"StreamName":"s","PartitionKey":"a","Data":"","DryRun":true}"#
        #expect(try await client.error("PutRecord", put).code == "DryRunOperationException")
        #expect(
            try await client.error(
                "PutRecords", #"{"StreamName":"s","Records":[{"PartitionKey":"a","Data":""}],"DryRun":true}"#
            )
            .code == "DryRunOperationException")
        #expect(
            try await client.error(
                "GetShardIterator", #"{"StreamName":"s","ShardId":"0","ShardIteratorType":"LATEST","DryRun":true}"#
            ).code == "DryRunOperationException")
        let iterator = try await client.iterator()
        #expect(
            try await client.error("GetRecords", #"{"ShardIterator":"\#(iterator)","DryRun":true}"#).code
                == "DryRunOperationException")
        #expect(try await client.records(iterator).texts == [])
        #expect(
            try await client.error("PutRecord", #"{"StreamName":"t","PartitionKey":"a","Data":"","DryRun":true}"#).code
                == "ResourceNotFoundException")
    }
}
