import DiskAccess
import Logging
import Metrics
import StreamModel
import StreamStorage

/// Attaches a function to a stream. The function gets the records in batches, in order within each shard, until they
/// are done.
///
/// ```swift
/// let delays = try await EventSourceMapping("delays", from: departures) { batch, context in
///     for record in batch { handle(record) }
/// }
/// try await delays.run(until: .caughtUp)
/// ```
///
/// A mapping is durable under its name: the store keeps its checkpoint in each shard, and a mapping that is created
/// again under the same name resumes there. Delivery is at least once; a checkpoint never passes a record that is not
/// done. A failing record is isolated, retried, and in the end given up to the failure destination, as
/// ``Configuration`` says. It blocks its shard permanently only if the settings say so.
///
/// One process runs a mapping at a time. Shards are processed in parallel, with one invocation at a time in each, or as
/// many as ``Configuration/parallelizationFactor`` allows. All members can be used from any thread.
public final class EventSourceMapping: Sendable {
    /// When a run ends.
    public struct Goal: Hashable, Sendable {
        enum Kind { case stopped, caughtUp }
        let kind: Kind

        /// Until ``EventSourceMapping/triggerGracefulShutdown(grace:)``, or the task is cancelled.
        public static let stopped = Goal(kind: .stopped)
        /// Until every record is done that was in the stream when the run began. Records that are put later are left to
        /// the next run. A shard's last batch does not wait for its window.
        public static let caughtUp = Goal(kind: .caughtUp)
    }

    /// The mapping's name, unique on its stream.
    public let name: String
    /// The stream whose records the function gets.
    public let stream: RecordStream
    /// The settings that this object was created with. Its runs have them, or those that control actions have made of
    /// them since (``update(reason:by:_:)``), here or from another process.
    public let configuration: Configuration
    /// Whether the mapping was in the store and is resumed; false if this object created it.
    public let isResumed: Bool

    /// The stream of the same store that takes the records that the mapping gives up with the settings of this object;
    /// nil if the destination is a file, a type of your own, or none. A mapping keeps the name of its dead-letter stream.
    public var failureStream: String? {
        if case .stream(let name) = destination { name } else { nil }
    }

    /// The mapping by its name, for looking at it, moving it and deleting it.
    public var mapping: StreamMapping { stream.mapping(name) }

    package var key: MappingID { mapping.id }

    let function: FunctionSource
    /// The destination that was given instead of the configuration's.
    let ownDestination: (any FailureDestination)?
    let destination: DeliveryTarget
    /// The name of this process in the store.
    let owner: String?
    /// The settings as the store keeps them.
    let stored: StoredSettings
    let names: ResourceNames
    let logger: Logger
    let observer: (@Sendable (ShardID, LaneCore.TraceEvent) -> Void)?
    let seed: UInt64
    /// The number of workers that decide for its shards.
    let workers: Int
    /// Where its runs get the permits for invocations.
    let permits: PermitSource
    let board = MappingStatusRegistry()
    let metrics: MappingMetrics
    let control = ExecutionControl()

    /// Creates a durable mapping that calls a closure, or resumes the mapping of this name.
    ///
    /// Nothing is delivered before ``run(until:)``. When this returns, the starting position is fixed: with `.latest`,
    /// the mapping gets every record that is put from then on.
    ///
    /// - Parameters:
    ///   - name: 1 to 128 characters of `[a-zA-Z0-9_.-]`, unique on the stream.
    ///   - stream: the stream that the records come from.
    ///   - start: where a new mapping begins; a resumed one continues at its checkpoints. Default: the oldest record.
    ///   - configuration: the settings of this object's runs, also if the mapping was created with others. The store
    ///     keeps the newest settings for listings.
    ///   - destination: takes the records that are given up, instead of the configuration's failure destination.
    ///   - concurrencyLimit: how many invocations of this and other mappings may run at once; nil: as many as
    ///     ``Configuration/concurrency`` says.
    ///   - logger: gets a warning for a unit's first failure, for each doubling of its attempts, and for records that
    ///     are given up. At most a few of a kind are logged in a second; the others are counted in one line.
    ///   - function: the code that processes a batch.
    /// - Throws: `invalidArgument`, which names every setting outside its limits; `streamNotFound`; and the store's
    ///   errors.
    public convenience init(
        _ name: String, from stream: RecordStream, startingAt start: StartingPosition = .trimHorizon,
        configuration: Configuration = Configuration(), destination: (any FailureDestination)? = nil,
        concurrencyLimit: ConcurrencyLimit? = nil, logger: Logger = Logger(label: "shardline"),
        function: @escaping EventFunction
    ) async throws {
        try await self.init(
            name, from: stream, startingAt: start, configuration: configuration, destination: destination,
            logger: logger, source: .closure(function), permits: PermitSource(concurrencyLimit))
    }

