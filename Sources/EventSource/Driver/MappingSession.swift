import Logging
import StreamModel
import StreamStorage
import Synchronization
import Tracing

/// What the drivers of a mapping's shards share while one claim lasts.
struct MappingSession: Sendable {
    let store: any StoreEngine
    let key: MappingID
    /// The ID of the stream that the mapping reads.
    let streamID: StreamID
    /// The fencing token of the claim. Every checkpoint move carries it.
    let epoch: UInt64
    /// Those of this moment: what is under way keeps those that it began with.
    let settings: SessionValue<SettingsInForce>
    let function: FunctionSource
    let requestIDs: RequestIDs
    let permits: PermitSeat
    /// The streams that functions add records to.
    let targets: AddedTargets
    /// Whether the run was asked to stop, as the tasks of invocations look at it before a further call.
    let control: ExecutionControl
    /// Notices when too many records can't be processed.
    let breaker: Breaker
    /// When records of parked keys are to be redriven.
    let redrives: RedriveControl
    let board: MappingStatusRegistry
    let metrics: MappingMetrics
    /// The tracer of the process when the session began; nil: invocations have no spans.
    let tracer: (any Tracer)?
    let throttle: LogThrottle
    let logger: Logger
    let observer: (@Sendable (ShardID, LaneCore.TraceEvent) -> Void)?
    /// The store, if it supports calls without a task for each.
    let direct: (any DirectStore)?
    /// The stream's retention, as last read from the store.
    let retention: SessionValue<Duration>

    var timeSource: any TimeSource { store.timeSource }

    /// What the store says of the mapping now. Also updates the retention.
    func summary() async throws -> MappingSummary {
        let summary = if let direct { try direct.summary(of: key) } else { try await store.summarizeMapping(key) }
        retention.value = summary.retention
        return summary
    }

    /// The number up to which a shard's records have expired. Only the store decides this (ESM-G4).
    func trimHorizon(of shard: ShardID) async throws -> SequenceNumber {
        do {
            return try await store.position(of: .trimHorizon, in: key.stream, shard: shard)
        } catch let error as ShardlineError where error.code == .shardNotFound {
            // Retention has removed the shard and all its records (API-R-4).
            return .max
        }
    }

    /// The change that stores a shard's progress: everything that its checkpoint says, since each replaces the one
    /// before whole.
    func checkpoint(_ shard: ShardID, _ progress: ShardProgress) -> Change {
        .checkpoint(
            CheckpointMove(
                mapping: key, epoch: epoch,
                checkpoint: ShardCheckpoint(
                    shard: shard, position: progress.position, isShardEnd: progress.isShardEnd,
                    state: progress.encodedState)))
    }
}

/// What a session's task replaces from time to time, and its shards' tasks read.
final class SessionValue<Value: Sendable>: Sendable {
    private let state: Mutex<Value>

    init(_ value: Value) { state = Mutex(value) }

    var value: Value {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

/// Where failure documents go.
enum DeliveryTarget: Sendable {
    case none
    /// A stream of the mapping's store.
    case stream(String)
    case own(any FailureDestination)

    var exists: Bool {
        if case .none = self { false } else { true }
    }

    /// The destination as text for the log; nil without one.
    var words: String? {
        switch self {
        case .none: nil
        case .stream(let name): "the stream \(name)"
        case .own(let destination): (destination as? any CustomStringConvertible)?.description ?? "the destination"
        }
    }
}

/// How the driver of a shard ended.
enum LaneEnd: Sendable {
    /// It was told to stop or its goal is reached, and everything is durable.
    case stopped
    /// The shard is closed and all its records are done.
    case shardEnd
    /// The mapping was claimed by another owner, or its checkpoints were moved.
    case fenced
    /// It was cancelled; the records in flight are delivered again.
    case cancelled
    /// It waits for an operator, and the run ends when all is done; the other shards come to their end.
    case paused(any Error)
    /// The shard can't be read any further; the other shards go on.
    case damaged(any Error)
    /// The error ends the whole run.
    case failed(any Error)
}
