import InMemoryTracing
import ShardlineTesting
import StreamModel
import StreamStorage
import Testing
import Tracing

/// Puts as spans.
@Suite struct PutTracingTests {
    private static func store() async throws -> InMemoryStore {
        let store = InMemoryStore(timeSource: VirtualTime())
        try await store.createStream("s", shards: 1)
        return store
    }

    @Test func `a put is a span, a child of the caller's`() async throws {
        let store = try await Self.store()
        let tracer = InMemoryTracer()
        let receipt = try await withTracer(tracer) {
            try await tracer.withSpan("request") { _ in
                _ = try await store.stream("s").put(contentsOf: ["a", "b"].map { NewRecord($0, partitionKey: "k") })
                return try await store.stream("s").put("c", partitionKey: "k")
            }
        }
        let spans = tracer.finishedSpans
        #expect(spans.map(\.operationName) == ["put s", "put s", "request"])
        let request = try #require(spans.last)
        for put in spans.dropLast() {
            #expect(put.kind == .producer && put.parentSpanID == request.spanID && put.traceID == request.traceID)
            #expect(put.attributes.get("messaging.destination.name") == "s".toSpanAttribute())
            #expect(put.attributes.get("messaging.system") == "shardline".toSpanAttribute())
            #expect(put.status == nil && put.errors.isEmpty)
        }
        #expect(spans[0].attributes.get("messaging.batch.message_count") == 2.toSpanAttribute())
        #expect(spans[0].attributes.get("messaging.message.id") == nil)
        #expect(spans[1].attributes.get("messaging.message.id") == "\(receipt.kinesisSequenceNumber)".toSpanAttribute())
        #expect(tracer.activeSpans.isEmpty)
    }

    @Test func `a put that fails says why`() async throws {
        let store = try await Self.store()
        let tracer = InMemoryTracer()
        _ = await withTracer(tracer) {
            await #expect(throws: ShardlineError.self) { try await store.stream("none").put("a", partitionKey: "k") }
        }
        let span = try #require(tracer.finishedSpans.first)
        #expect(span.status?.code == .error && span.errors.count == 1)
        #expect(span.attributes.get("error.type") == "streamNotFound".toSpanAttribute())
        #expect(tracer.activeSpans.isEmpty)
    }

    @Test func `a producer has a span for each batch`() async throws {
        let store = try await Self.store()
        let tracer = InMemoryTracer()
        try await withTracer(tracer) {
            try await store.stream("s").withProducer { producer in
                for number in 0..<30 { try await producer.enqueue("\(number)", partitionKey: "k") }
                try await producer.flush()
            }
        }
        let counts = tracer.finishedSpans.map { $0.attributes.get("messaging.batch.message_count") }
        #expect(tracer.finishedSpans.allSatisfy { $0.operationName == "put s" } && !counts.isEmpty)
        let records = counts.reduce(0) { sum, count in
            if case .int64(let count)? = count { sum + Int(count) } else { sum }
        }
        #expect(records == 30)
    }

    @Test func `without a tracer there is none to ask`() async throws {
        #expect(ActiveTracer.current == nil)
        withTracer(NoOpTracer()) { #expect(ActiveTracer.current == nil) }
        withTracer(InMemoryTracer()) { #expect(ActiveTracer.current is InMemoryTracer) }
    }
}
