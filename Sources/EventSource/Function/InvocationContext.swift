import Logging
import StreamModel
public import Tracing

/// What a function learns about its invocation in addition to the records.
public struct InvocationContext: Sendable {
    /// The mapping's name.
    public internal(set) var mapping: String
    /// The stream that the records come from.
    public internal(set) var stream: String
    /// The stream's ID; a stream that is created again under the same name has another one. A function that stores its
    /// own position elsewhere must store it under this ID and ``shard``.
    public internal(set) var streamID: StreamID
    /// The shard that the records come from.
    public internal(set) var shard: ShardID
    /// The number of this invocation of the unit: 1 the first time.
    public let attempt: Int
    /// Whether the records were parked with their keys, and are handed back after a release
    /// (``EventSourceMapping/Configuration/whenExhausted``).
    public internal(set) var isRedrive = false
    /// Whether the records that a function outside Swift returns are read (ESM-O2).
    package internal(set) var returnsRecords = false
    /// The tumbling window that the records are of; nil in a mapping without windows.
    public let window: TumblingWindow?
    /// The invocation's own id, a UUID as text. The failure document names the id of the last invocation.
    public var requestID: String { requestIDs.id(shard: shard, invocation: invocation) }
    /// When the invocation is cancelled, by the store's wall clock.
    public let deadline: Timestamp
    /// A logger with mapping, shard and request in its metadata.
    public var logger: Logger {
        var logger = laneLogger
        logger[metadataKey: "request"] = "\(requestID)"
        return logger
    }

    /// The trace context of this invocation, in which the function's own spans belong; nil where the process has no tracer.
    ///
    /// While the function runs it is also `ServiceContext.current`, so that `withSpan` and clients that are instrumented
    /// need nothing else.
    public var serviceContext: ServiceContext? { span?.context }

    /// What tells a function outside this process of the trace context; empty where there is no tracer.
    package var traceFields: [(name: String, value: String)] { span?.fields ?? [] }

    // The id and the logger are made on demand: most functions need neither.
    private let requestIDs: RequestIDs
    private let invocation: Int
    private let laneLogger: Logger
    private let monotonicDeadline: MonotonicTime
    private let timeSource: any TimeSource
    private let span: InvocationSpan?
    var added: AddedRecords

    package init(
        mapping: String, stream: String, streamID: StreamID, shard: ShardID, attempt: Int,
        window: LaneCore.WindowCall? = nil, requestIDs: RequestIDs, invocation: Int, timeout: Duration,
        timeSource: any TimeSource, logger: Logger, records: RecordBatch = RecordBatch()
    ) {
        self.init(
            mapping: mapping, stream: stream, streamID: streamID, shard: shard, attempt: attempt, window: window,
            requestIDs: requestIDs, invocation: invocation, timeout: timeout, timeSource: timeSource, logger: logger,
            span: nil, added: AddedRecords(nil, of: records))
    }

    init(
        mapping: String, stream: String, streamID: StreamID, shard: ShardID, attempt: Int,
        window: LaneCore.WindowCall?, requestIDs: RequestIDs, invocation: Int, timeout: Duration,
        timeSource: any TimeSource, logger: Logger, span: InvocationSpan?,
        added: AddedRecords
    ) {
        self.added = added
        self.span = span
        self.mapping = mapping
        self.stream = stream
        self.streamID = streamID
        self.shard = shard
        self.attempt = attempt
        self.window = window.map(TumblingWindow.init)
        self.requestIDs = requestIDs
        self.invocation = invocation
        deadline = timeSource.wallTime + timeout
        monotonicDeadline = timeSource.monotonicTime + timeout
        self.timeSource = timeSource
        laneLogger = logger
    }

    /// Adds a record to the commit that says that the records of this invocation are done (ESM-O1): both are durable
    /// together, or neither is. So in one store the record is there exactly once for what was done, whatever crashes come
    /// between.
    ///
    /// The record is not visible before that commit. If the invocation fails, it is dropped, and the next attempt adds what
    /// it has to. Where the function reports the first record that failed, what was made of the records before it is kept,
    /// and the rest is dropped. Records of one partition key are in the order in which they were added.
    ///
    /// - Parameters:
    ///   - record: a partition key of 1 to 256 characters, and data of at most what the stream takes.
    ///   - stream: a stream of the same store, which is there.
    ///   - source: the record that it was made of. Default: all of the batch, so that it is kept only where all of the batch
    ///     is done.
    /// - Throws: `invalidArgument`, `recordTooLarge`; also for more than 10,000 records or 16 MiB of keys and data in one
    ///   invocation, and after the function has returned. A stream that is not there, or takes only smaller records, makes
    ///   the invocation fail.
    public func add(_ record: NewRecord, to stream: String, from source: Record? = nil) throws {
        if let source, source.shard != shard {
            throw ShardlineError(
                .invalidArgument, "a record that was made of one of \(source.shard) (allowed: a record of this batch)")
        }
        try added.add(AddedRecord(record, to: stream, from: source?.sequenceNumber))
    }

    /// Takes the records that the function has added, after its end with this result.
    package func addedRecords(
        after result: LaneCore.InvocationResult
    ) async -> (LaneCore.InvocationResult, [AddedRecord]) {
        added.end()
        let (result, records) = await added.take(after: result)
        return (result, records)
    }

    /// The time until the invocation is cancelled; never negative.
    public var remainingTime: Duration { max(.zero, monotonicDeadline - timeSource.monotonicTime) }
}
