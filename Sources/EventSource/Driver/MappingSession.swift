import Logging
import StreamModel
import StreamStorage
import Synchronization

/// What the drivers of a mapping's shards share during one claim.
struct MappingSession: Sendable {
    let store: any StreamStore
    let key: MappingID
    /// Which stream it is that the mapping reads.
    let streamID: StreamID
    /// The claim: checkpoint moves carry it.
    let epoch: UInt64
    let configuration: EventSourceMapping.Configuration
    let names: ResourceNames
    let function: FunctionSource
    let destination: DeliveryTarget
    let requestIDs: RequestIDs
    let permits: Permits
    let board: MappingStatusRegistry
    let metrics: MappingMetrics
    let throttle: LogThrottle
    let logger: Logger
    let observer: (@Sendable (ShardID, LaneCore.TraceEvent) -> Void)?
    /// The store, where it answers without a task for each call.
    let direct: (any DirectStore)?
    /// How long the stream's records are kept, as far as it is known.
    let retention: StreamRetention

    var timeSource: any TimeSource { store.timeSource }

    /// The settings as a lane takes them.
    var laneSettings: LaneCore.Settings {
        configuration.laneSettings(
            hasDestination: destination.exists,
            payload: function.payload(limit: configuration.payloadLimit, names: names))
    }

    /// Whether this claim is still the newest. Takes note of the retention that is in force.
    func holdsClaim() async throws -> Bool {
        if let direct {
            retention.value = try direct.retention(of: key.stream)
            return try direct.epoch(of: key) == epoch
        }
        let mapping = try await store.describeMapping(key)
        retention.value = mapping.retention
        return mapping.epoch == epoch
    }

    /// Up to where retention has ended the records of a shard; the store alone says so (ESM-G4).
    func trimHorizon(of shard: ShardID) async throws -> SequenceNumber {
        do {
            return try await store.position(of: .trimHorizon, in: key.stream, shard: shard)
        } catch let error as ShardlineError where error.code == .shardNotFound {
            // Listed no longer: nothing of it is left (API-R-4).
            return .max
        }
    }

    func checkpoint(_ shard: ShardID, _ position: SequenceNumber, isShardEnd: Bool = false) -> Change {
        .checkpoint(
            CheckpointMove(
                mapping: key, epoch: epoch,
                checkpoint: ShardCheckpoint(shard: shard, position: position, isShardEnd: isShardEnd)))
    }
}

/// How long a stream's records are kept, as the lanes of a session know it.
final class StreamRetention: Sendable {
    private let state: Mutex<Duration>

    init(_ retention: Duration) { state = Mutex(retention) }

    var value: Duration {
        get { state.withLock { $0 } }
        set { state.withLock { $0 = newValue } }
    }
}

/// Where documents go.
enum DeliveryTarget: Sendable {
    case none
    /// A stream of the mapping's store.
    case stream(String)
    case own(any FailureDestination)

    var exists: Bool {
        if case .none = self { false } else { true }
    }

    /// The place in words, for the log; nil where there is none.
    var words: String? {
        switch self {
        case .none: nil
        case .stream(let name): "the stream \(name)"
        case .own(let destination): (destination as? FileDestination).map { "the file \($0.path)" } ?? "the destination"
        }
    }
}

/// How the driver of a shard ended.
enum LaneEnd: Sendable {
    /// It was told to stop and everything is settled, or the goal is reached.
    case stopped
    /// The shard is closed and done.
    case shardEnd
    /// Somebody else has the mapping now, or its checkpoints were moved.
    case fenced
    /// It was cancelled: what was in flight comes again.
    case cancelled
    /// The shard can't be read any further; the others go on.
    case damaged(any Error)
    /// The mapping can't go on.
    case failed(any Error)
}