    /// Creates a durable mapping whose function makes records of another stream, or resumes the mapping of this name.
    ///
    /// ```swift
    /// let invoices = try await EventSourceMapping("invoices", from: orders, into: store.stream("invoices")) { batch, _ in
    ///     batch.map { NewRecord(invoice(for: $0), partitionKey: $0.partitionKey) }
    /// }
    /// ```
    ///
    /// What the function returns is appended in the commit that says that the batch is done: the records are there exactly
    /// once, whatever crashes come between. A function that reports which record failed uses
    /// ``InvocationContext/add(_:to:from:)``, which keeps what was made of the records before it.
    /// The other parameters are those of the initializer with a closure.
    ///
    /// - Parameter output: a stream of the same store, which is there, and not `stream` itself.
    /// - Throws: `invalidArgument` also for another store's stream and for `stream` itself, `streamNotFound`.
    public convenience init(
        _ name: String, from stream: RecordStream, into output: RecordStream,
        startingAt start: StartingPosition = .trimHorizon, configuration: Configuration = Configuration(),
        destination: (any FailureDestination)? = nil, concurrencyLimit: ConcurrencyLimit? = nil,
        logger: Logger = Logger(label: "shardline"),
        function: @escaping @concurrent @Sendable (RecordBatch, InvocationContext) async throws -> [NewRecord]
    ) async throws {
        let target = output.name
        try Self.check(output, beside: stream)
        _ = try await output.describe()
        try await self.init(
            name, from: stream, startingAt: start, configuration: configuration, destination: destination,
            logger: logger,
            source: .closure { batch, context in
                for record in try await function(batch, context) { try context.add(record, to: target) }
            }, permits: PermitSource(concurrencyLimit))
    }

    private static func check(_ output: RecordStream, beside stream: RecordStream) throws {
        guard output.name != stream.name else {
            throw ShardlineError(
                .invalidArgument, "records of '\(stream.name)' into itself (allowed: another stream of the same store)")
        }
        // Engines that are values can't be told apart.
        guard type(of: output.engine) is AnyClass, type(of: stream.engine) is AnyClass else { return }
        guard (output.engine as AnyObject) !== (stream.engine as AnyObject) else { return }
        throw ShardlineError(
            .invalidArgument, "'\(output.name)' is a stream of another store (allowed: a stream of the same store)")
    }

    /// Creates a durable mapping whose shards, or lanes of shards, each have a function with state, or resumes the mapping of this name.
    ///
    /// The other parameters are those of the initializer with a closure.
    ///
    /// - Parameter makeFunction: makes the function of one shard; called when a run starts on the shard, once for each of
    ///   its lanes.
    public convenience init(
        _ name: String, from stream: RecordStream, startingAt start: StartingPosition = .trimHorizon,
        configuration: Configuration = Configuration(), destination: (any FailureDestination)? = nil,
        concurrencyLimit: ConcurrencyLimit? = nil, logger: Logger = Logger(label: "shardline"),
        makeFunction: @escaping @Sendable (ShardID) -> sending any BatchFunction
    ) async throws {
        try await self.init(
            name, from: stream, startingAt: start, configuration: configuration, destination: destination,
            logger: logger, source: .perShard(makeFunction), permits: PermitSource(concurrencyLimit))
    }

