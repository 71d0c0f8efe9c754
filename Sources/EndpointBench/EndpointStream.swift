#if Server
import DataFormats
import KinesisAPI
import StreamModel
import ThroughputBench

/// A stream of a server, made for one run.
struct EndpointStream: MeasuredStream {
    let client: KinesisClient
    let name: String
    let shards: Int
    /// The consumer by which records are pushed; nil: they are asked for.
    var consumer: String?

    var timeSource: any TimeSource { client.timeSource }

    func put(_ records: [NewRecord]) async throws -> [PutReceipt] {
        try await PutCall(client: client, stream: name, shards: shards).put(records)
    }

    func read(_ shard: ShardID, _ receive: (RecordBatch) -> Void) async throws {
        if let consumer {
            try await ShardSubscription(client: client, consumer: consumer, shard: shard).read(receive)
        } else {
            try await poll(shard, receive)
        }
    }

    // MARK: GetRecords

    /// How long a reader at the tip waits before it asks again: longer where many do, so that they don't ask more than 2,000
    /// times a second together.
    private var pause: Duration { .milliseconds(max(5, shards / 2)) }

    private func poll(_ shard: ShardID, _ receive: (RecordBatch) -> Void) async throws {
        let first = try await client.call(
            "GetShardIterator",
            client.body(3) { writer in
                writer.key("StreamName")
                writer.string(name)
                writer.key("ShardId")
                writer.string(shard.description)
                writer.key("ShardIteratorType")
                writer.string("TRIM_HORIZON")
            })
        var iterator = first?.root["ShardIterator"]?.text
        while let now = iterator {
            try Task.checkCancellation()
            let answer = try await client.call(
                "GetRecords",
                client.body(2) { writer in
                    writer.key("ShardIterator")
                    writer.string(now)
                    writer.key("Limit")
                    writer.int(10_000)
                })
            let root = answer?.root
            let batch = try RecordList.batch(
                of: root?["Records"], in: shard, "GetRecords", size: answer?.size ?? 0)
            if !batch.isEmpty { receive(batch) }
            iterator = root?["NextShardIterator"]?.text
            if batch.isEmpty || root?["MillisBehindLatest"]?.int == 0 {
                try await timeSource.sleep(until: timeSource.monotonicTime + pause)
            }
        }
    }

    // MARK: The stream's life

    private func namedBody(_ more: Int = 0, _ write: (inout DocumentWriter) -> Void = { _ in }) -> [UInt8] {
        client.body(1 + more) { writer in
            writer.key("StreamName")
            writer.string(name)
            write(&writer)
        }
    }

    /// Returns when the stream can be used.
    func create() async throws {
        try await client.call(
            "CreateStream",
            namedBody(1) { writer in
                writer.key("ShardCount")
                writer.int(Int64(shards))
            })
        _ = try await waitUntilActive("DescribeStreamSummary", namedBody(), "StreamDescriptionSummary", "StreamStatus")
    }

    /// Registers a consumer and returns its ARN as soon as it can be used.
    func registerConsumer() async throws -> String {
        let summary = try await client.call("DescribeStreamSummary", namedBody())
        guard let stream = summary?.root["StreamDescriptionSummary"]?["StreamARN"]?.text else {
            throw ShardlineError(.notAccessible, "DescribeStreamSummary: the server answered no StreamARN")
        }
        let body = client.body(2) { writer in
            writer.key("StreamARN")
            writer.string(stream)
            writer.key("ConsumerName")
            writer.string("bench")
        }
        try await client.call("RegisterStreamConsumer", body)
        let consumer = try await waitUntilActive(
            "DescribeStreamConsumer", body, "ConsumerDescription", "ConsumerStatus")
        guard let name = consumer["ConsumerARN"]?.text else {
            throw ShardlineError(.notAccessible, "DescribeStreamConsumer: the server answered no ConsumerARN")
        }
        return name
    }

    /// Deletes the stream with its consumers.
    func delete() async throws {
        try await client.call(
            "DeleteStream",
            namedBody(1) { writer in
                writer.key("EnforceConsumerDeletion")
                writer.bool(true)
            })
    }

    /// How long a stream or a consumer may be in creation.
    private static let creationTime = Duration.seconds(120)

    private func waitUntilActive(
        _ operation: String, _ body: [UInt8], _ part: StaticString, _ status: StaticString
    ) async throws -> Document.Value {
        let deadline = timeSource.monotonicTime + Self.creationTime
        while true {
            let description = try await client.call(operation, body)?.root[part]
            let state = description?[status]
            if let description, state?.equals("ACTIVE") == true { return description }
            guard timeSource.monotonicTime < deadline else {
                throw ShardlineError(
                    .notAccessible,
                    "\(operation): still \(state?.text ?? "without a status") after \(Self.creationTime.optionText)")
            }
            try await timeSource.sleep(until: timeSource.monotonicTime + .milliseconds(100))
        }
    }
}
#endif
