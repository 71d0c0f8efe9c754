import DiskAccess
import Logging
import Metrics
import StreamModel
import StreamStorage

/// Attaches a function to a stream: its records come in batches, in order within each shard, until they are done.
///
/// ```swift
/// let delays = try await EventSourceMapping("delays", from: departures) { batch, context in
///     for record in batch { handle(record) }
/// }
/// try await delays.run(until: .caughtUp)
/// ```
///
/// A mapping is durable under its name: how far it is in each shard is kept in the store, and a mapping made again
/// under the same name goes on there. Delivery is at least once; a checkpoint never passes a record that is not done.
/// A failing record is isolated, retried and in the end given up to the failure destination, as
/// ``Configuration`` says; it never blocks its shard for good unless that was asked for.
///
/// One process runs a mapping at a time. Shards are worked on in parallel, one invocation at a time in each.
public final class EventSourceMapping: Sendable {
    /// How long a run goes on.
    public struct Goal: Hashable, Sendable {
        enum Kind { case stopped, caughtUp }
        let kind: Kind

        /// Until ``EventSourceMapping/triggerGracefulShutdown(grace:)``, or the task is cancelled.
        public static let stopped = Goal(kind: .stopped)
        /// Until everything is done that was in the stream when the run began, and nothing else: what is put later is
        /// left to the next run. A shard's last batch does not wait for its window, as nothing else is wanted.
        public static let caughtUp = Goal(kind: .caughtUp)
    }

    /// The mapping's name, unique on its stream.
    public let name: String
    /// The stream whose records the function gets.
    public let stream: RecordStream
    /// The settings in force.
    public let configuration: Configuration
    /// Whether this object found a mapping of its name in the store, which it resumes; false: it made it.
    public let isResumed: Bool

    /// The stream of the same store that takes what the mapping gives up; nil where a file, a type of your own or nothing
    /// does. Decided when the mapping is created, and the same for as long as it exists.
    public var failureStream: String? {
        if case .stream(let name) = destination { name } else { nil }
    }

    package var key: MappingID { MappingID(stream: stream.name, name: name) }

    let function: FunctionSource
    let destination: DeliveryTarget
    /// What the store keeps of the settings.
    let stored: StoredSettings
    let names: ResourceNames
    let logger: Logger
    let observer: (@Sendable (ShardID, LaneCore.TraceEvent) -> Void)?
    let seed: UInt64
    /// How many workers decide for its shards.
    let workers: Int
    let board = MappingStatusRegistry()
    let metrics: MappingMetrics
    let control = ExecutionControl()

    /// Makes a mapping that calls a closure, or resumes the one of this name, durably.
    ///
    /// Nothing is delivered before ``run(until:)``. When this returns, the starting position is fixed: with `.latest`,
    /// nothing that is put from then on is missed.
    ///
    /// - Parameters:
    ///   - name: 1 to 128 characters of `[a-zA-Z0-9_.-]`, unique on the stream.
    ///   - stream: where the records come from.
    ///   - start: where a new mapping begins; a resumed one goes on at its checkpoints. Default: the oldest record.
    ///   - configuration: the settings, to be given each time: those of a run hold for it, whatever the mapping was made
    ///     with. The store keeps the newest for a look at them.
    ///   - destination: takes what is given up in place of the configuration's failure destination.
    ///   - logger: for what happens. Warnings are a unit's first failure and each doubling of its attempts, and records
    ///     that are given up; a few a second at most, and then their sum.
    ///   - function: the consumer code.
    /// - Throws: `invalidArgument` that names every setting outside its limits, `streamNotFound`, and what the store
    ///   throws.
    public convenience init(
        _ name: String, from stream: RecordStream, startingAt start: StartingPosition = .trimHorizon,
        configuration: Configuration = Configuration(), destination: (any FailureDestination)? = nil,
        logger: Logger = Logger(label: "shardline"), function: @escaping EventFunction
    ) async throws {
        try await self.init(
            name, from: stream, startingAt: start, configuration: configuration, destination: destination,
            logger: logger, source: .closure(function))
    }

    /// Makes a mapping whose shards each have a function with state, or resumes the one of this name, durably.
    ///
    /// As the initializer with a closure, but for:
    ///
    /// - Parameter makeFunction: makes the function of one shard; called when a run comes to the shard.
    public convenience init(
        _ name: String, from stream: RecordStream, startingAt start: StartingPosition = .trimHorizon,
        configuration: Configuration = Configuration(), destination: (any FailureDestination)? = nil,
        logger: Logger = Logger(label: "shardline"),
        makeFunction: @escaping @Sendable (ShardID) -> sending any BatchFunction
    ) async throws {
        try await self.init(
            name, from: stream, startingAt: start, configuration: configuration, destination: destination,
            logger: logger, source: .perShard(makeFunction))
    }

