import StreamModel
import Tracing

extension RecordStream {
    /// Puts the given number of records within a span, where the process has a tracer: `put orders`, of the kind producer,
    /// as a child of the caller's span.
    func traced(_ records: Int, _ put: () async throws -> [PutReceipt]) async throws -> [PutReceipt] {
        guard let tracer = ActiveTracer.current else { return try await put() }
        let span: any Span = tracer.startSpan("put \(name)", ofKind: .producer)
        span.setMessaging(stream: name, operation: "put", type: "send", records: records)
        defer { span.end() }
        do {
            let receipts = try await ServiceContext.$current.withValue(span.context) { try await put() }
            if receipts.count == 1 {
                span.attributes["messaging.destination.partition.id"] = "\(receipts[0].shard)"
                span.attributes["messaging.message.id"] = "\(receipts[0].kinesisSequenceNumber)"
            }
            return receipts
        } catch {
            span.recordError(error)
            span.setFailure("\(error)", type: (error as? ShardlineError).map { "\($0.code)" })
            throw error
        }
    }
}
