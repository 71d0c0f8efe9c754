import DataFormats

extension EventStreamMessage {
    /// What a subscription begins with: clients take no event before it (API-F-3).
    package static func initialResponse(_ format: DocumentFormat) -> EventStreamMessage {
        var writer = DocumentWriter(format)
        writer.beginMap(0)
        writer.endMap()
        return event("initial-response", payload: writer.bytes, format)
    }

    /// Records, or none, and how far the subscription is (API-F-4): the payload is a document of `SubscribeToShardEvent`.
    package static func subscribeToShardEvent(payload: [UInt8], _ format: DocumentFormat) -> EventStreamMessage {
        event("SubscribeToShardEvent", payload: payload, format)
    }

    /// An error that AWS's service model names, after which the stream ends (API-F-5).
    package static func exception(_ code: String, message: String?, _ format: DocumentFormat) -> EventStreamMessage {
        var writer = DocumentWriter(format)
        writer.beginMap(message == nil ? 0 : 1)
        if let message {
            writer.key("message")
            writer.string(message)
        }
        writer.endMap()
        return EventStreamMessage(
            headers: [
                Header(":exception-type", code), Header(":content-type", format.contentType),
                Header(":message-type", "exception"),
            ], payload: writer.bytes)
    }

    /// Any other error (API-F-5). A message is cut to 1 KiB.
    package static func error(_ code: String, message: String) -> EventStreamMessage {
        EventStreamMessage(headers: [
            Header(":error-code", code),
            Header(":error-message", String(decoding: message.utf8.prefix(1024), as: UTF8.self)),
            Header(":message-type", "error"),
        ])
    }

    private static func event(_ type: String, payload: [UInt8], _ format: DocumentFormat) -> EventStreamMessage {
        EventStreamMessage(
            headers: [
                Header(":event-type", type), Header(":content-type", format.contentType),
                Header(":message-type", "event"),
            ], payload: payload)
    }
}

extension DocumentFormat {
    /// The content type of requests and answers in this format.
    package var contentType: String {
        switch self {
        case .json: "application/x-amz-json-1.1"
        case .cbor: "application/x-amz-cbor-1.1"
        }
    }
}
