import Tracing

/// The tracer that spans go to.
package enum ActiveTracer {
    /// The tracer of the process, or of the task (`withTracer`). nil where there is none: then nothing is done for a span
    /// that nobody would see.
    package static var current: (any Tracer)? {
        // The usual case, without the search that follows.
        if InstrumentationSystem.instrument is NoOpInstrument { return nil }
        let tracer = InstrumentationSystem.tracer
        return tracer is NoOpTracer ? nil : tracer
    }
}

extension Span {
    /// Sets the attributes that every span here has, by the names of OpenTelemetry's conventions for messaging.
    package func setMessaging(stream: String, operation: String, type: String, records: Int) {
        updateAttributes { attributes in
            attributes["messaging.system"] = "shardline"
            attributes["messaging.operation.name"] = operation
            attributes["messaging.operation.type"] = type
            attributes["messaging.destination.name"] = stream
            attributes["messaging.batch.message_count"] = records
        }
    }

    /// Says that what the span stands for has failed.
    package func setFailure(_ message: String, type: String?) {
        setStatus(SpanStatus(code: .error, message: message))
        attributes["error.type"] = type ?? "_OTHER"
    }
}
