import DiskAccess
public import Logging
public import StreamModel
public import StreamStorage
import Synchronization

/// A complete `StreamStore` in memory, for tests. It follows every rule of the protocol, except that nothing survives
/// the process.
///
/// Arrivals, retention and waits use its time source. With a ``VirtualTime``, hours pass in a moment:
///
/// ```swift
/// let time = VirtualTime()
/// let store = InMemoryStore(timeSource: time)
/// try await store.createStream("orders", shards: 4)
/// ```
///
/// It can inject the faults of an engine across a network (``answerNextCommit(with:)``), errors of reads
/// (``failNextRead(with:)``), a permanent failure (``fail(with:)``) and lost ranges (``loseRecords(_:in:shard:)``).
///
/// All state is under one lock, which may be held when the lock of the failure signal is taken.
public final class InMemoryStore: StoreEngine {
    struct State {
        /// The store's own id, which is part of the ids of its streams.
        let id = (0..<16).map { _ in UInt8.random(in: .min ... .max) }
        var catalogue = MemoryCatalogue()
        var logs: [ShardPlace: MemoryLog] = [:]
        var isClosed = false
        /// The reads that are resumed when the lock is released.
        var woken = Resumptions<Void>()
        /// Those that wait for a change of a mapping.
        var mappingWaiters = WaitList<Void, Void>()
        var commitFaults: [CommitFault] = []
        var commitFault: (@Sendable ([Change]) -> CommitFault?)?
        var readFaults: [ShardlineError] = []
        var positionFault: (@Sendable (ShardID) -> ShardlineError?)?
        var commitCount = 0

        func checkOpen() throws {
            guard !isClosed else { throw ShardlineError(.closed, "the store was closed") }
        }
    }

    /// The state and its lock. What a change has woken is resumed after the lock is released, also if the change throws.
    struct GuardedState: ~Copyable {
        private let mutex = Mutex(State())

        func withLock<Result: Sendable>(_ body: (inout State) throws -> Result) rethrows -> Result {
            var woken = Resumptions<Void>()
            defer { woken.resume() }
            return try mutex.withLock { state in
                defer { swap(&state.woken, &woken) }
                return try body(&state)
            }
        }
    }

    let state = GuardedState()
    let signal = OneTimeSignal<ShardlineError>()
    /// The clocks for arrivals, retention and waits.
    public let timeSource: any TimeSource
    /// Commits are atomic and sequence numbers dense; nothing survives the process.
    public var capabilities: StoreCapabilities { [.atomicCommit, .denseSequenceNumbers] }

    /// The store's logger.
    public let logger: Logger

    /// An empty store with the clocks of `timeSource`.
    public init(timeSource: any TimeSource = VirtualTime(), logger: Logger = Logger(label: "shardline.store")) {
        self.timeSource = timeSource
        self.logger = logger
    }

    // MARK: Streams

    /// As `StoreEngine/createStream(_:settings:)`.
    @discardableResult
    public func createStream(_ name: String, settings: StreamSettings) async throws -> StreamDescription {
        try await createStream(name, settings: settings, attributes: [])
    }

    /// As `StoreEngine/createStream(_:settings:attributes:)`.
    @discardableResult
    public func createStream(
        _ name: String, settings: StreamSettings, attributes: [NewAttribute]
    ) async throws -> StreamDescription {
        try settings.validate(name: name)
        let changes = try NewAttribute.changes(attributes, of: name)
        let now = timeSource.wallTime
        return try state.withLock { state in
            try state.checkOpen()
            guard state.catalogue.streams[UTF8Key(name)] == nil else {
                throw ShardlineError(.streamExists, "the stream '\(name)' exists already")
            }
            state.catalogue.lastStreamID += 1
            let second = CreationSecond.ofStream(
                now: now.second, retired: state.catalogue.retired,
                taken: state.catalogue.creationSeconds(of: 0..<UInt32(settings.shards)))
            let shards = HashKeyRange.even(settings.shards).enumerated().map { index, range in
                MemoryShard(id: ShardID(UInt32(index)), range: range, creationSecond: second, openedAt: now)
            }
            let stream = MemoryStream(
                id: state.catalogue.lastStreamID, name: name, createdAt: now, settings: settings,
                initialSettings: settings, shards: shards)
            state.catalogue.streams[UTF8Key(name)] = stream
            for change in changes { state.catalogue.apply(change) }
            return state.describe(stream, now: now)
        }
    }

    /// As `StoreEngine/listStreams()`.
    public func listStreams() async throws -> [StreamDescription] {
        let now = timeSource.wallTime
        return try state.withLock { state in
            try state.checkOpen()
            return state.catalogue.streams.values.sorted { $0.name < $1.name }.map { state.describe($0, now: now) }
        }
    }

    /// As `StoreEngine/describeStream(_:)`.
    public func describeStream(_ name: String) async throws -> StreamDescription {
        let now = timeSource.wallTime
        return try state.withLock { state in
            try state.checkOpen()
            return state.describe(try state.catalogue.stream(name), now: now)
        }
    }

    /// As `StoreEngine/updateStream(_:retention:)`.
    @discardableResult
    public func updateStream(_ name: String, retention: Duration) async throws -> StreamDescription {
        try await updateStream(name, retention: retention, maximumRecordSize: nil)
    }

