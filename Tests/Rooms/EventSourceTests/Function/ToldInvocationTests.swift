import Logging
import ShardlineTesting
import StreamModel
import Testing

@testable import EventSource

/// Events that tell of their invocation (ESM-E13).
@Suite struct ToldInvocationTests {
    private struct Function: OutsideFunction {
        var tellsInvocation = true

        func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
            .answered(event)
        }
    }

    private struct Plain: OutsideFunction {
        func invoke(_ records: RecordBatch, event: [UInt8], context: InvocationContext) async -> OutsideAnswer {
            .answered(event)
        }
    }

    private static func context(_ time: VirtualTime) -> InvocationContext {
        InvocationContext(
            mapping: "m", stream: "s", streamID: StreamID(7), shard: ShardID(6), attempt: 1,
            requestIDs: RequestIDs(run: 7), invocation: 1, timeout: .seconds(60), timeSource: time,
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    @Test func `an event has the request's id and the deadline beside the records (ESM-E13)`() {
        let (time, event) = (VirtualTime(), KinesisEvent(names: Records.names))
        let context = Self.context(time)
        let deadline = (time.wallTime + .seconds(60)).milliseconds
        let text = String(decoding: event.json(of: RecordBatch(), invocation: context), as: UTF8.self)
        #expect(
            text == #"{"Records":[],"invocation":{"requestId":"\#(context.requestID)","deadlineMs":\#(deadline)}}"#)
        #expect(text.utf8.count <= KinesisEvent.envelopeSize + KinesisEvent.invocationSize)
    }

    @Test func `the payload limit leaves room for it, and nothing changes where it is not told (ESM-B4, ESM-E13)`() {
        #expect(
            FunctionSource.outside(Function()).envelopeSize == KinesisEvent.envelopeSize + KinesisEvent.invocationSize)
        for plain in [FunctionSource.outside(Plain()), .outside(Function(tellsInvocation: false))] {
            #expect(plain.envelopeSize == KinesisEvent.envelopeSize)
        }
    }
}
