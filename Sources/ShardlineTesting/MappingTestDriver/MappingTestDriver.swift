public import EventSource
import Logging
public import StreamModel
import StreamStorage

/// Runs a mapping on one shard in virtual time: shows what a function gets, when, and what happens to the records that
/// it fails on.
///
/// Nothing happens in the background: ``put(_:partitionKey:)`` and ``advance(by:)`` do everything that is due before
/// they return. A week of retries takes a moment, and a test needs no sleeps.
///
/// ```swift
/// var driver = try MappingTestDriver(configuration: settings) { batch, _ in }
/// try await driver.put("a", partitionKey: "k")
/// try await driver.advance(by: .seconds(2))
/// #expect(driver.invocations.map(\.batch.count) == [1])
/// ```
///
/// The function is called within the driver's calls and takes no virtual time; its time limit is not enforced. Given-up
/// records are in ``documents``, unless the configuration's failure destination is `.none`.
public struct MappingTestDriver {
    /// One call of the function.
    public struct Invocation: Sendable {
        /// The records that the function got; none at the end of a tumbling window.
        public let batch: RecordBatch
        /// The tumbling window of the call; nil without windows.
        public let window: TumblingWindow?
        /// The number of this call with exactly these records, from 1.
        public let attempt: Int
        /// When the function was called.
        public let time: Timestamp
        /// The error that the function threw; nil if it returned.
        public let error: (any Error)?
    }

    /// The calls of the function, in order.
    public private(set) var invocations: [Invocation] = []
    /// The documents of the given-up records, in order.
    public private(set) var documents: [FailureDocument] = []
    /// The records that wait aside, as their keys are parked, in the order in which they were taken
    /// (`EventSourceMapping.Configuration.whenExhausted`).
    public private(set) var parkedRecords: [Record] = []
    /// The records that the function has added to its units' commits (`InvocationContext.add`), in order, by the streams
    /// that they are for.
    public private(set) var added: [UTF8Key: [NewRecord]] = [:]
    /// The keys that are parked, in the order of their bytes.
    public var parkedKeys: [ParkedKey] { core.parkedKeys }
    /// Every step with its reason, one line each, beginning with the rule that it follows
    /// (`Documentation/Rules/EventSourceMappings.md`).
    public private(set) var explanation: [String] = []
    /// Every record up to this number is done.
    public private(set) var checkpoint = SequenceNumber.zero

    /// Calls the function; gives the error that it threw, and the state of its window.
    private typealias Call =
        @Sendable (LaneCore.Invocation, InvocationContext) async -> (error: (any Error)?, state: [UInt8]?)

    private static let stream = "test"
    private static let shard = ShardID(0)
    private let configuration: EventSourceMapping.Configuration
    private let function: Call
    private let time = VirtualTime()
    private let store: InMemoryStore
    private let requestIDs = RequestIDs(run: 1)
    private let names: ResourceNames
    private var core: ShardCore
    private var streamID = StreamID(0)
    private var hasStarted = false
    private var hasGoal = false
    private var read: ShardCore.ReadOrder?
    private var wake: MonotonicTime?
    private let retention: Duration
    /// The trim horizon that the lane knows of.
    private var toldExpired = SequenceNumber.zero

    /// Creates a mapping with these settings that calls `function`. Throws `invalidArgument` for settings outside their
    /// limits.
    ///
    /// - Parameters:
    ///   - configuration: the mapping's settings; the safe defaults if omitted.
    ///   - retention: how long the stream keeps records. Records that are not done by then are given up with the
    ///     condition `RecordsExpired`. 1 second to 365 days; default 365 days.
    ///   - function: the mapping's function.
    public init(
        configuration: EventSourceMapping.Configuration = .init(), retention: Duration = Limits.retention.upperBound,
        function: @escaping EventFunction
    ) throws {
        try configuration.requireWindows(false)
        try self.init(
            configuration: configuration, retention: retention,
            calling: { invocation, context in
                do {
                    try await function(invocation.unit.records, context)
                    return (nil, nil)
                } catch {
                    return (error, nil)
                }
            })
    }