    /// As `StoreEngine/updateStream(_:retention:maximumRecordSize:)`.
    @discardableResult
    public func updateStream(
        _ name: String, retention: Duration?, maximumRecordSize: Int?
    ) async throws -> StreamDescription {
        if let retention { try StreamSettings.validate(retention: retention) }
        let now = timeSource.wallTime
        return try state.withLock { state in
            try state.checkOpen()
            // Records that have expired by now don't come back with a longer retention.
            let stream = try state.catalogue.stream(name)
            _ = state.describe(stream, now: now)
            if let maximumRecordSize {
                try StreamSettings.validate(
                    maximumRecordSize: maximumRecordSize, isFailureStream: stream.settings.isFailureStream)
                state.catalogue.streams[UTF8Key(name)]?.settings.maximumRecordSize = maximumRecordSize
            }
            if let retention { state.catalogue.streams[UTF8Key(name)]?.settings.retention = retention }
            return state.describe(try state.catalogue.stream(name), now: now)
        }
    }

    /// As `StoreEngine/deleteStream(_:force:)`; reads that wait on it throw `streamNotFound`.
    public func deleteStream(_ name: String, force: Bool) async throws {
        let now = timeSource.monotonicTime
        try state.withLock { state in
            try state.checkOpen()
            let stream = try state.catalogue.stream(name)
            if !force { try state.catalogue.checkUnused(stream, now: now) }
            state.catalogue.streams[UTF8Key(name)] = nil
            for shard in stream.shards { state.catalogue.retired.insert(shard.creationSecond) }
            state.catalogue.mappings = state.catalogue.mappings.filter { $0.key.stream != name }
            for shard in stream.shards { state.removeLog(of: stream.place(of: shard.id)) }
            state.wakeMappingWaiters()
        }
    }

    // MARK: Commits

    /// As `StoreEngine/commit(_:urgency:)`, unless a fault is injected.
    public func commit(_ changes: [Change], urgency: CommitUrgency) async throws -> CommitOutcome {
        try askRunners(about: changes)
        let (outcome, fault) = try state.withLock { state in
            // Under the lock, as in a read: no record arrives before a read that doesn't see it.
            let now = timeSource.wallTime
            try state.checkOpen()
            if let failure = signal.value { throw failure }
            state.commitCount += 1
            let fault = state.takeFault(for: changes)
            let outcome: CommitOutcome
            switch fault {
            case .failure(let error): throw error
            case .conflict: outcome = state.conflict(for: changes)
            case .unknown(written: false): outcome = .unknown(cause: InMemoryStore.noAnswer)
            case .unknown(written: true):
                _ = try state.commit(changes, now: now)
                outcome = .unknown(cause: InMemoryStore.noAnswer)
            case .late, nil: outcome = try state.commit(changes, now: now)
            }
            return (outcome, fault)
        }
        if case .late(let delay) = fault {
            // The commit is written, so it is acknowledged also if the task is cancelled.
            try? await timeSource.sleep(until: timeSource.monotonicTime + delay)
        }
        return outcome
    }

    private static let noAnswer = ShardlineError(.outcomeUnknown, "no answer came within the time-out")

    /// Closes the store: waiting and later calls throw `closed`.
    public func close() async throws {
        state.withLock { state in
            state.isClosed = true
            state.wakeReads()
            state.wakeMappingWaiters()
        }
    }
}

extension InMemoryStore.State {
    mutating func wakeReads() {
        for place in logs.keys { wakeReads(at: place) }
    }

    private mutating func wakeReads(at place: ShardPlace) {
        if let resumptions = logs[place]?.waiters.answerAll(with: ()) { woken.append(contentsOf: resumptions) }
    }

    /// Wakes those that wait for a change of a mapping: they look again.
    mutating func wakeMappingWaiters() { woken.append(contentsOf: mappingWaiters.answerAll(with: ())) }

    mutating func removeLog(of place: ShardPlace) {
        wakeReads(at: place)
        logs[place] = nil
    }

    mutating func takeFault(for changes: [Change]) -> CommitFault? {
        if !commitFaults.isEmpty { return commitFaults.removeFirst() }
        return commitFault?(changes)
    }

    mutating func commit(_ changes: [Change], now: Timestamp) throws -> CommitOutcome {
        for name in catalogue.streams.keys { _ = catalogue.streams[name].map { removeShards(of: $0, now: now) } }
        var commit = MemoryCommit(catalogue, now: now)
        let outcome = try commit.apply(changes)
        guard case .committed = outcome else { return outcome }
        catalogue = commit.catalogue
        for (place, run) in commit.runs { logs[place, default: MemoryLog()].append(run) }
        for place in commit.touched { wakeReads(at: place) }
        if commit.changesMappings { wakeMappingWaiters() }
        return outcome
    }

    func conflict(for changes: [Change]) -> CommitOutcome {
        for (index, change) in changes.enumerated() {
            guard case .append(let append) = change else { continue }
            var last = SequenceNumber.zero
            if case .shard(let id) = append.target, let shard = try? catalogue.stream(append.stream).shard(id) {
                last = shard.last
            }
            return .conflict(change: index, last: last)
        }
        return .conflict(change: 0, last: .zero)
    }

    /// Removes the shards that were closed longer ago than the retention from the list (API-R-4), and wakes the reads
    /// that wait in them.
    mutating func removeShards(of stream: MemoryStream, now: Timestamp) {
        for shard in catalogue.removeShards(of: stream.name, now: now) { removeLog(of: stream.place(of: shard)) }
    }

    mutating func trim(_ shard: ShardID, of stream: MemoryStream, now: Timestamp) {
        logs[stream.place(of: shard)]?.trim(arrivedAtOrBefore: now - stream.settings.retention)
    }
}
