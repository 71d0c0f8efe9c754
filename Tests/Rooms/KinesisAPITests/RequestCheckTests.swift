import DataFormats
import KinesisAPI
import ShardlineTesting
import StreamModel
import Testing

/// The checks of a request and their order, before an operation is reached.
@Suite struct RequestCheckTests {
    let client = APIClient()
    private static let service = "Kinesis_20131202."

    private func respond(
        _ target: String?, _ type: String?, _ body: String,
        _ authenticate: @escaping @Sendable (String?) throws(ServiceError) -> Caller = { _ in
            Caller(account: "000000000000", region: "us-east-1")
        }
    ) async -> ServiceResponse {
        await client.respond(target: target, contentType: type, body: Array(body.utf8), authenticate: authenticate)
    }

    @Test
    func
        `API-E-4 an empty body is a SerializationException, or an unknown operation, in CBOR unless JSON was asked for`()
        async throws
    {
        let json = await respond(Self.service + "ListStreams", "application/x-amz-json-1.1", "")
        #expect(json.status == 400)
        #expect(try json.text == #"{"__type":"SerializationException"}"#)
        let unknown = await respond(Self.service + "ListStream", "application/x-amz-json-1.1", "")
        #expect(try unknown.text == #"{"__type":"UnknownOperationException"}"#)
        let cbor = await respond(Self.service + "ListStreams", nil, "")
        #expect(cbor.contentType == "application/x-amz-cbor-1.1")
        #expect(try Document(cbor: try cbor.bytes).root["__type"]?.text == "SerializationException")
    }

