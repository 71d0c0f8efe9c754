import InMemoryTracing
import Logging
import ShardlineTesting
import StreamModel
import StreamStorage
import Synchronization
import TestTraits
import Testing
import Tracing

@testable import EventSource

/// Invocations as spans, and the trace context that they carry.
@Suite("Invocations in traces", .timeLimit(.minutes(1)), .restingExecutor)
struct InvocationTracingTests {
    private static func text(_ attribute: SpanAttribute?) -> String? {
        if case .string(let text)? = attribute { text } else { nil }
    }

    @Test func `each invocation is a span with a trace of its own, which the function finds (ESM-E12)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...4)
        let tracer = InMemoryTracer()
        var settings = EventSourceMapping.Configuration()
        settings.batchSize = 2
        let seen = Mutex<[(own: String?, current: String?)]>([])
        let mapping = try await bench.mapping("m", settings) { batch, context in
            let found = (
                context.serviceContext?.inMemorySpanContext?.spanID,
                ServiceContext.current?.inMemorySpanContext?.spanID
            )
            seen.withLock { $0.append(found) }
            withSpan("inner") { _ in }
        }
        try await withTracer(tracer) { try await mapping.run(until: .caughtUp) }
        let spans = tracer.finishedSpans.filter { $0.operationName == "process s" }
        #expect(spans.count == 2 && spans.allSatisfy { $0.kind == .consumer && $0.parentSpanID == nil })
        #expect(Set(spans.map(\.traceID)).count == 2)
        #expect(seen.withLock { $0.map(\.own) } == spans.map(\.spanID))
        #expect(seen.withLock { $0.map(\.current) } == spans.map(\.spanID))
        // The function's own spans are below it.
        #expect(tracer.finishedSpans.filter { $0.operationName == "inner" }.map(\.parentSpanID) == spans.map(\.spanID))
        let attributes = spans[1].attributes
        #expect(Self.text(attributes.get("messaging.consumer.group.name")) == "m")
        #expect(Self.text(attributes.get("messaging.destination.partition.id")) == "shardId-000000000000")
        #expect(attributes.get("messaging.batch.message_count") == 2.toSpanAttribute())
        #expect(attributes.get("shardline.attempt") == 1.toSpanAttribute())
        #expect(Self.text(attributes.get("faas.invocation_id")) == bench.calls.all[1].requestID)
        #expect(spans.allSatisfy { $0.status == nil } && tracer.activeSpans.isEmpty)
    }

    @Test func `a span says why its invocation failed, and which attempt it was`() async throws {
        let bench = try await Bench()
        try await bench.put(1...2)
        let tracer = InMemoryTracer()
        var settings = EventSourceMapping.Configuration()
        settings.bisectOnError = false
        let calls = Mutex(0)
        let mapping = try await bench.mapping("m", settings) { batch, _ in
            let call = calls.withLock { count in
                count += 1
                return count
            }
            switch call {
            case 1: throw MalformedRecord("no number")
            case 2: throw BatchFailure(from: batch[1], because: "later")
            default: break
            }
        }
        try await withTracer(tracer) {
            async let run: Void = mapping.run(until: .caughtUp)
            await bench.advance(by: .seconds(1)) { mapping.statistics.delivered == 2 }
            try await run
        }
        let spans = tracer.finishedSpans
        #expect(spans.count == 3 && spans.prefix(2).allSatisfy { $0.status?.code == .error })
        #expect(Self.text(spans[0].attributes.get("error.type")) == "MalformedRecord")
        #expect(spans[0].status?.message == "the record is malformed: no number")
        #expect(spans[1].status?.message == "later" && spans[2].status == nil)
        #expect(spans.map { $0.attributes.get("shardline.attempt") } == [1, 2, 1].map { $0.toSpanAttribute() })
    }

    /// A function outside Swift that keeps its events.
    private final class Function: OutsideFunction {
        let events = Mutex<[[UInt8]]>([])
        let answer: [UInt8]
        init(answer: [UInt8] = []) { self.answer = answer }
        func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
            events.withLock { $0.append(event) }
            return .answered(answer)
        }
    }

    @Test
    func `the event of a function outside Swift has the trace context, within the payload limit (ESM-E12, ESM-B4)`()
        async throws
    {
        let bench = try await Bench()
        try await bench.stream.put(
            contentsOf: (0..<2).map { _ in NewRecord([UInt8](repeating: 1, count: 900), partitionKey: "k") })
        let tracer = InMemoryTracer()
        let function = Function()
        var settings = EventSourceMapping.Configuration()
        // Two records fit without a trace context.
        settings.payloadLimit = 4096
        func mapping(_ name: String) async throws -> EventSourceMapping {
            try await EventSourceMapping(name, from: bench.stream, configuration: settings, outsideFunction: function)
        }
        try await mapping("plain").run(until: .caughtUp)
        let plain = function.events.withLock { $0 }
        #expect(plain.count == 1 && !String(decoding: plain[0], as: UTF8.self).contains("traceContext"))
        let traced = try await mapping("traced")
        try await withTracer(tracer) { try await traced.run(until: .caughtUp) }
        let events = function.events.withLock { Array($0.dropFirst()) }
        let spans = tracer.finishedSpans
        #expect(events.count == 2 && spans.count == 2)
        for (event, span) in zip(events, spans) {
            #expect(event.count <= 4096)
            let trace = try #require(JSONValue(event)?["traceContext"])
            #expect(trace["in-memory-trace-id"]?.text == span.traceID)
            #expect(trace["in-memory-span-id"]?.text == span.spanID)
        }
    }

    /// Runs the mapping over two records of one window, until `isOver` says that the window has ended.
    private static func runWindow(
        _ bench: Bench, _ tracer: InMemoryTracer, _ mapping: EventSourceMapping, until isOver: @Sendable () -> Bool
    ) async throws {
        try await bench.put(1...2)
        try await withTracer(tracer) {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await mapping.run(until: .stopped) }
                await bench.advance(by: .seconds(1), until: isOver)
                await bench.rest()
                mapping.triggerGracefulShutdown()
                try await group.waitForAll()
            }
        }
    }

    private static func windowed() -> EventSourceMapping.Configuration {
        var settings = EventSourceMapping.Configuration()
        settings.tumblingWindow = .seconds(10)
        return settings
    }

    @Test func `invocations of a tumbling window are spans, and the final one too (ESM-E12, ESM-T5)`() async throws {
        let bench = try await Bench()
        let tracer = InMemoryTracer()
        let window = Mutex<TumblingWindow?>(nil)
        let seen = Mutex<[String?]>([])
        let mapping = try await EventSourceMapping(
            "m", from: bench.stream, configuration: Self.windowed(),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), windowState: 0
        ) { batch, sum, context in
            seen.withLock { $0.append(ServiceContext.current?.inMemorySpanContext?.spanID) }
            sum += batch.count
        } windowEnd: { _, ended, context in
            seen.withLock { $0.append(context.serviceContext?.inMemorySpanContext?.spanID) }
            window.withLock { $0 = ended }
        }
        try await Self.runWindow(bench, tracer, mapping) { window.withLock { $0 != nil } }
        let spans = tracer.finishedSpans.filter { $0.operationName == "process s" }
        #expect(spans.count == 2 && spans.allSatisfy { $0.status == nil } && tracer.activeSpans.isEmpty)
        #expect(seen.withLock { $0 } == spans.map(\.spanID))
        let counts = spans.map { $0.attributes.get("messaging.batch.message_count") }
        #expect(counts == [2.toSpanAttribute(), 0.toSpanAttribute()])
        let ended = try #require(window.withLock { $0 })
        for span in spans {
            #expect(Self.text(span.attributes.get("shardline.window.start")) == ended.start.description)
            #expect(Self.text(span.attributes.get("shardline.window.end")) == ended.end.description)
        }
        let isFinal = spans.map { $0.attributes.get("shardline.window.is_final") }
        #expect(isFinal == [false.toSpanAttribute(), true.toSpanAttribute()])
        #expect(spans.map { $0.attributes.get("shardline.first_sequence_number") != nil } == [true, false])
    }

    @Test func `the event of a window has its members and the trace context (ESM-E7, ESM-E12)`() async throws {
        let bench = try await Bench()
        let tracer = InMemoryTracer()
        let function = Function(answer: Array(#"{"state": {"n": 2}}"#.utf8))
        let mapping = try await EventSourceMapping(
            "m", from: bench.stream, configuration: Self.windowed(), outsideFunction: function)
        try await Self.runWindow(bench, tracer, mapping) { function.events.withLock { $0.count == 2 } }
        let events = function.events.withLock { $0 }.map { JSONValue($0) }
        #expect(events.count == 2 && tracer.finishedSpans.count == 2)
        for (event, span) in zip(events, tracer.finishedSpans) {
            #expect(event?["traceContext"]?["in-memory-span-id"]?.text == span.spanID)
            // Lambda's event leaves out a fraction of zero.
            let start = Self.text(span.attributes.get("shardline.window.start"))?.prefix(19)
            #expect(start?.count == 19 && event?["window"]?["start"]?.text?.prefix(19) == start)
        }
        #expect(events.last??["isFinalInvokeForWindow"]?.bytes == Array("true".utf8))
    }

    @Test func `a trace context that is larger than its room is left out (ESM-E12)`() {
        let event = KinesisEvent(names: Records.names)
        let records = Records.batch(["a"])
        let plain = event.json(of: records)
        func with(_ count: Int) -> [UInt8] {
            event.json(of: records, traceFields: [("k\"", String(repeating: "x", count: count))])
        }
        // `,"traceContext":{"k\"":"…"}` without its text has 26 bytes.
        #expect(with(1024 - 26).count == plain.count + 1024)
        #expect(with(1024 - 25) == plain)
        #expect(JSONValue(with(5))?["traceContext"]?["k\""]?.text == "xxxxx")
    }

    @Test func `without a tracer a function finds no trace context (ESM-E12)`() async throws {
        let bench = try await Bench()
        try await bench.put(1...1)
        let isThere = Mutex(true)
        let mapping = try await bench.mapping { _, context in
            isThere.withLock { $0 = context.serviceContext != nil || ServiceContext.current != nil }
        }
        try await mapping.run(until: .caughtUp)
        #expect(!isThere.withLock { $0 })
    }
}
