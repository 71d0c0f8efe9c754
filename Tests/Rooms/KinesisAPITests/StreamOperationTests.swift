import DataFormats
import KinesisAPI
import ShardlineTesting
import StreamModel
import StreamStorage
import Testing

/// Creating, describing, listing and deleting streams.
@Suite struct StreamOperationTests {
    let client = APIClient()

    private func description(_ name: String = "s", _ more: String = "") async throws -> Document.Value {
        try #require(
            try await client.call("DescribeStream", #"{"StreamName":"\#(name)"\#(more)}"#)["StreamDescription"])
    }
    private func summary(_ name: String = "s") async throws -> Document.Value {
        try #require(
            try await client.call("DescribeStreamSummary", #"{"StreamName":"\#(name)"}"#)["StreamDescriptionSummary"])
    }

    @Test func `API-C-5, API-N-2 a new stream has the defaults of Kinesis`() async throws {
        try await client.makeStream(shards: 2)
        let stream = try await description()
        #expect(stream["StreamName"]?.text == "s")
        #expect(stream["StreamARN"]?.text == "arn:aws:kinesis:us-east-1:000000000000:stream/s")
        #expect(stream["StreamStatus"]?.text == "ACTIVE")
        #expect(stream["RetentionPeriodHours"]?.int == 24)
        #expect(stream["EncryptionType"]?.text == "NONE")
        #expect(stream["KeyId"] == nil)
        #expect(stream["EnhancedMonitoring"]?.elements.map { $0["ShardLevelMetrics"]?.count } == [0])
        let created = try #require(stream["StreamCreationTimestamp"]?.milliseconds)
        #expect(created == APIClient.start.milliseconds)
        #expect(stream["HasMoreShards"]?.bool == false)
        #expect(stream["StreamModeDetails"]?["StreamMode"]?.text == "PROVISIONED")
    }

    @Test func `API-N-2 the partition follows the region`() {
        #expect(StreamAddress(account: "1", region: "cn-north-1", name: "s").arn.hasPrefix("arn:aws-cn:"))
        #expect(StreamAddress(account: "1", region: "us-gov-west-1", name: "s").arn.hasPrefix("arn:aws-us-gov:"))
        let consumer = ConsumerARN(
            stream: StreamAddress(account: "000000000000", region: "eu-west-1", name: "s"), name: "c",
            creationSecond: 17)
        #expect(consumer.text == "arn:aws:kinesis:eu-west-1:000000000000:stream/s/consumer/c:17")
        #expect(ConsumerARN(consumer.text) == consumer)
        #expect(ConsumerARN("arn:aws:kinesis:eu-west-1:000000000000:stream/s") == nil)
    }

    @Test func `API-H-2, API-H-4 the shards of a stream divide the hash keys evenly`() async throws {
        try await client.makeStream(shards: 3)
        let shards = try await description()["Shards"]?.elements.map { $0 } ?? []
        #expect(
            shards.map { $0["HashKeyRange"]?["StartingHashKey"]?.text } == [
                "0", "113427455640312821154458202477256070485", "226854911280625642308916404954512140970",
            ])
        #expect(shards.last?["HashKeyRange"]?["EndingHashKey"]?.text == "340282366920938463463374607431768211455")
        #expect(shards.map { $0["ShardId"]?.text } == (0..<3).map { "shardId-00000000000\($0)" })
        #expect(shards.allSatisfy { $0["ParentShardId"] == nil && $0["AdjacentParentShardId"] == nil })
        #expect(shards.allSatisfy { $0["SequenceNumberRange"]?["EndingSequenceNumber"] == nil })
    }

    @Test func `API-H-5 without a count or a mode a stream is on demand and has four shards`() async throws {
        try await client.call("CreateStream", #"{"StreamName":"s"}"#)
        #expect(try await summary()["StreamModeDetails"]?["StreamMode"]?.text == "ON_DEMAND")
        #expect(try await summary()["OpenShardCount"]?.int == 4)
        try await client.call(
            "CreateStream", #"{"StreamName":"t","ShardCount":2,"StreamModeDetails":{"StreamMode":"ON_DEMAND"}}"#)
        #expect(try await summary("t")["OpenShardCount"]?.int == 4)
    }

    @Test func `API-CreateStream-1 a provisioned stream needs a count`() async throws {
        #expect(
            try await client.error(
                "CreateStream", #"{"StreamName":"s","StreamModeDetails":{"StreamMode":"PROVISIONED"}}"#
            )
            .code == "InvalidArgumentException")
    }

    @Test func `API-CreateStream-3, API-CreateStream-5 a name is taken once`() async throws {
        let outcomes = await withTaskGroup(of: String?.self) { group in
            for _ in 0..<8 {
                group.addTask { await client.respond("CreateStream", #"{"StreamName":"s","ShardCount":1}"#).errorCode }
            }
            return await group.reduce(into: [String?]()) { $0.append($1) }
        }
        #expect(outcomes.count { $0 == nil } == 1)
        #expect(outcomes.count { $0 == "ResourceInUseException" } == 7)
        #expect(
            try await client.error("CreateStream", #"{"StreamName":"s","ShardCount":1}"#).text
                == "Stream s under account 000000000000 already exists.")
    }

    @Test func `API-CreateStream-4, API-CreateStream-6, API-L-5 the account's shards are limited`() async throws {
        let client = APIClient { $0.shardLimit = 10 }
        try await client.makeStream("a", shards: 7)
        let failure = try await client.error("CreateStream", #"{"StreamName":"b","ShardCount":4}"#)
        #expect(failure.code == "LimitExceededException")
        #expect(
            failure.text
                == "This request would exceed the shard limit for the account 000000000000 in us-east-1. Current shard count for the account: 7. Limit: 10. Number of additional shards that would have resulted from this request: 4. Refer to the AWS Service Limits page (http://docs.aws.amazon.com/general/latest/gr/aws_service_limits.html) for current limits and how to request higher limits."
        )
        try await client.makeStream("b", shards: 3)
        let limits = try await client.call("DescribeLimits")
        #expect(limits["ShardLimit"]?.int == 10)
        #expect(limits["OpenShardCount"]?.int == 10)
        #expect(limits["OnDemandStreamCount"]?.int == 0)
        #expect(limits["OnDemandStreamCountLimit"]?.int == 50)
        #expect(limits["ChannelCount"]?.int == 0)
        // Each region counts for itself.
        var abroad = client
        abroad.caller.region = "eu-west-1"
        #expect(try await abroad.call("DescribeLimits")["OpenShardCount"]?.int == 0)
    }

    @Test func `API-L-5 where limits are enforced few streams are created at a time, and fifty are on demand`()
        async throws
    {
        let client = APIClient {
            $0.enforcesLimits = true
            $0.transitionDelay = .milliseconds(500)
        }
        for number in 0..<50 {
            try await client.call("CreateStream", #"{"StreamName":"d\#(number)"}"#)
            client.time.advance(by: .seconds(1))
        }
        #expect(try await client.error("CreateStream", #"{"StreamName":"more"}"#).code == "LimitExceededException")
        let slow = APIClient {
            $0.enforcesLimits = true
            $0.transitionDelay = .seconds(10)
        }
        for number in 0..<5 {
            try await slow.makeStream("p\(number)")
            slow.time.advance(by: .milliseconds(300))
        }
        #expect(
            try await slow.error("CreateStream", #"{"StreamName":"p6","ShardCount":1}"#).text
                == "At most 5 streams of account 000000000000 may be in state CREATING at a time.")
        // Each account counts for itself.
        var other = slow
        other.caller.account = "111111111111"
        try await other.makeStream("p6")
        slow.time.advance(by: .seconds(9))
        try await slow.makeStream("p6")
    }

    @Test func `API-CreateStream-7, API-U-1, API-U-3 tags and settings are there from the start`() async throws {
        try await client.call(
            "CreateStream",
            #"{"StreamName":"s","Tags":{"team":"a"},"WarmThroughputMiBps":5,"MaxRecordSizeInKiB":2048,"RecordDistributionStrategy":"AUTO"}"#
        )
        let summary = try await summary()
        #expect(summary["WarmThroughput"]?["TargetMiBps"]?.int == 5)
        #expect(summary["WarmThroughput"]?["CurrentMiBps"]?.int == 5)
        #expect(summary["MaxRecordSizeInKiB"]?.int == 2048)
        #expect(summary["RecordDistributionStrategy"]?.text == "AUTO")
        #expect(summary["ChannelCount"]?.int == 0)
        #expect(summary["QueueCount"]?.int == 0)
        let tags = try await client.call("ListTagsForStream", #"{"StreamName":"s"}"#)
        #expect(tags["Tags"]?.elements.map { $0["Key"]?.text } == ["team"])
        #expect(
            try await client.error("CreateStream", #"{"StreamName":"t","ShardCount":1,"WarmThroughputMiBps":5}"#).code
                == "ValidationException")
        #expect(
            try await client.error(
                "CreateStream", #"{"StreamName":"t","ShardCount":1,"RecordDistributionStrategy":"AUTO"}"#
            ).code == "InvalidArgumentException")
        #expect(
            try await client.error("CreateStream", #"{"StreamName":"t","ShardCount":1,"Tags":{"a,":"b"}}"#).code
                == "InvalidArgumentException")
    }

    @Test func `API-DescribeStream-1 shards come in pages of a hundred at most`() async throws {
        try await client.makeStream(shards: 120)
        let first = try await description("s", #","Limit":5000"#)
        #expect(first["Shards"]?.count == 100)
        #expect(first["HasMoreShards"]?.bool == true)
        let rest = try await description("s", #","ExclusiveStartShardId":"shardId-000000000099""#)
        #expect(rest["Shards"]?.count == 20)
        #expect(rest["HasMoreShards"]?.bool == false)
        #expect(try await description("s", #","ExclusiveStartShardId":"x-5000""#)["Shards"]?.count == 0)
        #expect(
            try await client.error("DescribeStream", #"{"StreamName":"s","ExclusiveStartShardId":"x-y"}"#).text
                == "Could not find shard x-y in stream s under account 000000000000.")
    }

    @Test func `API-DescribeStreamSummary-1 only open shards and live consumers count`() async throws {
        try await client.makeStream(shards: 2)
        try await client.call(
            "MergeShards", #"{"StreamName":"s","ShardToMerge":"0","AdjacentShardToMerge":"1"}"#)
        let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
        try await client.call("RegisterStreamConsumer", #"{"StreamARN":"\#(arn)","ConsumerName":"a"}"#)
        try await client.call("RegisterStreamConsumer", #"{"StreamARN":"\#(arn)","ConsumerName":"b"}"#)
        try await client.call("DeregisterStreamConsumer", #"{"StreamARN":"\#(arn)","ConsumerName":"a"}"#)
        let summary = try await summary()
        #expect(summary["OpenShardCount"]?.int == 1)
        #expect(summary["ConsumerCount"]?.int == 1)
        #expect(summary["StreamId"] == nil)
    }

    @Test func `API-ListStreams-1 streams are listed by the bytes of their names, in pages`() async throws {
        for name in ["b", "a", "B", "_x", "a.b"] { try await client.makeStream(name) }
        let all = try await client.call("ListStreams")
        let names = ["B", "_x", "a", "a.b", "b"]
        #expect(all["StreamNames"]?.elements.map(\.text) == names)
        #expect(all["StreamSummaries"]?.elements.map { $0["StreamName"]?.text } == names)
        #expect(all["HasMoreStreams"]?.bool == false)
        #expect(all["NextToken"] == nil)
        var listed: [String?] = []
        var page = try await client.call("ListStreams", #"{"Limit":2}"#)
        while true {
            listed += page["StreamNames"]?.elements.map(\.text) ?? []
            #expect((page["NextToken"] != nil) == (page["HasMoreStreams"]?.bool == true))
            guard let token = page["NextToken"]?.text else { break }
            page = try await client.call("ListStreams", #"{"Limit":2,"NextToken":"\#(token)"}"#)
        }
        #expect(listed == names)
        #expect(
            try await client.call("ListStreams", #"{"ExclusiveStartStreamName":"a.a"}"#)["StreamNames"]?.elements.map(
                \.text)
                == ["a.b", "b"])
        #expect(
            try await client.error("ListStreams", #"{"ExclusiveStartStreamName":"a","NextToken":"x"}"#).code
                == "InvalidArgumentException")
        #expect(try await client.error("ListStreams", #"{"NextToken":"x"}"#).code == "InvalidArgumentException")
    }

    @Test func `API-N-1 accounts and regions do not see each other's streams`() async throws {
        try await client.makeStream("s")
        var other = client
        other.caller = Caller(account: "123456789012", region: "eu-central-1")
        #expect(try await other.call("ListStreams")["StreamNames"]?.count == 0)
        #expect(
            try await other.error("DescribeStream", #"{"StreamName":"s"}"#)
                == APIClient.Failure(
                    code: "ResourceNotFoundException", text: "Stream s under account 123456789012 not found."))
        try await other.makeStream("s", shards: 2)
        #expect(try await other.call("ListStreams")["StreamNames"]?.elements.map(\.text) == ["s"])
        let arn = try await other.call("DescribeStreamSummary", #"{"StreamName":"s"}"#)["StreamDescriptionSummary"]?[
            "StreamARN"]?.text
        #expect(arn == "arn:aws:kinesis:eu-central-1:123456789012:stream/s")
        #expect(try await client.call("ListStreams")["StreamNames"]?.elements.map(\.text) == ["s"])
        #expect(client.ids(try await client.shards()) == [0])
        #expect(other.ids(try await other.shards()) == [0, 1])
    }

    @Test func `API-A-7 streams made in Swift belong to the configured account and region`() async throws {
        try await client.store.createStream("made", shards: 2)
        #expect(try await client.call("ListStreams")["StreamNames"]?.elements.map(\.text) == ["made"])
        try await client.makeStream("here")
        #expect(try await client.store.stream("here").describe().shards.count == 1)
    }

    @Test func `API-N-3, API-N-4 a stream is named by its name, its ARN, or both`() async throws {
        try await client.makeStream("s")
        let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
        try await client.call("DescribeStream", #"{"StreamARN":"\#(arn)"}"#)
        try await client.call("DescribeStream", #"{"StreamARN":"\#(arn)","StreamName":"s"}"#)
        #expect(
            try await client.error("DescribeStream")
                == APIClient.Failure(
                    code: "InvalidArgumentException", text: "Either StreamName or StreamARN should be provided."))
        #expect(
            try await client.error("DescribeStream", #"{"StreamARN":"\#(arn)","StreamName":"t"}"#).code
                == "InvalidArgumentException")
        // Another account is served, another region is not.
        var other = client
        other.caller.account = "111111111111"
        try await other.call("DescribeStream", #"{"StreamARN":"\#(arn)"}"#)
        other.caller.region = "eu-west-1"
        #expect(
            try await other.error("DescribeStream", #"{"StreamARN":"\#(arn)"}"#).code == "ResourceNotFoundException")
    }

    @Test(arguments: ["DescribeStream", "DescribeStreamSummary", "DeleteStream", "ListShards", "ListTagsForStream"])
    func `API-N-7 a stream that is not there is said to be missing`(operation: String) async throws {
        #expect(
            try await client.error(operation, #"{"StreamName":"no"}"#)
                == APIClient.Failure(
                    code: "ResourceNotFoundException", text: "Stream no under account 000000000000 not found."))
    }

    @Test func `API-DeleteStream-1 a stream with consumers is deleted only when that is asked for`() async throws {
        try await client.makeStream()
        let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
        try await client.call("RegisterStreamConsumer", #"{"StreamARN":"\#(arn)","ConsumerName":"c"}"#)
        #expect(
            try await client.error("DeleteStream", #"{"StreamName":"s"}"#)
                == APIClient.Failure(
                    code: "ResourceInUseException",
                    text:
                        "DeleteStream can't delete 000000000000:s because there are consumers associated with this data stream. To delete s anyway, set the EnforceConsumerDeletion parameter to true."
                ))
        try await client.call("DeleteStream", #"{"StreamName":"s","EnforceConsumerDeletion":true}"#)
        #expect(try await client.error("DescribeStream", #"{"StreamName":"s"}"#).code == "ResourceNotFoundException")
        // A new stream of the name has none of them.
        try await client.makeStream()
        #expect(try await client.call("ListStreamConsumers", #"{"StreamARN":"\#(arn)"}"#)["Consumers"]?.count == 0)
    }

    @Test
    func
        `API-DeleteStream-3, API-GetRecords-4 iterators of a deleted stream find no shard, also after the name was used again`()
        async throws
    {
        try await client.makeStream()
        let iterator = try await client.iterator()
        try await client.call("DeleteStream", #"{"StreamName":"s"}"#)
        let failure = APIClient.Failure(
            code: "ResourceNotFoundException",
            text: "Shard shardId-000000000000 in stream s under account 000000000000 does not exist")
        #expect(try await client.error("GetRecords", #"{"ShardIterator":"\#(iterator)"}"#) == failure)
        client.time.advance(by: .seconds(2))
        try await client.makeStream()
        #expect(try await client.error("GetRecords", #"{"ShardIterator":"\#(iterator)"}"#) == failure)
    }

    // MARK: The states in between

    @Test
    func `API-C-1, API-C-2, API-CreateStream-2 a stream that is being created takes no records and shows no shards`()
        async throws
    {
        let client = APIClient { $0.transitionDelay = .milliseconds(500) }
        try await client.makeStream(shards: 2)
        let stream = try await client.call("DescribeStream", #"{"StreamName":"s"}"#)["StreamDescription"]
        #expect(stream?["StreamStatus"]?.text == "CREATING")
        #expect(stream?["Shards"]?.count == 0)
        let notActive = "Stream s under account 000000000000 not ACTIVE, instead in state CREATING"
        #expect(
            try await client.error("ListShards", #"{"StreamName":"s"}"#)
                == APIClient.Failure(code: "ResourceInUseException", text: notActive))
        #expect(
            try await client.error(
                "GetShardIterator", #"{"StreamName":"s","ShardId":"0","ShardIteratorType":"LATEST"}"#
            ).text == "Shard shardId-000000000000 in stream s under account 000000000000 does not exist")
        #expect(
            try await client.error("PutRecord", #"{"StreamName":"s","PartitionKey":"a","Data":""}"#).text
                == "Stream s under account 000000000000 not found.")
        #expect(
            try await client.error("MergeShards", #"{"StreamName":"s","ShardToMerge":"0","AdjacentShardToMerge":"1"}"#)
                .text
                == notActive)
        client.time.advance(by: .milliseconds(501))
        try await client.put("a")
        #expect(client.ids(try await client.shards()) == [0, 1])
    }

    @Test func `API-C-3 a stream that is being updated takes records and no other change`() async throws {
        let client = APIClient { $0.transitionDelay = .milliseconds(500) }
        try await client.makeStream(shards: 2)
        client.time.advance(by: .seconds(1))
        let merge = #"{"StreamName":"s","ShardToMerge":"0","AdjacentShardToMerge":"1"}"#
        try await client.call("MergeShards", merge)
        let stream = try await client.call("DescribeStream", #"{"StreamName":"s"}"#)["StreamDescription"]
        #expect(stream?["StreamStatus"]?.text == "UPDATING")
        #expect(stream?["Shards"]?.count == 3)
        try await client.put("a")
        #expect(try await client.records(try await client.iterator(shard: 2)).texts == ["a"])
        let failure = APIClient.Failure(
            code: "ResourceInUseException",
            text: "Stream s under account 000000000000 not ACTIVE, instead in state UPDATING")
        #expect(try await client.error("MergeShards", merge) == failure)
        #expect(
            try await client.error("SplitShard", #"{"StreamName":"s","ShardToSplit":"2","NewStartingHashKey":"100"}"#)
                == failure)
        #expect(
            try await client.error(
                "UpdateShardCount", #"{"StreamName":"s","TargetShardCount":2,"ScalingType":"UNIFORM_SCALING"}"#)
                == failure)
        #expect(
            try await client.error(
                "StartStreamEncryption", #"{"StreamName":"s","EncryptionType":"KMS","KeyId":"alias/a"}"#) == failure)
        #expect(try await client.error("DeleteStream", #"{"StreamName":"s"}"#) == failure)
        client.time.advance(by: .seconds(1))
        try await client.call("DeleteStream", #"{"StreamName":"s"}"#)
    }

    @Test func `API-C-4, API-DeleteStream-2 a stream that is being deleted is still shown`() async throws {
        let client = APIClient { $0.transitionDelay = .milliseconds(500) }
        try await client.makeStream()
        #expect(try await client.error("DeleteStream", #"{"StreamName":"s"}"#).code == "ResourceInUseException")
        client.time.advance(by: .seconds(1))
        try await client.call("DeleteStream", #"{"StreamName":"s"}"#)
        #expect(
            try await client.call("DescribeStreamSummary", #"{"StreamName":"s"}"#)["StreamDescriptionSummary"]?[
                "StreamStatus"]?
                .text == "DELETING")
        #expect(
            try await client.call("ListStreams")["StreamSummaries"]?.elements.map { $0["StreamStatus"]?.text } == [
                "DELETING"
            ])
        #expect(
            try await client.error("CreateStream", #"{"StreamName":"s","ShardCount":1}"#).text
                == "Stream s under account 000000000000 already exists.")
        #expect(
            try await client.error("PutRecord", #"{"StreamName":"s","PartitionKey":"a","Data":""}"#).text
                == "Stream s under account 000000000000 not found.")
        client.time.advance(by: .seconds(1))
        #expect(try await client.error("DescribeStream", #"{"StreamName":"s"}"#).code == "ResourceNotFoundException")
        try await client.makeStream()
    }
}
