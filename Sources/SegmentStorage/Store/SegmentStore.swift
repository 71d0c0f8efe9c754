import DiskAccess
public import Logging
public import StreamModel
public import StreamStorage
import Synchronization

/// A durable store of streams in one directory: the embedded store.
///
/// One process owns the directory as long as the store is open. Everything that is acknowledged is in the journal and
/// synced (``Durability/synced``); one sync serves many calls. Records stay in memory until they are flushed to
/// segments.
///
/// ```swift
/// let store = try await SegmentStore.open(at: "flights")
/// try await store.createStream("departures", shards: 4)
/// try await store.stream("departures").put("…", partitionKey: "N14228")
/// try await store.close()
/// ```
public final class SegmentStore: StoreEngine {
    package let core: StoreCore
    /// The clocks for arrival times, retention and waits.
    public var timeSource: any TimeSource { core.timeSource }
    /// The directory that holds the store.
    public var directory: String { core.directory }
    /// The logger of the store's events.
    public var logger: Logger { core.logger }

    package init(_ core: StoreCore) { self.core = core }

    deinit {
        // A store that is released without close() is closed too; its threads end by themselves.
        core.beginClosing()
    }

    /// Commits are atomic. Under ``Durability/synced`` sequence numbers are dense, and acknowledged changes survive a
    /// loss of power.
    public var capabilities: StoreCapabilities {
        core.configuration.durability == .synced ? [.atomicCommit, .denseSequenceNumbers, .synced] : .atomicCommit
    }

    /// Opens the store in a directory, or makes a new one there. Does not ask a running owner to release the store and
    /// does not wait for it; the public `open` in the target StoreAccess does.
    ///
    /// Throws `storeBusy`, with a ``StoreHolder`` as its cause, while another process or this one has it open;
    /// `notAccessible` for a directory that can't be used, holds something else or is a part of a backup; `corrupt`
    /// where acknowledged changes can't be read; `newerFormat`, `metadataOlderThanJournal`, `diskFull`,
    /// `invalidArgument`.
    package static func openIfFree(
        at path: String, configuration: Configuration = Configuration(),
        timeSource: any TimeSource = SystemTimeSource(), logger: Logger = Logger(label: "shardline.store")
    ) async throws -> SegmentStore {
        try await open(
            at: path, configuration: configuration, timeSource: timeSource, logger: logger, internals: .init())
    }

    package static func open(
        at path: String, configuration: Configuration, timeSource: any TimeSource, logger: Logger,
        internals: Internals
    ) async throws -> SegmentStore {
        try configuration.validate()
        let core = try await BlockingThreads.shared.run {
            try StoreCore.open(
                path, configuration: configuration, timeSource: timeSource, logger: logger, internals: internals)
        }
        if internals.startsThreads { core.startThreads() }
        return SegmentStore(core)
    }

    /// Ends all calls, makes acknowledged changes durable and releases the directory. Further calls do nothing.
    public func close() async throws {
        core.beginClosing()
        await core.closed()
    }

    /// As ``StreamStore/waitForFailure()``; returns the error of the failed write or sync.
    public func waitForFailure() async throws -> ShardlineError { try await core.health.signal.wait() }

    /// As ``StreamStore/writeRefusal()``: a full disk, or the failed write or sync.
    public func writeRefusal() async -> ShardlineError? { core.health.failure ?? core.space.refusal }

    /// Why the store accepts nothing more until it is opened again; nil while it works.
    package var failure: ShardlineError? { core.health.failure }

    // MARK: Streams

    /// As ``StoreEngine/createStream(_:settings:)``.
    @discardableResult
    public func createStream(_ name: String, settings: StreamSettings) async throws -> StreamDescription {
        try await createStream(name, settings: settings, attributes: [])
    }

    /// As ``StoreEngine/createStream(_:settings:attributes:)``.
    @discardableResult
    public func createStream(
        _ name: String, settings: StreamSettings, attributes: [NewAttribute]
    ) async throws -> StreamDescription {
        try settings.validate(name: name)
        let changes = try NewAttribute.changes(attributes, of: name)
        try await ask(.createStream(name: name, settings: settings, attributes: changes))
        return try await describeStream(name)
    }

    /// As ``StoreEngine/listStreams()``.
    public func listStreams() async throws -> [StreamDescription] {
        let names = try core.visible.withOpen { $0.catalogue.names.keys.sorted().map(\.string) }
        var streams: [StreamDescription] = []
        for name in names {
            do {
                streams.append(try await describeStream(name))
            } catch let error as ShardlineError where error.code == .streamNotFound {
                // The stream was deleted after the list was made.
            }
        }
        return streams
    }

