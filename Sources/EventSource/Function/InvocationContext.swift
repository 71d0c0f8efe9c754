import Logging
import StreamModel

/// What a function is told about its invocation, beside the records.
public struct InvocationContext: Sendable {
    /// The mapping's name.
    public let mapping: String
    /// The stream that the records are of.
    public let stream: String
    /// Which stream that is: another one for a stream that was created again under the same name. State that the function
    /// keeps elsewhere about how far it is belongs to this and ``shard``.
    public let streamID: StreamID
    /// The shard that the records are of.
    public let shard: ShardID
    /// How often this unit has been invoked, this time included: 1 the first time.
    public let attempt: Int
    /// Another one for each invocation; the failure document names the last one. A UUID as text.
    public var requestID: String { requestIDs.id(shard: shard, invocation: invocation) }
    /// When the invocation is cancelled, by the wall clock of the store.
    public let deadline: Timestamp
    /// A logger that names mapping, shard and request.
    public var logger: Logger {
        var logger = laneLogger
        logger[metadataKey: "request"] = "\(requestID)"
        return logger
    }

    // Made when they are asked for: most functions need neither.
    private let requestIDs: RequestIDs
    private let invocation: Int
    private let laneLogger: Logger
    private let monotonicDeadline: MonotonicTime
    private let timeSource: any TimeSource

    package init(
        mapping: String, stream: String, streamID: StreamID, shard: ShardID, attempt: Int, requestIDs: RequestIDs,
        invocation: Int, timeout: Duration,
        timeSource: any TimeSource, logger: Logger
    ) {
        self.mapping = mapping
        self.stream = stream
        self.streamID = streamID
        self.shard = shard
        self.attempt = attempt
        self.requestIDs = requestIDs
        self.invocation = invocation
        deadline = timeSource.wallTime + timeout
        monotonicDeadline = timeSource.monotonicTime + timeout
        self.timeSource = timeSource
        laneLogger = logger
    }

    /// The time that is left until the invocation is cancelled; never negative.
    public var remainingTime: Duration { max(.zero, monotonicDeadline - timeSource.monotonicTime) }
}