    /// Creates a durable mapping whose function keeps a state over each tumbling window, or resumes the mapping of this
    /// name.
    ///
    /// ```swift
    /// var configuration = EventSourceMapping.Configuration()
    /// configuration.tumblingWindow = .seconds(60)
    /// let counts = try await EventSourceMapping(
    ///     "counts", from: departures, configuration: configuration, windowState: [String: Int]()
    /// ) { batch, counts, context in
    ///     for record in batch { counts[record.partitionKey, default: 0] += 1 }
    /// } windowEnd: { counts, window, context in
    ///     print(window.start, counts)
    /// }
    /// ```
    ///
    /// The state is kept for each shard and window, as JSON of at most 1 MiB: a larger one ends its window early. It is
    /// stored in the commit that moves the checkpoint, so after a crash it is the one that belongs to the next record.
    /// The other parameters are those of the initializer with a closure.
    ///
    /// - Parameters:
    ///   - windowState: the state with which each window begins.
    ///   - function: takes a batch of the window's records into the state.
    ///   - windowEnd: gets the state of a window that has ended.
    /// - Throws: `invalidArgument` also where ``Configuration/tumblingWindow`` is not set.
    public convenience init<State: Codable & Sendable>(
        _ name: String, from stream: RecordStream, startingAt start: StartingPosition = .trimHorizon,
        configuration: Configuration, destination: (any FailureDestination)? = nil,
        concurrencyLimit: ConcurrencyLimit? = nil, logger: Logger = Logger(label: "shardline"), windowState: State,
        function: @escaping WindowFunction<State>,
        windowEnd: @escaping WindowEndFunction<State>
    ) async throws {
        try await self.init(
            name, from: stream, startingAt: start, configuration: configuration, destination: destination,
            logger: logger,
            source: .windowed(WindowedFunction(initial: windowState, each: function, end: windowEnd)),
            permits: PermitSource(concurrencyLimit))
    }

    /// Creates a durable mapping whose function is outside Swift, or resumes the mapping of this name.
    package convenience init(
        _ name: String, from stream: RecordStream, startingAt start: StartingPosition = .trimHorizon,
        configuration: Configuration = Configuration(), destination: (any FailureDestination)? = nil,
        logger: Logger = Logger(label: "shardline"), outsideFunction: any OutsideFunction
    ) async throws {
        try await self.init(
            name, from: stream, startingAt: start, configuration: configuration, destination: destination,
            logger: logger, source: .outside(outsideFunction))
    }

    /// Creates a deterministic mapping for simulations: random values follow from `seed`, and the given number of
    /// `workers` decide for its shards.
    package convenience init(
        _ name: String, from stream: RecordStream, startingAt start: StartingPosition = .trimHorizon,
        configuration: Configuration, destination: (any FailureDestination)? = nil, logger: Logger, seed: UInt64,
        workers: Int, function: @escaping EventFunction
    ) async throws {
        try await self.init(
            name, from: stream, startingAt: start, configuration: configuration, destination: destination,
            logger: logger, source: .closure(function), seed: seed, workers: workers, owner: "simulation")
    }

    /// The same with tumbling windows.
    package convenience init<State: Codable & Sendable>(
        _ name: String, from stream: RecordStream, startingAt start: StartingPosition = .trimHorizon,
        configuration: Configuration, destination: (any FailureDestination)? = nil, logger: Logger, seed: UInt64,
        workers: Int, windowState: State, function: @escaping WindowFunction<State>,
        windowEnd: @escaping WindowEndFunction<State>
    ) async throws {
        try await self.init(
            name, from: stream, startingAt: start, configuration: configuration, destination: destination,
            logger: logger, source: .windowed(WindowedFunction(initial: windowState, each: function, end: windowEnd)),
            seed: seed, workers: workers, owner: "simulation")
    }

    init(
        _ name: String, from stream: RecordStream, startingAt start: StartingPosition, configuration: Configuration,
        destination: (any FailureDestination)?, logger: Logger, source: FunctionSource, seed: UInt64? = nil,
        workers: Int = ProcessUsage.processorCount, owner: String? = nil, permits: PermitSource = .own,
        metricsFactory: any MetricsFactory = MetricsSystem.factory,
        observer: (@Sendable (ShardID, LaneCore.TraceEvent) -> Void)? = nil
    ) async throws {
        try configuration.validate(mapping: name, stream: stream.name)
        try source.validate(configuration)
        self.name = name
        self.stream = stream
        self.configuration = configuration
        function = source
        ownDestination = destination
        self.owner = owner
        names = ResourceNames(stream: stream.name, mapping: name, configuration: configuration)
        metrics = MappingMetrics(
            stream: stream.name, mapping: name, byShard: configuration.shardMetrics, factory: metricsFactory)
        self.seed = seed ?? .random(in: .min ... .max)
        self.workers = workers
        self.observer = observer
        self.permits = permits
        var logger = logger
        logger[metadataKey: "stream"] = "\(stream.name)"
        logger[metadataKey: "mapping"] = "\(name)"
        self.logger = logger
        let setup = MappingSetup(
            key: MappingID(stream: stream.name, name: name), store: stream.engine, configuration: configuration,
            logger: logger)
        let stored = try await setup.settings()
        self.stored = stored
        if destination == nil { try await setup.warnOfShared(stored) }
        self.destination = try await setup.target(own: destination, stored)
        isResumed = try await setup.createOrResume(startingAt: start, stored)
    }