    /// As ``StoreEngine/updateStream(_:retention:)``.
    @discardableResult
    public func updateStream(_ name: String, retention: Duration) async throws -> StreamDescription {
        try await updateStream(name, retention: retention, maximumRecordSize: nil)
    }

    /// As ``StoreEngine/updateStream(_:retention:maximumRecordSize:)``.
    @discardableResult
    public func updateStream(
        _ name: String, retention: Duration?, maximumRecordSize: Int?
    ) async throws -> StreamDescription {
        if let retention { try StreamSettings.validate(retention: retention) }
        try await ask(.updateStream(name: name, retention: retention, maximumRecordSize: maximumRecordSize))
        return try await describeStream(name)
    }

    /// As ``StoreEngine/deleteStream(_:force:)``.
    public func deleteStream(_ name: String, force: Bool) async throws {
        let now = timeSource.now
        // Pending claims keep the stream's mappings from being claimed while the stream is deleted.
        let held = try core.visible.withOpen { state in
            let stream = try state.catalogue.stream(name)
            if !force, let running = state.runningMapping(of: stream, at: now) {
                throw ShardlineError.isRunning(running)
            }
            if !force, let running = state.runningMapping(givingUpTo: stream, at: now) {
                throw ShardlineError.isInUse(name, by: running)
            }
            let free = stream.mappings.values.filter { state.claims[$0] == nil }
            for number in free { state.claims[number] = .pending }
            return free
        }
        do {
            try await ask(.deleteStream(name: name))
        } catch {
            try? core.visible.withOpen { state in for number in held { state.claims[number] = nil } }
            throw error
        }
    }

    /// Sends the writer a request other than `commit` and waits for its sync.
    func ask(_ request: CallRequest) async throws {
        let answer = try await core.push(request, storedCount: 0, reserved: 0, urgency: .now)
        if case .unknown(let cause) = answer {
            throw ShardlineError(
                .outcomeUnknown, "whether this was written is not known: \(cause)", cause: cause)
        }
    }

    // MARK: Commits

    /// As ``StoreEngine/commit(_:urgency:)``.
    public func commit(_ changes: [Change], urgency: CommitUrgency) async throws -> CommitOutcome {
        let bytes = try Change.checkSize(of: changes)
        if changes.isEmpty {
            try core.visible.withOpen { _ in }
            return .committed([])
        }
        // Calls without records don't wait for room (STORE-C6).
        if bytes > 0 { try await core.admission.admit(bytes) }
        let prepared: [PreparedChange]
        do {
            prepared = try await prepare(changes)
        } catch {
            core.admission.release(bytes)
            throw error
        }
        let stored = prepared.reduce(0) { $0 + $1.storedCount }
        let answer = try await core.push(.commit(prepared), storedCount: stored, reserved: bytes, urgency: urgency)
        return answer.outcome
    }

    private func prepare(_ changes: [Change]) async throws -> [PreparedChange] {
        var prepared: [PreparedChange] = []
        prepared.reserveCapacity(changes.count)
        for change in changes {
            guard case .append(let append) = change else {
                if case .control(let control) = change { try askRunner(about: control) }
                prepared.append(.other(change))
                continue
            }
            // The catalogue itself is never taken out: a second reference would make the next commit copy it.
            let (stream, target) = try core.visible.withOpen { state in
                let stream = try state.catalogue.stream(append.stream)
                guard case .shard(let id) = append.target else { return (stream, ShardState?.none) }
                return (stream, try state.catalogue.shard(id, of: stream))
            }
            if append.target == .byKey, append.expectedLast != nil || append.epoch != 0 {
                throw ShardlineError(
                    .invalidArgument, "an append by key can't expect a last number or hold a claim: name the shard")
            }
            try NewRecord.validate(append.records, maximumRecordSize: stream.maximumRecordSize)
            var encoder = AppendEncoder(append, stream: stream, target: target, seed: core.seed)
            // Large calls yield in between.
            while encoder.encode(atLeast: PreparedAppend.longestFrame) { await Task.yield() }
            prepared.append(.append(encoder.finish()))
        }
        return prepared
    }
}

extension CallAnswer {
    /// The outcome for the caller of `commit`.
    var outcome: CommitOutcome {
        switch self {
        case .committed(let receipts): .committed(receipts.map(\.receipt))
        case .conflict(let change, let last): .conflict(change: change, last: last)
        case .sealed(let change, let children): .sealed(change: change, children: children)
        case .unknown(let cause): .unknown(cause: cause)
        case .done: .committed([])
        }
    }
}

extension PlannedReceipt {
    fileprivate var receipt: ChangeReceipt {
        switch self {
        case .appended(let append, let assignments): .appended(append.receipts(assignments))
        case .sealed(let children): .sealed(children)
        case .takenOver(let last): .takenOver(last: last)
        case .done: .done
        }
    }
}
