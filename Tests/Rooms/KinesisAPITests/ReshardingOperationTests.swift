import DataFormats
import KinesisAPI
import ShardlineTesting
import StreamModel
import Testing

/// SplitShard, MergeShards, UpdateShardCount, and ListShards with its filters.
@Suite struct ReshardingOperationTests {
    let client = APIClient()

    private func split(_ shard: String, _ key: String) async throws -> APIClient.Failure {
        try await client.error(
            "SplitShard", #"{"StreamName":"s","ShardToSplit":"\#(shard)","NewStartingHashKey":"\#(key)"}"#)
    }
    private func merge(_ one: String, _ other: String) async throws -> APIClient.Failure {
        try await client.error(
            "MergeShards", #"{"StreamName":"s","ShardToMerge":"\#(one)","AdjacentShardToMerge":"\#(other)"}"#)
    }
    private func split(_ shard: Int, at key: String) async throws {
        try await client.call(
            "SplitShard", #"{"StreamName":"s","ShardToSplit":"\#(shard)","NewStartingHashKey":"\#(key)"}"#)
    }
    private func merge(_ one: Int, with other: Int) async throws {
        try await client.call(
            "MergeShards", #"{"StreamName":"s","ShardToMerge":"\#(one)","AdjacentShardToMerge":"\#(other)"}"#)
    }
    private func list(_ filter: String) async throws -> [Int] {
        client.ids(try await client.shards("s", #","ShardFilter":{\#(filter)}"#))
    }
    private func seconds(_ milliseconds: Int64) -> String {
        "\(milliseconds / 1000).\(String(1000 + milliseconds % 1000).dropFirst())"
    }

    @Test func `API-R-1, API-R-2 children have their parents and ranges`() async throws {
        try await client.makeStream()
        try await split(0, at: "1000")
        try await merge(1, with: 2)
        let shards = try await client.shards()
        #expect(client.ids(shards) == [0, 1, 2, 3])
        #expect(shards[1]["ParentShardId"]?.text == "shardId-000000000000" && shards[1]["AdjacentParentShardId"] == nil)
        #expect(shards[1]["HashKeyRange"]?["EndingHashKey"]?.text == "999")
        #expect(shards[3]["ParentShardId"]?.text == "shardId-000000000001")
        #expect(shards[3]["AdjacentParentShardId"]?.text == "shardId-000000000002")
        let first = try #require(shards[0]["SequenceNumberRange"]?["EndingSequenceNumber"]?.text)
        #expect(try #require(shards[1]["SequenceNumberRange"]?["StartingSequenceNumber"]?.text) > first)
        #expect(shards[3]["SequenceNumberRange"]?["EndingSequenceNumber"] == nil)
    }

    @Test func `API-Reshard-1 the names, the stream and the shard are checked in this order`() async throws {
        #expect(try await split("a-b", "5").text == "Could not find shard a-b in stream s under account 000000000000.")
        #expect(try await split("7", "5").text == "Stream s under account 000000000000 not found.")
        try await client.makeStream()
        #expect(
            try await split("7", "5").text
                == "Could not find shard shardId-000000000007 in stream s under account 000000000000.")
    }

    @Test(arguments: ["0", "1", "340282366920938463463374607431768211455", "340282366920938463463374607431768211456"])
    func `API-Reshard-2 a key must lie within the shard, and not at its bounds`(key: String) async throws {
        try await client.makeStream()
        #expect(
            try await split("0", key).text
                == "NewStartingHashKey \(key) used in SplitShard() on shard shardId-000000000000 in stream s under account 000000000000 is not both greater than one plus the shard's StartingHashKey 0 and less than the shard's EndingHashKey 340282366920938463463374607431768211455."
        )
    }

    @Test func `API-Reshard-2 two is the first key that may be split at`() async throws {
        try await client.makeStream()
        try await split(0, at: "2")
        #expect(client.ids(try await client.shards()) == [0, 1, 2])
    }

    @Test func `API-Reshard-3 shards are merged in the order of their keys only`() async throws {
        try await client.makeStream(shards: 3)
        for (one, other) in [("1", "0"), ("0", "2"), ("0", "0")] {
            #expect(
                try await merge(one, other).text
                    == "Shards shardId-00000000000\(one) and shardId-00000000000\(other) in stream s under account 000000000000 are not an adjacent pair of shards eligible for merging"
            )
        }
    }

    @Test func `API-Reshard-4, API-B-13 a closed shard is split or merged no second time`() async throws {
        try await client.makeStream(shards: 2)
        try await merge(0, with: 1)
        let text =
            "Shard shardId-000000000000 in stream s under account 000000000000 has already been merged or split, and thus is not eligible for merging or splitting."
        #expect(try await split("0", "500").text == text)
        #expect(try await merge("0", "1").text == text)
    }

    @Test func `API-Reshard-5 a split may pass the account's limit no more than a new stream may`() async throws {
        let client = APIClient { $0.shardLimit = 2 }
        try await client.makeStream(shards: 2)
        let failure = try await client.error(
            "SplitShard", #"{"StreamName":"s","ShardToSplit":"0","NewStartingHashKey":"500"}"#)
        #expect(failure.code == "LimitExceededException")
        #expect(failure.text.contains("Number of additional shards that would have resulted from this request: 1."))
        #expect(
            try await client.error("SplitShard", #"{"StreamName":"s","ShardToSplit":"0","NewStartingHashKey":"x"}"#)
                .text
                .contains(#"Member must satisfy regular expression pattern: 0|([1-9]\d{0,38})"#))
    }

    @Test
    func
        `API-UpdateShardCount-1, API-UpdateShardCount-2, API-UpdateShardCount-3, API-UpdateShardCount-4 open shards are counted`()
        async throws
    {
        try await client.makeStream(shards: 2)
        func update(_ count: Int) -> String {
            #"{"StreamName":"s","TargetShardCount":\#(count),"ScalingType":"UNIFORM_SCALING"}"#
        }
        let reply = try await client.call("UpdateShardCount", update(5))
        #expect(reply["CurrentShardCount"]?.int == 2)
        #expect(reply["TargetShardCount"]?.int == 5)
        #expect(reply["StreamName"]?.text == "s")
        #expect(reply["StreamARN"]?.text == "arn:aws:kinesis:us-east-1:000000000000:stream/s")
        let open = try await client.shards("s", #","ShardFilter":{"Type":"AT_LATEST"}"#)
        #expect(open.count == 5)
        let starts = Set(open.compactMap { $0["HashKeyRange"]?["StartingHashKey"]?.text })
        #expect(starts == Set(HashKeyRange.even(5).map(\.first.description)))
        let before = try await client.shards().count
        #expect(try await client.call("UpdateShardCount", update(5))["CurrentShardCount"]?.int == 5)
        #expect(try await client.shards().count == before)
        try await client.call("UpdateShardCount", update(1))
        let limited = APIClient { $0.enforcesLimits = true }
        try await limited.makeStream(shards: 4)
        #expect(
            try await limited.error("UpdateShardCount", update(9)).text
                == "UpdateShardCount cannot scale up over double your current open shard count. Current open shard count: 4 Target shard count: 9"
        )
        #expect(
            try await limited.error("UpdateShardCount", update(1)).text
                == "UpdateShardCount cannot scale down below half your current open shard count. Current open shard count: 4 Target shard count: 1"
        )
    }

    @Test func `API-UpdateStreamMode-1, API-UpdateStreamMode-2 an on-demand stream is not scaled by hand`() async throws
    {
        try await client.makeStream(shards: 2)
        let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
        func mode(_ mode: String) -> String {
            #"{"StreamARN":"\#(arn)","StreamModeDetails":{"StreamMode":"\#(mode)"}}"#
        }
        try await client.call("UpdateStreamMode", mode("PROVISIONED"))
        try await client.call("UpdateStreamMode", mode("ON_DEMAND"))
        let text = "Request is invalid. Stream s under account 000000000000 is in On-Demand mode."
        #expect(try await merge("0", "1") == APIClient.Failure(code: "ValidationException", text: text))
        #expect(try await split("0", "500").text == text)
        #expect(
            try await client.error(
                "UpdateShardCount", #"{"StreamName":"s","TargetShardCount":3,"ScalingType":"UNIFORM_SCALING"}"#
            ).text == text)
        #expect(client.ids(try await client.shards()) == [0, 1])
        try await client.call("UpdateStreamMode", mode("PROVISIONED"))
        try await merge(0, with: 1)
    }

    // MARK: ListShards

    @Test func `API-ListShards-1 a list is named by a stream or a token`() async throws {
        try await client.makeStream(shards: 3)
        #expect(
            try await client.error("ListShards").text == "Either NextToken or StreamName should be provided.")
        let page = try await client.call("ListShards", #"{"StreamName":"s","MaxResults":2}"#)
        let token = try #require(page["NextToken"]?.text)
        for more in [#""StreamName":"s""#, #""ExclusiveStartShardId":"0""#, #""ShardFilter":{"Type":"AT_LATEST"}"#] {
            #expect(
                try await client.error("ListShards", #"{"NextToken":"\#(token)",\#(more)}"#).text
                    == "NextToken and StreamName cannot be provided together.")
        }
        let rest = try await client.call("ListShards", #"{"NextToken":"\#(token)","MaxResults":5}"#)
        #expect(rest["Shards"]?.count == 1 && rest["NextToken"] == nil)
    }

    @Test func `API-ListShards-4 tokens expire, and are of one stream of the name`() async throws {
        try await client.makeStream(shards: 3)
        let token = try #require(
            try await client.call("ListShards", #"{"StreamName":"s","MaxResults":2}"#)["NextToken"]?.text)
        let streams = try await client.call("ListStreams")
        #expect(streams["NextToken"] == nil)
        #expect(try await client.error("ListStreams", #"{"NextToken":"\#(token)"}"#).code == "InvalidArgumentException")
        client.time.advance(by: .milliseconds(300_001))
        #expect(try await client.error("ListShards", #"{"NextToken":"\#(token)"}"#).code == "ExpiredNextTokenException")
        let fresh = try #require(
            try await client.call("ListShards", #"{"StreamName":"s","MaxResults":2}"#)["NextToken"]?.text)
        try await client.call("DeleteStream", #"{"StreamName":"s"}"#)
        client.time.advance(by: .seconds(2))
        try await client.makeStream(shards: 3)
        #expect(try await client.error("ListShards", #"{"NextToken":"\#(fresh)"}"#).code == "ResourceNotFoundException")
        #expect(
            try await client.error("ListShards", #"{"StreamName":"s","StreamCreationTimestamp":1}"#).code
                == "ResourceNotFoundException")
        let created = try await client.call("DescribeStreamSummary", #"{"StreamName":"s"}"#)[
            "StreamDescriptionSummary"]?[
                "StreamCreationTimestamp"]?.milliseconds
        try await client.call(
            "ListShards", #"{"StreamName":"s","StreamCreationTimestamp":\#(seconds(try #require(created)))}"#)
    }

    /// Whether shards cover all hash keys without gap or overlap (API-H-3).
    private func cover(_ shards: [Document.Value]) -> Bool {
        let ranges = shards.compactMap { shard -> (UInt128, UInt128)? in
            let range = shard["HashKeyRange"]
            guard let first = range?["StartingHashKey"]?.text.flatMap({ UInt128($0) }),
                let last = range?["EndingHashKey"]?.text.flatMap({ UInt128($0) })
            else { return nil }
            return (first, last)
        }.sorted { $0.0 < $1.0 }
        guard ranges.first?.0 == 0, ranges.last?.1 == .max else { return false }
        return zip(ranges, ranges.dropFirst()).allSatisfy { $0.1 + 1 == $1.0 }
    }

    @Test func `API-ListShards-2, API-ListShards-3, API-H-3 the shards at any time cover all hash keys`() async throws {
        let start = client.time.wallTime.milliseconds
        try await client.makeStream(shards: 2)
        client.time.advance(by: .seconds(10))
        try await split(0, at: "1000")  // 2, 3
        client.time.advance(by: .seconds(10))
        try await merge(3, with: 1)  // 4
        try await split(4, at: "5000")  // 5, 6, in the same millisecond
        client.time.advance(by: .seconds(10))
        #expect(client.ids(try await client.shards()) == [0, 1, 2, 3, 4, 5, 6])
        #expect(try await list(#""Type":"AT_TRIM_HORIZON""#) == [0, 1])
        #expect(try await list(#""Type":"FROM_TRIM_HORIZON""#) == [0, 1, 2, 3, 4, 5, 6])
        #expect(try await list(#""Type":"AT_LATEST""#) == [2, 5, 6])
        #expect(try await list(#""Type":"AFTER_SHARD_ID","ShardId":"3""#) == [4, 5, 6])
        #expect(
            try await list(#""Type":"FROM_TIMESTAMP","Timestamp":\#(seconds(start + 15_000))"#) == [1, 2, 3, 4, 5, 6])
        let now = client.time.wallTime.milliseconds
        for time in [
            start - 5000, start, start + 1, start + 9_999, start + 10_000, start + 10_001, start + 19_999,
            start + 20_000, start + 20_001, now,
        ] {
            let shards = try await client.shards(
                "s", #","ShardFilter":{"Type":"AT_TIMESTAMP","Timestamp":\#(seconds(time))}"#)
            #expect(cover(shards), "at \(time - start)")
        }
        // After the retention the closed shards leave, first the oldest.
        client.time.advance(by: .seconds(24 * 3600 - 15))
        for step in 0..<30 {
            client.time.advance(by: .seconds(1))
            #expect(cover(try await client.shards("s", #","ShardFilter":{"Type":"AT_TRIM_HORIZON"}"#)), "step \(step)")
        }
        #expect(client.ids(try await client.shards()) == [2, 5, 6])
        #expect(
            try await client.error("ListShards", #"{"StreamName":"s","ShardFilter":{"Type":"AFTER_SHARD_ID"}}"#).code
                == "InvalidArgumentException")
        #expect(
            try await client.error("ListShards", #"{"StreamName":"s","ShardFilter":{"Type":"AT_TIMESTAMP"}}"#).code
                == "InvalidArgumentException")
        #expect(
            try await client.error(
                "ListShards", #"{"StreamName":"s","ShardFilter":{"Type":"AT_TIMESTAMP","Timestamp":99999999999}}"#
            ).code == "InvalidArgumentException")
    }
}