    /// Creates or checks what a run needs in the store.
    var setup: MappingSetup {
        MappingSetup(key: key, store: stream.engine, configuration: configuration, logger: logger)
    }

    /// Delivers records until the goal is reached or ``triggerGracefulShutdown(grace:)`` is called.
    ///
    /// Cancelling the task also cancels running invocations; the next run delivers their records again. After a seek
    /// (``seek(to:shard:)``) the run continues at the new positions. While the mapping is disabled it delivers nothing and
    /// goes on; it ends when it is stopped.
    ///
    /// - Throws: `mappingBusy` if the mapping is running already; `fenced` if another process has taken it over;
    ///   `mappingNotFound` if it was deleted; `corrupt` if a shard is damaged (the other shards run on first);
    ///   `storeFailed` if the store has failed and accepts no more writes, also while the mapping is idle; the store's
    ///   other errors; `CancellationError` if the task was cancelled.
    public func run(until goal: Goal) async throws {
        guard control.begin() else {
            throw ShardlineError(.mappingBusy, "the mapping '\(key)' is running already in this process")
        }
        defer { control.end() }
        try await MappingExecution(mapping: self, goal: goal).run()
    }

    /// Ends the run gracefully: it invokes nothing more, waits for running invocations, checkpoints their results, and
    /// ``run(until:)`` returns. If no run is active, the next one returns at once.
    ///
    /// - Parameter grace: how long running invocations may take before they are cancelled; nil:
    ///   ``Configuration/shutdownGrace``.
    public func triggerGracefulShutdown(grace: Duration? = nil) {
        control.stop(grace: grace ?? configuration.shutdownGrace)
    }

    /// The mapping as the store keeps it, with its checkpoint in each shard. Throws `streamNotFound`, `mappingNotFound`.
    public func describe() async throws -> MappingDescription { try await mapping.describe() }

    /// Moves the mapping's checkpoints, durably, whether or not it runs. As ``StreamMapping/seek(to:shard:)``.
    @discardableResult
    public func seek(to position: StartingPosition, shard: ShardID? = nil) async throws -> MappingDescription {
        try await mapping.seek(to: position, shard: shard)
    }

    /// Disables the mapping, durably, whether or not it runs. As ``StreamMapping/disable(reason:by:ifRevision:)``.
    @discardableResult
    public func disable(reason: String = "", by actor: String? = nil) async throws -> MappingDescription {
        try await mapping.disable(reason: reason, by: actor)
    }

    /// Enables the mapping, durably, whether or not it runs. As ``StreamMapping/enable(reason:by:ifRevision:)``.
    @discardableResult
    public func enable(reason: String = "", by actor: String? = nil) async throws -> MappingDescription {
        try await mapping.enable(reason: reason, by: actor)
    }

    /// Changes the mapping's settings, durably, whether or not it runs. As ``StreamMapping/update(reason:by:_:)``.
    @discardableResult
    public func update(
        reason: String = "", by actor: String? = nil, _ change: (inout Configuration) throws -> Void
    ) async throws -> MappingDescription {
        try await mapping.update(reason: reason, by: actor, change)
    }

    /// Deletes the mapping and its checkpoints, durably. Its dead-letter stream stays. Throws `mappingBusy` while a run
    /// is active, and `mappingNotFound`. Later runs of this object throw `mappingNotFound`.
    public func delete() async throws { try await mapping.delete() }

    /// What the mapping has done since this object was created.
    public var statistics: MappingStatistics { board.statistics }

    /// The mapping's state in each shard that a run has started on, ordered by shard, with what it has counted there.
    public var shardStates: [MappingShardState] { board.shardsWithCounts }
}