    @Test func `API-E-5 an unknown content type is answered in XML`() async throws {
        let nothing = await respond(nil, "text/plain", "{}")
        #expect(nothing.status == 403 && nothing.contentType == nil)
        #expect(
            try nothing.text
                == "<AccessDeniedException>\n  <Message>Unable to determine service/operation name to be authorized</Message>\n</AccessDeniedException>\n"
        )
        let known = await respond(Self.service + "ListStreams", nil, "{}")
        #expect(known.status == 404)
        #expect(try known.text == "<UnknownOperationException/>\n")
        let foreign = await respond("Other.ListStreams", nil, "{}")
        #expect(foreign.status == 403)
        #expect(
            try foreign.text.contains("No authorization strategy was found for service: Other, operation: ListStreams"))
    }

    @Test
    func `API-A-5 before the format is known authentication fails in XML with 403, after it in the format with 400`()
        async throws
    {
        let error = ServiceError(code: "MissingAuthenticationTokenException", message: "Missing Authentication Token")
        let before = await respond(Self.service + "ListStreams", nil, "{}") { _ throws(ServiceError) in throw error }
        #expect(before.status == 403)
        #expect(
            try before.text
                == "<MissingAuthenticationTokenException>\n  <Message>Missing Authentication Token</Message>\n</MissingAuthenticationTokenException>\n"
        )
        let after = await respond(Self.service + "ListStreams", "application/x-amz-json-1.1", "{}") {
            _ throws(ServiceError) in
            throw error
        }
        #expect(after.status == 400)
        #expect(
            try after.text
                == #"{"__type":"MissingAuthenticationTokenException","message":"Missing Authentication Token"}"#)
    }

    @Test(arguments: ["{", "true", "\"x\"", "null", "{}x"])
    func `API-E-6 a body that is no object is a SerializationException`(body: String) async throws {
        let response = await respond(Self.service + "ListStreams", "application/x-amz-json-1.1", body)
        #expect(response.status == 400)
        #expect(try response.text == #"{"__type":"SerializationException"}"#)
    }

    @Test func `API-E-6 an array has no members, and application/json reaches no operation`() async throws {
        #expect(await respond(Self.service + "ListStreams", "application/x-amz-json-1.1", "[]").status == 200)
        let plain = await respond(Self.service + "ListStreams", "application/json", "{}")
        #expect(plain.status == 404)
        #expect(
            try plain.text
                == #"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#)
        let broken = await respond(Self.service + "ListStreams", "application/json", "{")
        #expect(broken.status == 400)
        #expect(try broken.text.contains("#SerializationException"))
    }

    @Test(arguments: [
        "Kinesis_20131202.ListStream", "Kinesis_20131202.listStreams", "kinesis_20131202.ListStreams", "ListStreams",
        "Kinesis_20131202.CreateQueue", "Kinesis_20131202.ReceiveQueueRecords", "Kinesis_20131202.CreateChannel",
    ])
    func `API-E-7, API-U-4, API-U-5 an unknown operation is said to be one`(target: String) async throws {
        let response = await respond(target, "application/x-amz-json-1.1", "{}")
        #expect(response.status == 400)
        #expect(try response.text == #"{"__type":"UnknownOperationException"}"#)
    }

    @Test func `API-E-8 authentication comes after the operation is known and before the input is looked at`()
        async throws
    {
        let error = ServiceError(code: "IncompleteSignatureException", message: "x")
        let response = await respond(Self.service + "CreateStream", "application/x-amz-json-1.1", #"{"StreamName":1}"#)
        {
            operation throws(ServiceError) in
            #expect(operation == "CreateStream")
            throw error
        }
        #expect(response.errorCode == "IncompleteSignatureException")
    }

    @Test func `API-P-2, API-P-7 the answer has the request's format, and no output is an empty body`() async throws {
        let body: [UInt8] =
            [0xA2] + [0x6A] + Array("StreamName".utf8) + [0x61, 0x73] + [0x6A] + Array("ShardCount".utf8) + [0x01]
        let create = await client.respond(
            target: Self.service + "CreateStream", contentType: "application/x-amz-cbor-1.1", body: body
        ) { _ in Caller(account: "000000000000", region: "us-east-1") }
        #expect(create.status == 200)
        #expect(create.contentType == "application/x-amz-cbor-1.1")
        #expect(try create.bytes == [])
        let list = await client.respond(
            target: Self.service + "ListStreams", contentType: "application/x-amz-cbor-1.1; charset=x", body: [0xA0]
        ) { _ in Caller(account: "000000000000", region: "us-east-1") }
        #expect(try Document(cbor: try list.bytes).root["StreamNames"]?.elements.map(\.text) == ["s"])
    }

    @Test func `API-P-3 all operations of the list are known, and no more`() async throws {
        var known: [String] = []
        for name in [
            "CreateStream", "DeleteStream", "DescribeStream", "DescribeStreamSummary", "ListStreams", "ListShards",
            "DescribeLimits", "DescribeAccountSettings", "UpdateAccountSettings", "UpdateStreamMode",
            "UpdateMaxRecordSize", "UpdateStreamWarmThroughput", "UpdateStreamRecordDistributionStrategy",
            "IncreaseStreamRetentionPeriod", "DecreaseStreamRetentionPeriod", "EnableEnhancedMonitoring",
            "DisableEnhancedMonitoring", "StartStreamEncryption", "StopStreamEncryption", "PutRecord", "PutRecords",
            "GetShardIterator", "GetRecords", "SplitShard", "MergeShards", "UpdateShardCount", "RegisterStreamConsumer",
            "DeregisterStreamConsumer", "DescribeStreamConsumer", "ListStreamConsumers", "SubscribeToShard",
            "AddTagsToStream", "RemoveTagsFromStream", "ListTagsForStream", "TagResource", "UntagResource",
            "ListTagsForResource", "PutResourcePolicy", "GetResourcePolicy", "DeleteResourcePolicy",
        ] where await client.respond(name, "[1]").errorCode != "UnknownOperationException" { known.append(name) }
        #expect(known.count == 40)
    }

    @Test func `API-E-12 an unexpected failure says nothing of its cause`() async throws {
        try await client.makeStream()
        try await client.store.close()
        for (operation, body) in [
            ("ListTagsForStream", #"{"StreamName":"s"}"#),
            ("PutRecords", #"{"StreamName":"s","Records":[{"Data":"","PartitionKey":"a"}]}"#),
        ] {
            let failure = try await client.error(operation, body)
            #expect(failure == APIClient.Failure(code: "InternalFailure", text: "", status: 500), "\(operation)")
        }
    }

    @Test func `API-E-12, API-PutRecords-3 records that the store refuses fail one by one, and are tried again`()
        async throws
    {
        try await client.makeStream()
        client.store.answerNextCommit(with: .failure(ShardlineError(.diskFull, "no room")))
        let body = #"{"StreamName":"s","Records":[{"Data":"","PartitionKey":"a"},{"Data":"","PartitionKey":"b"}]}"#
        let put = try await client.call("PutRecords", body)
        #expect(put["FailedRecordCount"]?.int == 2)
        #expect(put["Records"]?.elements.map { $0["ErrorCode"]?.text } == ["InternalFailure", "InternalFailure"])
        #expect(put["Records"]?.elements.map { $0["ErrorMessage"]?.text }.first == "Internal service failure.")
        #expect(try await client.call("PutRecords", body)["FailedRecordCount"]?.int == 0)
    }
}
