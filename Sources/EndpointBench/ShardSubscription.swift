#if Server
import DataFormats
import KinesisAPI
import StreamModel

/// SubscribeToShard, again and again: a subscription ends after five minutes.
struct ShardSubscription {
    let client: KinesisClient
    let consumer: String
    let shard: ShardID

    /// Calls `receive` with the shard's records until the task is cancelled or the shard has ended.
    func read(_ receive: (RecordBatch) -> Void) async throws {
        var position: String?
        var pauses = Pauses(client.timeSource)
        while true {
            try Task.checkCancellation()
            var decoder = EventStreamDecoder()
            var isAtEnd = false
            var hasEvents = false
            let request = client.request("SubscribeToShard", body(after: position))
            let answer = try await client.transport.stream(request) { part in
                decoder.append(part[...])
                while let message = try Self.next(&decoder) {
                    guard let event = try event(message) else { continue }
                    hasEvents = true
                    let records = try RecordList.batch(
                        of: event["Records"], in: shard, "SubscribeToShard", size: message.payload.count)
                    if !records.isEmpty { receive(records) }
                    position = event["ContinuationSequenceNumber"]?.text ?? position
                    isAtEnd = isAtEnd || event["ChildShards"] != nil
                }
            }
            if isAtEnd { return }
            if hasEvents { pauses = Pauses(client.timeSource) }
            guard answer.status != 200 else { continue }
            let error = client.error(in: answer, of: request.operation)
            // A consumer can't subscribe twice within five seconds.
            guard error.isRetriable || error.code == "ResourceInUseException", try await pauses.wait() else {
                throw error.explained
            }
            client.retries.add(1)
        }
    }

    private func body(after position: String?) -> [UInt8] {
        client.body(3) { writer in
            writer.key("ConsumerARN")
            writer.string(consumer)
            writer.key("ShardId")
            writer.string(shard.description)
            writer.key("StartingPosition")
            writer.beginMap(position == nil ? 1 : 2)
            writer.key("Type")
            writer.string(position == nil ? "TRIM_HORIZON" : "AFTER_SEQUENCE_NUMBER")
            if let position {
                writer.key("SequenceNumber")
                writer.string(position)
            }
            writer.endMap()
        }
    }

    private static func next(_ decoder: inout EventStreamDecoder) throws -> EventStreamMessage? {
        do {
            return try decoder.next()
        } catch {
            throw ShardlineError(.notAccessible, "SubscribeToShard: the events can't be read: \(error)", cause: error)
        }
    }

    /// The event that a message is; nil for the first one, which says nothing.
    private func event(_ message: EventStreamMessage) throws -> Document.Value? {
        switch message[":message-type"] {
        case "event":
            guard message[":event-type"] == "SubscribeToShardEvent" else { return nil }
            return try client.document(message.payload, of: "SubscribeToShard").root
        default:
            let code = message[":exception-type"] ?? message[":error-code"] ?? "an error without a code"
            let words = message[":error-message"] ?? String(decoding: message.payload.prefix(200), as: UTF8.self)
            throw EndpointError(operation: "SubscribeToShard", status: 200, code: code, message: words).explained
        }
    }
}
#endif