    /// Creates a mapping with tumbling windows, as `EventSourceMapping` does. Throws `invalidArgument` for settings
    /// outside their limits, and where there is no tumbling window.
    public init<State: Codable & Sendable>(
        configuration: EventSourceMapping.Configuration, retention: Duration = Limits.retention.upperBound,
        windowState: State, function: @escaping WindowFunction<State>, windowEnd: @escaping WindowEndFunction<State>
    ) throws {
        try configuration.requireWindows(true)
        let function = WindowedFunction(initial: windowState, each: function, end: windowEnd)
        try self.init(
            configuration: configuration, retention: retention,
            calling: { invocation, context in
                guard let window = invocation.window else { return (nil, nil) }
                return await function.call(invocation.unit.records, window, context)
            })
    }

    private init(
        configuration: EventSourceMapping.Configuration, retention: Duration, calling function: @escaping Call
    ) throws {
        try configuration.validate()
        try StreamSettings.validate(retention: retention)
        self.retention = retention
        self.configuration = configuration
        self.function = function
        store = InMemoryStore(timeSource: time)
        names = ResourceNames(stream: Self.stream, mapping: "test", configuration: configuration)
        var hasDestination = true
        if case .none = configuration.failureDestination { hasDestination = false }
        core = ShardCore(
            ShardCore.InitialState(ShardProgress(position: .zero)),
            settings: configuration.laneSettings(
                hasDestination: hasDestination,
                payload: configuration.payloadLimit.map { LaneCore.PayloadMeasure.rawBytes(limit: $0) },
                filter: try configuration.recordFilter(of: names.source)),
            denseNumbers: true, jitterSeed: 1)
    }

    /// Creates a mapping with these settings whose function has state; `makeFunction` makes it for the driver's only
    /// shard. Throws `invalidArgument` for settings outside their limits.
    public init(
        configuration: EventSourceMapping.Configuration = .init(), retention: Duration = Limits.retention.upperBound,
        makeFunction: (ShardID) -> sending any BatchFunction
    ) throws {
        let function = StatefulFunction(makeFunction(Self.shard))
        try self.init(configuration: configuration, retention: retention) { batch, context in
            try await function.handle(batch, context: context)
        }
    }

    /// The current time of the driver's clock.
    public var now: Timestamp { time.wallTime }

    /// Puts one record of text. Returns its number once the mapping has done everything that is due.
    @discardableResult
    public mutating func put(_ text: some StringProtocol, partitionKey: String) async throws -> SequenceNumber {
        try await put(contentsOf: [NewRecord(text, partitionKey: partitionKey)])[0]
    }

    /// Puts records that arrive together. Returns their numbers once the mapping has done everything that is due.
    @discardableResult
    public mutating func put(contentsOf records: [NewRecord]) async throws -> [SequenceNumber] {
        try await start()
        if hasGoal {
            hasGoal = false
            try await settle([.goal(nil)])
        }
        let receipts = try await store.stream(Self.stream).put(contentsOf: records)
        try await settle([])
        return receipts.map(\.sequenceNumber)
    }

    /// Moves the clock: windows and pauses end and records age, in order.
    public mutating func advance(by duration: Duration) async throws {
        try await start()
        let end = time.monotonicTime + duration
        while let next = nextMoment, next <= end {
            if next == wake { wake = nil }
            time.advance(by: max(.zero, next - time.monotonicTime))
            try await settle([.tick])
        }
        time.advance(by: end - time.monotonicTime)
    }

    /// When something is due next: the lane's wake-up, or the end of its oldest record's retention.
    private var nextMoment: MonotonicTime? {
        guard let held = core.oldestHeldRecord, held.number > toldExpired else { return wake }
        let left = held.arrival + retention - time.wallTime
        let expiry = time.monotonicTime + max(.zero, left)
        return wake.map { min($0, expiry) } ?? expiry
    }

    /// The event for expired records that the lane holds and has not been told about.
    private mutating func expired() async throws -> ShardCore.Event? {
        guard let held = core.oldestHeldRecord, held.number > toldExpired,
            time.wallTime - held.arrival >= retention
        else { return nil }
        toldExpired = try await store.position(of: .trimHorizon, in: Self.stream, shard: Self.shard)
        return .trimmed(through: toldExpired)
    }

    /// Closes the shard, as a split or merge does. Its last batch does not wait for its window.
    public mutating func closeShard() async throws {
        try await start()
        let seal = Seal(stream: Self.stream, parents: [Self.shard], children: HashKeyRange.even(2))
        _ = try await store.commit([.seal(seal)])
        try await settle([])
    }

