import DataFormats
import KinesisAPI
import ShardlineTesting
import StreamModel
import Synchronization
import Testing

/// Registered consumers and their subscriptions.
@Suite struct ConsumerTests {
    let client = APIClient()
    private static let arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
    private typealias Next = () async -> EventStreamMessage?

    private func register(_ client: APIClient, _ name: String = "c") async throws -> String {
        let reply = try await client.call(
            "RegisterStreamConsumer", #"{"StreamARN":"\#(Self.arn)","ConsumerName":"\#(name)"}"#)
        return try #require(reply["Consumer"]?["ConsumerARN"]?.text)
    }

    @Test func `API-RegisterStreamConsumer-1 a consumer is created, and then active`() async throws {
        let client = APIClient { $0.transitionDelay = .milliseconds(500) }
        try await client.makeStream()
        client.time.advance(by: .seconds(1))
        let reply = try await client.call(
            "RegisterStreamConsumer", #"{"StreamARN":"\#(Self.arn)","ConsumerName":"c","Tags":{"a":"b"}}"#)
        let consumer = try #require(reply["Consumer"])
        #expect(consumer["ConsumerStatus"]?.text == "CREATING")
        #expect(consumer["ConsumerName"]?.text == "c")
        #expect(consumer["StreamARN"] == nil)
        let arn = try #require(consumer["ConsumerARN"]?.text)
        #expect(arn == "\(Self.arn)/consumer/c:\(APIClient.start.milliseconds / 1000 + 1)")
        func status() async throws -> String? {
            try await client.call("DescribeStreamConsumer", #"{"ConsumerARN":"\#(arn)"}"#)["ConsumerDescription"]?[
                "ConsumerStatus"]?.text
        }
        #expect(try await status() == "CREATING")
        #expect(
            try await client.error("RegisterStreamConsumer", #"{"StreamARN":"\#(Self.arn)","ConsumerName":"c"}"#)
                == APIClient.Failure(
                    code: "ResourceInUseException",
                    text: "Consumer c under stream s already exists for account 000000000000."))
        #expect(
            try await client.error(
                "SubscribeToShard", #"{"ConsumerARN":"\#(arn)","ShardId":"0","StartingPosition":{"Type":"LATEST"}}"#
            )
            .text.hasPrefix("Consumer c with creation timestamp "))
        client.time.advance(by: .seconds(1))
        #expect(try await status() == "ACTIVE")
        let tags = try await client.call("ListTagsForResource", #"{"ResourceARN":"\#(arn)"}"#)
        #expect(tags["Tags"]?.elements.map { $0["Key"]?.text } == ["a"])
    }

    @Test func `API-RegisterStreamConsumer-2 no ARN is given twice, and twenty consumers are the most`() async throws {
        try await client.makeStream()
        let first = try await register(client)
        try await client.call("DeregisterStreamConsumer", #"{"ConsumerARN":"\#(first)"}"#)
        let second = try await register(client)
        #expect(first != second)
        #expect(
            try await client.error("DescribeStreamConsumer", #"{"ConsumerARN":"\#(first)"}"#).code
                == "ResourceNotFoundException")
        for number in 1..<20 { _ = try await register(client, "c\(number)") }
        #expect(
            try await client.error("RegisterStreamConsumer", #"{"StreamARN":"\#(Self.arn)","ConsumerName":"more"}"#)
                .code
                == "LimitExceededException")
    }

    @Test func `API-Consumer-1 a consumer is named by its ARN, or by its stream and name`() async throws {
        try await client.makeStream()
        let arn = try await register(client)
        for body in [
            #"{"ConsumerARN":"\#(arn)"}"#, #"{"StreamARN":"\#(Self.arn)","ConsumerName":"c"}"#,
            #"{"ConsumerARN":"\#(arn)","StreamARN":"\#(Self.arn)","ConsumerName":"c"}"#,
        ] {
            let found = try await client.call("DescribeStreamConsumer", body)["ConsumerDescription"]
            #expect(found?["ConsumerARN"]?.text == arn)
            #expect(found?["StreamARN"]?.text == Self.arn)
        }
        for body in ["{}", #"{"ConsumerName":"c"}"#, #"{"ConsumerARN":"\#(arn)","ConsumerName":"d"}"#] {
            #expect(try await client.error("DescribeStreamConsumer", body).code == "InvalidArgumentException")
        }
        #expect(
            try await client.error("DescribeStreamConsumer", #"{"StreamARN":"\#(Self.arn)","ConsumerName":"d"}"#).text
                == "Consumer d, account 000000000000 not found.")
        let other = "\(Self.arn)/consumer/d:1"
        #expect(
            try await client.error("DeregisterStreamConsumer", #"{"ConsumerARN":"\#(other)"}"#).text
                == "Consumer \(other), account 000000000000 not found.")
    }

    @Test func `consumers are listed by name, in pages`() async throws {
        try await client.makeStream()
        for name in ["b", "a", "c"] { _ = try await register(client, name) }
        let page = try await client.call("ListStreamConsumers", #"{"StreamARN":"\#(Self.arn)","MaxResults":2}"#)
        #expect(page["Consumers"]?.elements.map { $0["ConsumerName"]?.text } == ["a", "b"])
        let token = try #require(page["NextToken"]?.text)
        let rest = try await client.call(
            "ListStreamConsumers", #"{"StreamARN":"\#(Self.arn)","NextToken":"\#(token)"}"#)
        #expect(rest["Consumers"]?.elements.map { $0["ConsumerName"]?.text } == ["c"])
        #expect(rest["NextToken"] == nil)
        #expect(
            try await client.error(
                "ListStreamConsumers",
                #"{"StreamARN":"\#(Self.arn)","NextToken":"\#(token)","StreamCreationTimestamp":1}"#
            ).code == "InvalidArgumentException")
    }

    // MARK: Subscriptions

    private func subscribe(
        _ client: APIClient, _ arn: String, _ position: String = #"{"Type":"TRIM_HORIZON"}"#, shard: Int = 0
    ) async throws -> Subscription {
        let response = await client.respond(
            "SubscribeToShard", #"{"ConsumerARN":"\#(arn)","ShardId":"\#(shard)","StartingPosition":\#(position)}"#)
        guard case .stream(let parts) = response.body else {
            throw ServiceError(code: response.errorCode ?? "", message: try response.text)
        }
        #expect(response.contentType == "application/vnd.amazon.eventstream")
        return Subscription(parts: parts)
    }

    /// Takes the messages of a subscription one after the other.
    struct Subscription {
        let parts: @Sendable (_ send: @Sendable ([UInt8]) async throws -> Void) async throws -> Void

        /// Runs it beside `body`, which takes messages; nil after the last one.
        func run(_ body: (() async -> EventStreamMessage?) async throws -> Void) async throws {
            let (messages, sender) = AsyncStream.makeStream(of: EventStreamMessage.self)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    defer { sender.finish() }
                    try? await parts { bytes in
                        var decoder = EventStreamDecoder()
                        decoder.append(bytes[...])
                        if let message = try decoder.next() { sender.yield(message) }
                    }
                }
                // Each iterator takes the next element of the one stream.
                try await body { await messages.first { _ in true } }
                group.cancelAll()
            }
        }
    }

    private func records(_ message: EventStreamMessage?) throws -> [String] {
        try
            (Document(json: try #require(message).payload).root["Records"]?.elements.map { record in
                String(decoding: try record["Data"]?.blob() ?? [], as: UTF8.self)
            }) ?? []
    }

    private func payload(_ message: EventStreamMessage?) throws -> Document.Value {
        try Document(json: try #require(message).payload).root
    }

    @Test func `API-F-1, API-F-3, API-F-4, API-F-6, API-F-8 events come as records are committed`() async throws {
        try await client.makeStream()
        let arn = try await register(client)
        let first = try await client.put("a")
        try await subscribe(client, arn).run { (next: Next) async throws -> Void in
            let initial = try #require(await next())
            #expect(initial[":event-type"] == "initial-response")
            #expect(initial.payload == Array("{}".utf8))
            let event = try #require(await next())
            #expect(event[":event-type"] == "SubscribeToShardEvent")
            #expect(try records(event) == ["a"])
            #expect(try payload(event)["ContinuationSequenceNumber"]?.text == first)
            #expect(try payload(event)["MillisBehindLatest"]?.int == 0)
            let second = try await client.put("b")
            let later = await next()
            #expect(try records(later) == ["b"])
            #expect(try payload(later)["ContinuationSequenceNumber"]?.text == second)
            // An empty event after four seconds, whose number has the next record behind it and not the last one again.
            await client.time.sleepers(1)
            client.time.advance(by: .seconds(4))
            let empty = await next()
            #expect(try records(empty) == [])
            let number = try #require(try payload(empty)["ContinuationSequenceNumber"]?.text)
            #expect(number > second)
            for type in ["AT_SEQUENCE_NUMBER", "AFTER_SEQUENCE_NUMBER"] {
                let iterator = try await client.iterator(type, #","StartingSequenceNumber":"\#(number)""#)
                #expect(try await client.records(iterator).texts == [])
            }
            let third = try await client.put("c")
            #expect(number < third)
            let iterator = try await client.iterator("AT_SEQUENCE_NUMBER", #","StartingSequenceNumber":"\#(number)""#)
            #expect(try await client.records(iterator).texts == ["c"])
        }
    }

    @Test func `API-F-7 the end of a closed shard names its children, and no continuation`() async throws {
        try await client.makeStream()
        let arn = try await register(client)
        try await client.put("a")
        try await client.call("SplitShard", #"{"StreamName":"s","ShardToSplit":"0","NewStartingHashKey":"1000"}"#)
        try await subscribe(client, arn).run { (next: Next) async throws -> Void in
            _ = await next()
            #expect(try records(await next()) == ["a"])
            let last = await next()
            #expect(try payload(last)["ContinuationSequenceNumber"] == nil)
            #expect(
                try payload(last)["ChildShards"]?.elements.map { $0["ShardId"]?.text } == [
                    "shardId-000000000001", "shardId-000000000002",
                ])
            #expect(await next() == nil)
        }
    }

    @Test func `API-F-9 after five minutes a subscription ends normally`() async throws {
        try await client.makeStream()
        let arn = try await register(client)
        try await subscribe(client, arn).run { (next: Next) async throws -> Void in
            _ = await next()
            for _ in 0..<75 {
                await client.time.sleepers(1)
                client.time.advance(by: .seconds(4))
                #expect(try records(await next()) == [])
            }
            #expect(await next() == nil)
        }
    }

    @Test func `API-F-5, API-F-9 a subscription ends with its consumer, its stream and its server`() async throws {
        try await client.makeStream()
        let arn = try await register(client)
        try await subscribe(client, arn).run { (next: Next) async throws -> Void in
            _ = await next()
            try await client.call("DeregisterStreamConsumer", #"{"ConsumerARN":"\#(arn)"}"#)
            let end = try #require(await next())
            #expect(end[":exception-type"] == "ResourceNotFoundException")
            #expect(try payload(end)["message"]?.text?.isEmpty == false)
            #expect(await next() == nil)
        }
        let second = try await register(client)
        try await subscribe(client, second).run { (next: Next) async throws -> Void in
            _ = await next()
            try await client.call("DeleteStream", #"{"StreamName":"s","EnforceConsumerDeletion":true}"#)
            #expect(await next()?[":exception-type"] == "ResourceNotFoundException")
            #expect(await next() == nil)
        }
        client.time.advance(by: .seconds(2))
        try await client.makeStream()
        let third = try await register(client)
        try await subscribe(client, third).run { (next: Next) async throws -> Void in
            _ = await next()
            client.service.beginShutdown()
            #expect(await next() == nil)
        }
    }

    @Test func `API-SubscribeToShard-2, API-B-20 a new subscription takes over, but not within five seconds`()
        async throws
    {
        try await client.makeStream()
        let arn = try await register(client)
        let text = "Another active subscription exists for this consumer: 000000000000:s:shardId-000000000000:c"
        try await subscribe(client, arn).run { (next: Next) async throws -> Void in
            _ = await next()
            client.time.advance(by: .milliseconds(3900))
            let body = #"{"ConsumerARN":"\#(arn)","ShardId":"0","StartingPosition":{"Type":"LATEST"}}"#
            #expect(
                try await client.error("SubscribeToShard", body)
                    == APIClient.Failure(code: "ResourceInUseException", text: text))
            client.time.advance(by: .milliseconds(1100))
            try await subscribe(client, arn).run { (other: Next) async throws -> Void in
                #expect(await other()?[":event-type"] == "initial-response")
                // The first one may have sent an empty event before.
                var message = await next()
                if message?[":exception-type"] == nil { message = await next() }
                #expect(message?[":exception-type"] == "ResourceInUseException")
                #expect(try payload(message)["message"]?.text == text)
                #expect(await next() == nil)
            }
        }
        // The five seconds hold also where the client has closed it.
        #expect(
            try await client.error(
                "SubscribeToShard", #"{"ConsumerARN":"\#(arn)","ShardId":"0","StartingPosition":{"Type":"LATEST"}}"#
            ).text == text)
        let quick = APIClient { $0.subscriptionGuard = .zero }
        try await quick.makeStream()
        let other = try await register(quick)
        try await subscribe(quick, other).run { next in _ = await next() }
        try await subscribe(quick, other).run { next in _ = await next() }
    }

    @Test
    func `API-SubscribeToShard-1, API-B-10 positions are checked before a subscription begins, and each kind works`()
        async throws
    {
        try await client.makeStream()
        let arn = try await register(client)
        let a = try await client.put("a")
        client.time.advance(by: .seconds(1))
        let b = try await client.put("b")
        func subscribe(_ position: String) -> String {
            #"{"ConsumerARN":"\#(arn)","ShardId":"0","StartingPosition":\#(position)}"#
        }
        for position in [
            #"{"Type":"AT_TIMESTAMP"}"#, #"{"Type":"AT_SEQUENCE_NUMBER"}"#,
            #"{"Type":"AT_SEQUENCE_NUMBER","SequenceNumber":"5"}"#,
            #"{"Type":"AT_TIMESTAMP","Timestamp":99999999999}"#,
        ] {
            #expect(try await client.error("SubscribeToShard", subscribe(position)).code == "InvalidArgumentException")
        }
        for (position, texts) in [
            (#"{"Type":"AT_SEQUENCE_NUMBER","SequenceNumber":"\#(b)"}"#, ["b"]),
            (#"{"Type":"AFTER_SEQUENCE_NUMBER","SequenceNumber":"\#(a)"}"#, ["b"]),
            (#"{"Type":"AT_TIMESTAMP","Timestamp":1795946400.5}"#, ["b"]), (#"{"Type":"TRIM_HORIZON"}"#, ["a", "b"]),
        ] {
            client.time.advance(by: .seconds(6))
            try await self.subscribe(client, arn, position).run { (next: Next) async throws -> Void in
                _ = await next()
                #expect(try records(await next()) == texts)
            }
        }
        #expect(
            try await client.error(
                "SubscribeToShard", #"{"ConsumerARN":"\#(arn)","ShardId":"9","StartingPosition":{"Type":"LATEST"}}"#
            )
            .code == "ResourceNotFoundException")
        client.time.advance(by: .seconds(6))
        #expect(
            try await client.error(
                "SubscribeToShard",
                #"{"ConsumerARN":"\#(arn)","ShardId":"0","StartingPosition":{"Type":"LATEST"},"DryRun":true}"#
            )
            .code == "DryRunOperationException")
    }

    @Test
    func `API-F-10, API-F-11 a subscription prepares no event before the last one is taken, and many read one shard`()
        async throws
    {
        try await client.makeStream()
        let arns = [try await register(client, "a"), try await register(client, "b")]
        for arn in arns {
            let response = await client.respond(
                "SubscribeToShard",
                #"{"ConsumerARN":"\#(arn)","ShardId":"0","StartingPosition":{"Type":"TRIM_HORIZON"}}"#)
            guard case .stream(let parts) = response.body else {
                Issue.record("no stream")
                return
            }
            try await client.put("x")
            let sent = Mutex(0)
            await #expect(throws: CancellationError.self) {
                try await parts { _ in
                    // A client that takes nothing after the second message.
                    if sent.withLock({
                        $0 += 1; return $0
                    }) > 1 {
                        throw CancellationError()
                    }
                }
            }
            #expect(sent.withLock { $0 } == 2)
        }
    }
}