    /// Makes a mapping whose function is outside Swift, or resumes the one of this name, durably.
    package convenience init(
        _ name: String, from stream: RecordStream, startingAt start: StartingPosition = .trimHorizon,
        configuration: Configuration = Configuration(), destination: (any FailureDestination)? = nil,
        logger: Logger = Logger(label: "shardline"), outsideFunction: any OutsideFunction
    ) async throws {
        try await self.init(
            name, from: stream, startingAt: start, configuration: configuration, destination: destination,
            logger: logger, source: .outside(outsideFunction))
    }

    /// Makes a mapping in which nothing is left to chance or to the machine: what is random follows from `seed`, and so
    /// many `workers` decide for its shards. For simulations.
    package convenience init(
        _ name: String, from stream: RecordStream, startingAt start: StartingPosition = .trimHorizon,
        configuration: Configuration, destination: (any FailureDestination)? = nil, logger: Logger, seed: UInt64,
        workers: Int, function: @escaping EventFunction
    ) async throws {
        try await self.init(
            name, from: stream, startingAt: start, configuration: configuration, destination: destination,
            logger: logger, source: .closure(function), seed: seed, workers: workers)
    }

    init(
        _ name: String, from stream: RecordStream, startingAt start: StartingPosition, configuration: Configuration,
        destination: (any FailureDestination)?, logger: Logger, source: FunctionSource, seed: UInt64? = nil,
        workers: Int = ProcessUsage.processorCount,
        metricsFactory: any MetricsFactory = MetricsSystem.factory,
        observer: (@Sendable (ShardID, LaneCore.TraceEvent) -> Void)? = nil
    ) async throws {
        try configuration.validate(mapping: name, stream: stream.name)
        self.name = name
        self.stream = stream
        self.configuration = configuration
        function = source
        names = ResourceNames(stream: stream.name, mapping: name, configuration: configuration)
        metrics = MappingMetrics(stream: stream.name, mapping: name, factory: metricsFactory)
        self.seed = seed ?? .random(in: .min ... .max)
        self.workers = workers
        self.observer = observer
        var logger = logger
        logger[metadataKey: "stream"] = "\(stream.name)"
        logger[metadataKey: "mapping"] = "\(name)"
        self.logger = logger
        let setup = MappingSetup(
            key: MappingID(stream: stream.name, name: name), store: stream.store, configuration: configuration,
            logger: logger)
        let stored = try await setup.settings()
        self.stored = stored
        if destination == nil { try await setup.warnOfShared(stored) }
        self.destination = try await setup.target(own: destination, stored)
        isResumed = try await setup.createOrResume(startingAt: start, stored)
    }

    /// What a run makes sure of.
    var setup: MappingSetup {
        MappingSetup(key: key, store: stream.store, configuration: configuration, logger: logger)
    }

    /// Delivers records until the goal is reached or ``triggerGracefulShutdown(grace:)`` is called.
    ///
    /// Cancelling the task cancels running invocations too; what they had is delivered again by the next run. After a
    /// seek (``StreamStore/seekMapping(_:to:shard:)``) the run goes on at the new positions.
    ///
    /// - Throws: `mappingBusy` where the mapping runs already, `fenced` where somebody else has taken it over,
    ///   `mappingNotFound` where it was deleted, `corrupt` where a shard was damaged (the others are done first),
    ///   `storeFailed` where the store takes nothing more, also while there is nothing to do, and what the store throws; `CancellationError` where the task was cancelled.
    public func run(until goal: Goal) async throws {
        guard control.begin() else {
            throw ShardlineError(.mappingBusy, "the mapping '\(key)' is running already in this process")
        }
        defer { control.end() }
        try await MappingExecution(mapping: self, goal: goal).run()
    }

    /// Ends the run in order: nothing more is invoked, running invocations are waited for, their results are
    /// checkpointed, and ``run(until:)`` returns. Called before a run, the next one returns at once.
    ///
    /// - Parameter grace: how long invocations are waited for before they are cancelled; nil:
    ///   ``Configuration/shutdownGrace``.
    public func triggerGracefulShutdown(grace: Duration? = nil) {
        control.stop(grace: grace ?? configuration.shutdownGrace)
    }

    /// What the mapping has done since this object was made.
    public var statistics: MappingStatistics { board.statistics }

    /// Where the mapping is in each shard that a run has come to, by shard.
    public var shardStates: [MappingShardState] { board.shards }
}
