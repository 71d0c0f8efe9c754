import DataFormats
import KinesisAPI
import Testing

/// Types and constraints of inputs, with AWS' texts.
@Suite struct ValidationTests {
    let client = APIClient()

    private func text(_ operation: String, _ body: String) async throws -> String {
        try await client.error(operation, body).text
    }

    @Test(arguments: [
        ("CreateStream", #"{"StreamName":true}"#, "class java.lang.Boolean can not be converted to an String"),
        ("CreateStream", #"{"ShardCount":true}"#, "class java.lang.Boolean can not be converted to an Integer"),
        ("CreateStream", #"{"ShardCount":"1"}"#, "class java.lang.String can not be converted to an Integer"),
        (
            "CreateStream", #"{"StreamName":1}"#,
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String"
        ),
        (
            "DeleteStream", #"{"EnforceConsumerDeletion":1}"#,
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an Boolean"
        ),
        ("DeleteStream", #"{"EnforceConsumerDeletion":"yes"}"#, "'YES' can not be converted to an Boolean"),
        ("PutRecord", #"{"Data":true}"#, "class java.lang.Boolean can not be converted to a Blob"),
        (
            "PutRecord", #"{"Data":1}"#,
            "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to a Blob"
        ),
        (
            "PutRecord", #"{"Data":"abc"}"#,
            "'abc' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 3"
        ),
        ("PutRecord", #"{"Data":"a*cd"}"#, "'a*cd' can not be converted to a Blob: Invalid Base64 character: '*'"),
        (
            "PutRecord", #"{"Data":"=="}"#,
            "'==' can not be converted to a Blob: Base64 encoded length is expected a multiple of 4 bytes but found: 2"
        ),
        (
            "PutRecord", #"{"Data":"abD="}"#,
            "'abD=' can not be converted to a Blob: Invalid last non-pad Base64 character dectected"
        ),
        (
            "GetShardIterator", #"{"Timestamp":true}"#,
            "class java.lang.Boolean can not be converted to milliseconds since epoch"
        ),
        (
            "GetShardIterator", #"{"Timestamp":"now"}"#,
            "class java.lang.String can not be converted to milliseconds since epoch"
        ),
        ("CreateStream", #"{"StreamName":[]}"#, "Start of list found where not expected"),
        ("CreateStream", #"{"StreamName":{}}"#, "Start of structure or map found where not expected."),
        ("PutRecords", #"{"Records":1}"#, "Expected list or null"),
        ("PutRecords", #"{"Records":{}}"#, "Start of structure or map found where not expected."),
        ("AddTagsToStream", #"{"Tags":"a"}"#, "Expected map or null"),
        ("AddTagsToStream", #"{"Tags":[]}"#, "Start of list found where not expected"),
        ("PutRecords", #"{"Records":["a"]}"#, "Expected null"),
        ("CreateStream", #"{"StreamModeDetails":[]}"#, "Start of list found where not expected"),
    ])
    func `API-E-9, API-E-20 a member of another type is refused`(
        operation: String, body: String, text: String
    ) async throws {
        let response = await client.respond(operation, body)
        #expect(response.status == 400)
        let reply = try APIClient.Reply(try response.bytes)
        #expect(reply["__type"]?.text == "SerializationException")
        // With a capital M, as it was recorded.
        #expect(reply["Message"]?.text == text)
    }

    @Test func `API-S-1 unknown members are ignored, and null is absent`() async throws {
        try await client.call("CreateStream", #"{"StreamName":"s","ShardCount":1,"Tags":null,"What":[1]}"#)
        #expect(try await text("DescribeStream", #"{"StreamName":"s","StreamId":"x"}"#).contains("streamId"))
        try await client.call("DescribeStream", #"{"StreamName":"s","StreamId":"abcdefghij0123456789-abc"}"#)
    }

    @Test func `API-E-10, API-E-21, API-E-22, API-E-23 all violations stand in one text`() async throws {
        let failure = try await client.error("CreateStream", #"{"StreamName":"","ShardCount":0}"#)
        #expect(failure.code == "ValidationException")
        #expect(failure.text.hasPrefix("3 validation errors detected: "))
        #expect(
            Set(failure.text.dropFirst("3 validation errors detected: ".count).split(separator: "; ").map(String.init))
                == [
                    "Value '' at 'streamName' failed to satisfy constraint: Member must have length greater than or equal to 1",
                    "Value '' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+",
                    "Value '0' at 'shardCount' failed to satisfy constraint: Member must have value greater than or equal to 1",
                ])
        #expect(
            try await text("CreateStream", "{}")
                == "1 validation error detected: Value null at 'streamName' failed to satisfy constraint: Member must not be null"
        )
    }

    @Test func `API-E-22 elements and nested members have paths of their own`() async throws {
        let text = try await text(
            "PutRecords", #"{"StreamName":"s","Records":[{"Data":"","PartitionKey":"a"},{"PartitionKey":""}]}"#)
        #expect(
            text.contains("Value null at 'records.2.member.data' failed to satisfy constraint: Member must not be null")
        )
        #expect(
            text.contains(
                "Value '' at 'records.2.member.partitionKey' failed to satisfy constraint: Member must have length greater than or equal to 1"
            ))
        #expect(
            try await self.text("CreateStream", #"{"StreamName":"s","StreamModeDetails":{"StreamMode":"BOTH"}}"#)
                == "1 validation error detected: Value 'BOTH' at 'streamModeDetails.streamMode' failed to satisfy constraint: Member must satisfy enum value set: [PROVISIONED, ON_DEMAND]"
        )
        #expect(
            try await self.text("AddTagsToStream", #"{"StreamName":"s","Tags":{"a":null}}"#).contains("'tags.a.member'")
        )
    }

    @Test func `API-E-23 elements of lists and maps are refused as a whole`() async throws {
        let long = String(repeating: "a", count: 129)
        #expect(
            try await text("RemoveTagsFromStream", #"{"StreamName":"s","TagKeys":["\#(long)"]}"#)
                == "1 validation error detected: Value '[\(long)]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]"
        )
        #expect(
            try await text("AddTagsToStream", #"{"StreamName":"s","Tags":{"\#(long)":"v"}}"#)
                == "1 validation error detected: Value '{\(long)=v}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length less than or equal to 128, Member must have length greater than or equal to 1]"
        )
        #expect(
            try await text("AddTagsToStream", #"{"StreamName":"s","Tags":{"a":"\#(long)\#(long)"}}"#).contains(
                "Map value must satisfy constraint: [Member must have length less than or equal to 256, Member must have length greater than or equal to 0]"
            ))
    }

    @Test func `API-E-24 values of lists of records are left out, those of texts are shown`() async throws {
        #expect(
            try await text("PutRecords", #"{"StreamName":"s","Records":[]}"#)
                == "1 validation error detected: Value at 'records' failed to satisfy constraint: Member must have length greater than or equal to 1"
        )
        #expect(
            try await text("RemoveTagsFromStream", #"{"StreamName":"s","TagKeys":[]}"#)
                == "1 validation error detected: Value '[]' at 'tagKeys' failed to satisfy constraint: Member must have length greater than or equal to 1"
        )
        let records = Array(repeating: #"{"Data":"","PartitionKey":"a"}"#, count: 501).joined(separator: ",")
        #expect(
            try await text("PutRecords", #"{"StreamName":"s","Records":[\#(records)]}"#)
                == "1 validation error detected: Value at 'records' failed to satisfy constraint: Member must have length less than or equal to 500"
        )
    }

    @Test func `API-E-25 a pattern matches the whole value, and an empty text breaks it and its length`() async throws {
        let text = try await text("DescribeStream", #"{"StreamName":"a b"}"#)
        #expect(
            text
                == "1 validation error detected: Value 'a b' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
        )
        #expect(try await self.text("DescribeStream", #"{"StreamName":""}"#).hasPrefix("2 validation errors"))
    }

    @Test func `API-E-26 iterator types are listed in AWS' order`() async throws {
        #expect(
            try await text("GetShardIterator", #"{"StreamName":"s","ShardId":"0","ShardIteratorType":"x"}"#).hasSuffix(
                "[AFTER_SEQUENCE_NUMBER, LATEST, AT_TIMESTAMP, AT_SEQUENCE_NUMBER, TRIM_HORIZON]"))
    }

    @Test func `API-S-5 a fraction is floored, and a number over 32 bits is clamped`() async throws {
        try await client.call("CreateStream", #"{"StreamName":"s","ShardCount":1.9}"#)
        #expect(client.ids(try await client.shards()) == [0])
        #expect(
            try await client.error(
                "IncreaseStreamRetentionPeriod", #"{"StreamName":"s","RetentionPeriodHours":99999999999}"#
            )
            .text
                == "Maximum allowed retention period is 8760 hours. Requested retention period (2147483647 hours) is too long."
        )
        #expect(try await text("ListStreams", #"{"Limit":100000000000}"#).contains("'2147483647'"))
    }

    @Test func `API-S-7 lengths are counted in UTF-16 code units`() async throws {
        let astral = String(repeating: "\u{1F600}", count: 65)
        #expect(
            try await text("ListTagsForStream", #"{"StreamName":"s","ExclusiveStartTagKey":"\#(astral)"}"#).contains(
                "Member must have length less than or equal to 128"))
        let short = String(repeating: "\u{1F600}", count: 64)
        #expect(
            try await client.error("ListTagsForStream", #"{"StreamName":"s","ExclusiveStartTagKey":"\#(short)"}"#).code
                == "ResourceNotFoundException")
    }

    @Test(arguments: [
        (TextPattern.name, ["a", "A.b_c-9"], ["", "a b", "ä", "a/b", "a\n"]),
        (
            .streamARN,
            [
                "arn:aws:kinesis:us-east-1:123456789012:stream/s", "arn:aws-cn:kinesis:x:123456789012:stream/a/b",
                "arn:aws:kinesis::000000000000:stream/s:kinesis:",
            ],
            [
                "arn:aws:kinesis:us-east-1:12345678901:stream/s", "arn:aws:kinesis:us-east-1:123456789012:stream/",
                "arn:aws:kinesis:us-east-1:123456789012:stream/a b", "arn:aws:s3:us-east-1:123456789012:stream/s",
                "xarn:aws:kinesis:us-east-1:123456789012:stream/s", "arn:aws:kinesis:us-east-1:123456789012:streams/s",
            ]
        ),
        (
            .consumerARN, ["arn:aws:kinesis:us-east-1:123456789012:stream/s/consumer/c:1700000000"],
            [
                "arn:aws:kinesis:us-east-1:123456789012:stream/s/consumer/c",
                "arn:aws:kinesis:us-east-1:123456789012:stream/s/consumer/:1",
                "arn:aws:kinesis:us-east-1:123456789012:stream/s/consumer/c:1x",
            ]
        ),
        (
            .resourceARN,
            [
                "arn:aws:kinesis:us-east-1:123456789012:stream/s", "arn:aws:kinesis:us-east-1:123456789012:queue/q",
                "arn:aws:kinesis:us-east-1:123456789012:stream/s/consumer/c:1",
            ], ["arn:aws:kinesis:us-east-1:123456789012:table/s", "arn:aws:kinesis:us-east-1:123456789012:stream/"]
        ),
        (.streamID, ["abcdefghij0123456789-a1b"], ["abcdefghij0123456789_a1b", "ABCDEFGHIJ0123456789-a1b"]),
        (
            .sequenceNumber, ["0", "5", "49646437577108476416916876405825929425585429676275269634"],
            ["", "01", "-1", "1x", String(repeating: "9", count: 130)]
        ),
        (.hashKey, ["0", "340282366920938463463374607431768211456"], ["", "00", String(repeating: "9", count: 40)]),
    ])
    func `API-N-5 the patterns match what the model's expressions match`(
        pattern: TextPattern, right: [String], wrong: [String]
    ) throws {
        let expression = try Regex("^(?:\(pattern.rawValue))$")
        for text in right + wrong {
            let isExpected = right.contains(text)
            #expect(pattern.matches(text) == isExpected, "\(text)")
            // The library's own expressions, where a line's end is not the text's.
            if !text.contains("\n") { #expect((text.wholeMatch(of: expression) != nil) == isExpected, "\(text)") }
        }
    }
}