    /// Processes all records so far as `run(until: .caughtUp)` does: the last batch does not wait for its window. No
    /// time passes: a pause before a retry needs ``advance(by:)``. Records that are put later are delivered as before.
    public mutating func catchUp() async throws {
        try await start()
        let shard = try await store.describeStream(Self.stream).shards.first { $0.id == Self.shard }
        hasGoal = true
        try await settle([.goal(shard?.tip ?? .zero)])
    }

    private mutating func start() async throws {
        guard !hasStarted else { return }
        hasStarted = true
        streamID = try await store.createStream(
            Self.stream, shards: 1, retention: retention, maximumRecordSize: Limits.largestRecordSize
        ).id
        try await settle([.start])
    }

    /// Sends the lane these events and all that follow from them, without moving the clock.
    private mutating func settle(_ events: [ShardCore.Event]) async throws {
        var events = events
        while true {
            // Before anything that may call the function (ESM-A11).
            if let event = try await expired() { events.insert(event, at: 0) }
            if events.isEmpty, let event = try await readOn() { events.append(event) }
            guard !events.isEmpty else { return }
            let decisions = core.handle(events.removeFirst(), at: Moment(time))
            explanation += decisions.trace.map { "\($0.rule) \(LaneLog.text(of: $0))" }
            for action in decisions.actions {
                if let event = try await perform(action) { events.append(event) }
            }
        }
    }

    private mutating func readOn() async throws -> ShardCore.Event? {
        guard let order = read else { return nil }
        let result = try await store.read(
            ReadRequest(
                stream: Self.stream, shard: Self.shard, after: order.after, maximumRecords: order.maximumRecords,
                maximumBytes: order.maximumBytes))
        guard result.next > order.after || result.endOfShard != nil || !order.waits else { return nil }
        read = nil
        return .read(order.number, result)
    }

    private mutating func perform(_ action: ShardCore.Action) async throws -> ShardCore.Event? {
        switch action {
        case .read(let order):
            read = order
            return nil
        case .invoke(let invocation):
            let (result, state, added) = await invoke(invocation)
            return .invocationEnded(invocation.number, result, state: state, added: added)
        case .invokeAll:
            preconditionFailure("the driver's settings allow one call at a time")
        case .wait(let until):
            wake = until
            return nil
        case .checkpointAdding(let progress, let records):
            checkpoint = max(checkpoint, progress.position)
            for added in records { self.added[UTF8Key(added.stream), default: []].append(added.record) }
            return .checkpointed
        case .checkpoint(let progress):
            checkpoint = max(checkpoint, progress.position)
            return .checkpointed
        case .handOver(let giveUp, let progress):
            documents.append(
                FailureDocument(
                    giveUp, key: (Self.stream, "test"), shard: Self.shard, shardCreationSecond: creationSecond,
                    requestID: requestIDs.id(shard: Self.shard, invocation: giveUp.lastInvocation ?? 0), names: names,
                    awsCompatibleCounts: configuration.awsCompatibleCounts, timestamp: time.wallTime))
            let moved = progress.moved(past: giveUp, to: giveUp.last)
            checkpoint = max(checkpoint, moved.position)
            return .destinationTook(checkpointed: true, lane: giveUp.lane)
        case .park(let order):
            parkedRecords += order.entries.flatMap(\.records)
            return .parkingStored([:])
        case .endShard(let progress, _):
            checkpoint = max(checkpoint, progress.position)
            return .checkpointed
        case .redrive, .applied, .stopped:
            return nil
        }
    }

    /// Used only for records that expired or were lost before they were read.
    private var creationSecond: UInt64 { invocations.first?.batch.first?.shardCreationSecond ?? 0 }

    private mutating func invoke(
        _ invocation: LaneCore.Invocation
    ) async -> (LaneCore.InvocationResult, state: [UInt8]?, added: [AddedRecord]) {
        let records = invocation.unit.records
        let context = InvocationContext(
            mapping: "test", stream: Self.stream, streamID: streamID, shard: Self.shard, attempt: invocation.attempt,
            window: invocation.window, requestIDs: requestIDs, invocation: invocation.number,
            timeout: configuration.functionTimeout, timeSource: time, logger: .init(label: "shardline.test"),
            records: records)
        let (thrown, state) = await function(invocation, context)
        invocations.append(
            Invocation(
                batch: records, window: context.window, attempt: invocation.attempt, time: time.wallTime,
                error: thrown))
        let (result, added) = await context.addedRecords(
            after: thrown.map { invocation.unit.result(ofThrown: $0) } ?? .success)
        return (result, state, added)
    }
}
