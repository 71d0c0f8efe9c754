import StreamModel
import StreamStorage
import Tracing

/// The span of one invocation, where the process has a tracer: `process orders`, of the kind consumer.
///
/// It begins a trace: a record says nothing of the trace that it was put in. A class, so that an invocation without a
/// tracer carries one word for it.
final class InvocationSpan: Sendable {
    private let tracer: any Tracer
    private let span: any Span

    init(
        _ tracer: any Tracer, of invocation: LaneCore.Invocation, stream: String, mapping: String, shard: ShardID,
        requestID: String
    ) {
        self.tracer = tracer
        let records = invocation.unit.records
        span = tracer.startSpan("process \(stream)", context: .topLevel, ofKind: .consumer)
        span.setMessaging(stream: stream, operation: "process", type: "process", records: records.count)
        span.updateAttributes { attributes in
            attributes["messaging.consumer.group.name"] = mapping
            attributes["messaging.destination.partition.id"] = "\(shard)"
            attributes["faas.invocation_id"] = requestID
            attributes["shardline.attempt"] = invocation.attempt
            // The final invocation of a window has no records.
            if let first = records.first, let last = records.last {
                attributes["shardline.first_sequence_number"] = "\(first.kinesisSequenceNumber)"
                attributes["shardline.last_sequence_number"] = "\(last.kinesisSequenceNumber)"
            }
            if let window = invocation.window {
                attributes["shardline.window.start"] = "\(window.start)"
                attributes["shardline.window.end"] = "\(window.end)"
                attributes["shardline.window.is_final"] = window.isFinal
                attributes["shardline.window.is_terminated_early"] = window.isTerminatedEarly
            }
        }
    }

    /// The context of what the function does.
    var context: ServiceContext { span.context }

    /// What tells another process of the context, such as `traceparent`, in the order of the names.
    var fields: [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        tracer.inject(span.context, into: &fields, using: FieldInjector())
        return fields.sorted { UTF8Key($0.name) < UTF8Key($1.name) }
    }

    /// The invocation has ended with this result.
    func end(_ result: LaneCore.InvocationResult) {
        switch result {
        case .success: break
        case .partial(_, let failure), .permanent(_, let failure), .failed(let failure), .badReport(let failure),
            .notReached(let failure):
            span.setFailure(failure.text, type: failure.type)
        case .cancelled: span.setFailure("the invocation was cancelled", type: "Cancelled")
        case .expired, .notCalled: break
        }
        span.end()
    }
}

/// Collects the fields that a tracer injects.
private struct FieldInjector: Injector {
    func inject(_ value: String, forKey key: String, into carrier: inout [(name: String, value: String)]) {
        // The last one counts, as in a dictionary.
        carrier.removeAll { UTF8Key($0.name) == UTF8Key(key) }
        carrier.append((key, value))
    }
}
