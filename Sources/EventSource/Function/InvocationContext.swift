import Logging
import StreamModel

/// What a function is told about its invocation, beside the records.
public struct InvocationContext: Sendable {
    /// The mapping's name.
    public let mapping: String
    /// The stream that the records are of.
    public let stream: String
    /// The shard that the records are of.
    public let shard: ShardID
    /// How often this unit has been invoked, this time included: 1 the first time.
    public let attempt: Int
    /// Another one for each invocation; the failure document names the last one. A UUID as text.
    public let requestID: String
    /// When the invocation is cancelled, by the wall clock of the store.
    public let deadline: Timestamp
    /// A logger that names mapping, shard and request.
    public let logger: Logger

    private let monotonicDeadline: MonotonicTime
    private let timeSource: any TimeSource

    package init(
        mapping: String, stream: String, shard: ShardID, attempt: Int, requestID: String, timeout: Duration,
        timeSource: any TimeSource, logger: Logger
    ) {
        self.mapping = mapping
        self.stream = stream
        self.shard = shard
        self.attempt = attempt
        self.requestID = requestID
        deadline = timeSource.wallTime + timeout
        monotonicDeadline = timeSource.monotonicTime + timeout
        self.timeSource = timeSource
        var logger = logger
        logger[metadataKey: "request"] = "\(requestID)"
        self.logger = logger
    }

    /// The time that is left until the invocation is cancelled; never negative.
    public var remainingTime: Duration { max(.zero, monotonicDeadline - timeSource.monotonicTime) }
}
