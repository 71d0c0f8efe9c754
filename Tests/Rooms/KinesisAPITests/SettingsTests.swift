import DataFormats
import KinesisAPI
import ShardlineTesting
import Testing

/// Tags, retention, monitoring, policies and account settings.
@Suite struct SettingsTests {
    let client = APIClient()
    private static let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s"

    private func tags(_ more: String = "") async throws -> [String] {
        try await client.call("ListTagsForStream", #"{"StreamName":"s"\#(more)}"#)["Tags"]?.elements.map {
            "\($0["Key"]?.text ?? "")=\($0["Value"]?.text ?? "")"
        } ?? []
    }

    @Test func `API-Tags-3 tags are listed by key, in pages`() async throws {
        try await client.makeStream()
        try await client.call("AddTagsToStream", #"{"StreamName":"s","Tags":{"b":"1","a":"2","ä":"3","A":""}}"#)
        #expect(try await tags() == ["A=", "a=2", "b=1", "ä=3"])
        try await client.call("AddTagsToStream", #"{"StreamName":"s","Tags":{"a":"9"}}"#)
        let page = try await client.call("ListTagsForStream", #"{"StreamName":"s","Limit":2}"#)
        #expect(page["HasMoreTags"]?.bool == true)
        #expect(try await tags(#","ExclusiveStartTagKey":"aa""#) == ["b=1", "ä=3"])
        try await client.call("RemoveTagsFromStream", #"{"StreamName":"s","TagKeys":["a","none"]}"#)
        #expect(try await tags() == ["A=", "b=1", "ä=3"])
        try await client.call("TagResource", #"{"ResourceARN":"\#(Self.arn)","Tags":{"x":"y"}}"#)
        let all = try await client.call("ListTagsForResource", #"{"ResourceARN":"\#(Self.arn)"}"#)
        #expect(all["Tags"]?.count == 4)
        try await client.call("UntagResource", #"{"ResourceARN":"\#(Self.arn)","TagKeys":["x"]}"#)
        #expect(try await tags() == ["A=", "b=1", "ä=3"])
    }

    @Test(arguments: ["a,b", "a;b", "a\\tb", "a#b", "a\\nb"])
    func `API-Tags-1 other characters are refused`(tag: String) async throws {
        try await client.makeStream()
        for body in [#"{"\#(tag)":"v"}"#, #"{"k":"\#(tag)"}"#] {
            #expect(
                try await client.error("AddTagsToStream", #"{"StreamName":"s","Tags":\#(body)}"#).text
                    == "Some tags contain invalid characters. Valid characters: Unicode letters, digits, white space, _ . / = + - % @."
            )
        }
        #expect(
            try await client.error("RemoveTagsFromStream", #"{"StreamName":"s","TagKeys":["\#(tag)"]}"#).code
                == "InvalidArgumentException")
    }

    @Test func `API-Tags-1 a percent sign passes the first check only, and aws: is reserved`() async throws {
        try await client.makeStream()
        #expect(
            try await client.error("AddTagsToStream", #"{"StreamName":"s","Tags":{"a":"50%"}}"#).text
                == "Failed to add tags to stream s under account 000000000000 because some tags contained illegal characters. The allowed characters are Unicode letters, white-spaces, '_',',','/','=','+','-','@'."
        )
        try await client.call("RemoveTagsFromStream", #"{"StreamName":"s","TagKeys":["a%"]}"#)
        #expect(
            try await client.error("AddTagsToStream", #"{"StreamName":"s","Tags":{"aws:x":"1"}}"#).code
                == "InvalidArgumentException")
        try await client.call("AddTagsToStream", #"{"StreamName":"s","Tags":{"a b_./=+-@:":"é 1"}}"#)
    }

    @Test func `API-Tags-2, API-L-5 fifty tags are the most, all or none`() async throws {
        try await client.makeStream()
        func body(_ range: Range<Int>) -> String {
            #"{"StreamName":"s","Tags":{\#(range.map { #""k\#($0)":"v""# }.joined(separator: ","))}}"#
        }
        try await client.call("AddTagsToStream", body(0..<40))
        #expect(
            try await client.error("AddTagsToStream", body(40..<51)).text
                == "Failed to add tags to stream s under account 000000000000 because a given stream cannot have more than 10 tags associated with it."
        )
        #expect(try await tags(#","Limit":50"#).count == 40)
        try await client.call("AddTagsToStream", body(30..<50))
        #expect(try await tags(#","Limit":50"#).count == 50)
    }

    @Test func `API-Tags-2 two calls that add tags at once do not pass the limit together`() async throws {
        try await client.makeStream()
        let codes = await withTaskGroup(of: String?.self) { group in
            for part in 0..<8 {
                let tags = (0..<10).map { #""k\#(part)-\#($0)":"v""# }.joined(separator: ",")
                group.addTask {
                    await client.respond("AddTagsToStream", #"{"StreamName":"s","Tags":{\#(tags)}}"#).errorCode
                }
            }
            return await group.reduce(into: [String?]()) { $0.append($1) }
        }
        #expect(codes.count { $0 == nil } == 5)
        #expect(try await tags(#","Limit":50"#).count == 50)
    }

    // MARK: Retention

    private func retention(_ verb: String, _ hours: Int) async throws -> String? {
        let response = await client.respond(
            "\(verb)StreamRetentionPeriod", #"{"StreamName":"s","RetentionPeriodHours":\#(hours)}"#)
        return response.status == 200 ? nil : try APIClient.Reply(try response.bytes)["message"]?.text
    }

    @Test
    func
        `API-Retention-1, API-Retention-2, API-Retention-3, API-Retention-4, API-Retention-5 the period moves in its direction and bounds`()
        async throws
    {
        try await client.makeStream()
        #expect(
            try await retention("Increase", 23)
                == "Minimum allowed retention period is 24 hours. Requested retention period (23 hours) is too short.")
        #expect(
            try await retention("Increase", 8761)
                == "Maximum allowed retention period is 8760 hours. Requested retention period (8761 hours) is too long."
        )
        #expect(try await retention("Increase", 100) == nil)
        #expect(try await retention("Increase", 100) == nil)
        #expect(try await retention("Decrease", 100) == nil)
        #expect(
            try await retention("Increase", 99)
                == "Requested retention period (99 hours) for stream s can not be shorter than existing retention period (100 hours). Use DecreaseRetentionPeriod API."
        )
        #expect(
            try await retention("Decrease", 101)
                == "Requested retention period (101 hours) for stream s can not be longer than existing retention period (100 hours). Use IncreaseRetentionPeriod API."
        )
        #expect(try await retention("Decrease", 24) == nil)
        let summary = try await client.call("DescribeStreamSummary", #"{"StreamName":"s"}"#)
        #expect(summary["StreamDescriptionSummary"]?["RetentionPeriodHours"]?.int == 24)
    }

    @Test func `API-Retention-6, API-Retention-7 a longer period brings nothing back, a shorter one trims at once`()
        async throws
    {
        try await client.makeStream()
        try await client.put("a")
        client.time.advance(by: .seconds(25 * 3600))
        #expect(try await retention("Increase", 48) == nil)
        #expect(try await client.records(try await client.iterator()).texts == [])
        try await client.put("b")
        client.time.advance(by: .seconds(30 * 3600))
        #expect(try await client.records(try await client.iterator()).texts == ["b"])
        #expect(try await retention("Decrease", 24) == nil)
        #expect(try await client.records(try await client.iterator()).texts == [])
        let short = APIClient { $0.minimumRetentionHours = 1 }
        try await short.makeStream()
        try await short.call("DecreaseStreamRetentionPeriod", #"{"StreamName":"s","RetentionPeriodHours":1}"#)
    }

    // MARK: Monitoring, policies, account

    @Test func `metrics are enabled and disabled, and ALL stands for all of them`() async throws {
        try await client.makeStream()
        func change(_ verb: String, _ metrics: String) async throws -> (before: [String?], after: [String?]) {
            let reply = try await client.call(
                "\(verb)EnhancedMonitoring", #"{"StreamName":"s","ShardLevelMetrics":[\#(metrics)]}"#)
            return (
                reply["CurrentShardLevelMetrics"]?.elements.map(\.text) ?? [],
                reply["DesiredShardLevelMetrics"]?.elements.map(\.text) ?? []
            )
        }
        let first = try await change("Enable", #""OutgoingBytes","IncomingBytes""#)
        #expect(first.before == [] && first.after == ["IncomingBytes", "OutgoingBytes"])
        let all = try await change("Enable", #""ALL""#)
        #expect(all.before.count == 2 && all.after.count == 7)
        let some = try await change("Disable", #""IncomingBytes""#)
        #expect(some.after.count == 6)
        let shown = try await client.call("DescribeStream", #"{"StreamName":"s"}"#)["StreamDescription"]?[
            "EnhancedMonitoring"]
        #expect(shown?.elements.map { $0["ShardLevelMetrics"]?.count } == [6])
        #expect(try await change("Disable", #""ALL""#).after == [])
    }

    @Test func `API-PutResourcePolicy-1 policies are kept as they are`() async throws {
        try await client.makeStream()
        let none = APIClient.Failure(
            code: "ResourceNotFoundException", text: "No resource policy found for resource ARN \(Self.arn).")
        #expect(try await client.error("GetResourcePolicy", #"{"ResourceARN":"\#(Self.arn)"}"#) == none)
        #expect(try await client.error("DeleteResourcePolicy", #"{"ResourceARN":"\#(Self.arn)"}"#) == none)
        try await client.call("PutResourcePolicy", #"{"ResourceARN":"\#(Self.arn)","Policy":"{\"a\": [1]}"}"#)
        #expect(
            try await client.call("GetResourcePolicy", #"{"ResourceARN":"\#(Self.arn)"}"#)["Policy"]?.text
                == #"{"a": [1]}"#)
        let long = String(repeating: "x", count: 20 << 10)
        for policy in ["{", "[]", #"{\"a\":\"\#(long)\"}"#] {
            #expect(
                try await client.error("PutResourcePolicy", #"{"ResourceARN":"\#(Self.arn)","Policy":"\#(policy)"}"#)
                    .code
                    == "InvalidArgumentException")
        }
        try await client.call("DeleteResourcePolicy", #"{"ResourceARN":"\#(Self.arn)"}"#)
        #expect(try await client.error("GetResourcePolicy", #"{"ResourceARN":"\#(Self.arn)"}"#) == none)
    }

    @Test func `API-UpdateStreamWarmThroughput-1 warm throughput needs on-demand mode and the account's commitment`()
        async throws
    {
        try await client.call("CreateStream", #"{"StreamName":"s"}"#)
        let body = #"{"StreamARN":"\#(Self.arn)","WarmThroughputMiBps":7}"#
        #expect(try await client.error("UpdateStreamWarmThroughput", body).code == "ValidationException")
        #expect(
            try await client.call("DescribeAccountSettings")["MinimumThroughputBillingCommitment"]?["Status"]?.text
                == "DISABLED")
        let enabled = try await client.call(
            "UpdateAccountSettings", #"{"MinimumThroughputBillingCommitment":{"Status":"ENABLED"}}"#)
        #expect(enabled["MinimumThroughputBillingCommitment"]?["Status"]?.text == "ENABLED")
        #expect(
            enabled["MinimumThroughputBillingCommitment"]?["StartedAt"]?.milliseconds == APIClient.start.milliseconds)
        let reply = try await client.call("UpdateStreamWarmThroughput", body)
        #expect(reply["WarmThroughput"]?["TargetMiBps"]?.int == 7)
        #expect(reply["StreamName"]?.text == "s")
        try await client.makeStream("t")
        #expect(
            try await client.error("UpdateStreamWarmThroughput", #"{"StreamName":"t","WarmThroughputMiBps":7}"#).code
                == "ValidationException")
        let disabled = try await client.call(
            "UpdateAccountSettings", #"{"MinimumThroughputBillingCommitment":{"Status":"DISABLED"}}"#)
        #expect(disabled["MinimumThroughputBillingCommitment"]?["EndedAt"] != nil)
    }

    @Test func `API-U-1 the distribution of records is changed in on-demand mode only`() async throws {
        try await client.call("CreateStream", #"{"StreamName":"s"}"#)
        func strategy() async throws -> String? {
            try await client.call("DescribeStreamSummary", #"{"StreamName":"s"}"#)["StreamDescriptionSummary"]?[
                "RecordDistributionStrategy"]?.text
        }
        #expect(try await strategy() == "USER_PARTITION_KEY")
        try await client.call(
            "UpdateStreamRecordDistributionStrategy",
            #"{"StreamARN":"\#(Self.arn)","RecordDistributionStrategy":"AUTO"}"#)
        #expect(try await strategy() == "AUTO")
        try await client.call(
            "UpdateStreamMode", #"{"StreamARN":"\#(Self.arn)","StreamModeDetails":{"StreamMode":"PROVISIONED"}}"#)
        #expect(try await strategy() == "USER_PARTITION_KEY")
        #expect(
            try await client.error(
                "UpdateStreamRecordDistributionStrategy",
                #"{"StreamARN":"\#(Self.arn)","RecordDistributionStrategy":"AUTO"}"#
            ).code == "InvalidArgumentException")
    }

    @Test func `the record size is changed for puts from then on`() async throws {
        try await client.makeStream()
        try await client.call("UpdateMaxRecordSize", #"{"StreamARN":"\#(Self.arn)","MaxRecordSizeInKiB":4096}"#)
        let data = base64([UInt8](repeating: 1, count: 3 << 20))
        try await client.call("PutRecord", #"{"StreamName":"s","PartitionKey":"a","Data":"\#(data)"}"#)
        try await client.call("UpdateMaxRecordSize", #"{"StreamARN":"\#(Self.arn)","MaxRecordSizeInKiB":1024}"#)
        #expect(
            try await client.error("PutRecord", #"{"StreamName":"s","PartitionKey":"a","Data":"\#(data)"}"#).text
                .contains(
                    "1048576"))
        #expect(
            try await client.call("GetRecords", #"{"ShardIterator":"\#(try await client.iterator())"}"#)["Records"]?
                .count == 1)
    }
}
