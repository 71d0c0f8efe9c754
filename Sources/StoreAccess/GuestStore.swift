import DiskAccess
package import Logging
internal import OwnerSocket
internal import SegmentStorage
package import StreamModel
package import StreamStorage
import Synchronization

/// Runs `body` with a store that this process owns only until another process needs to own it.
///
/// - Parameter waiting: receives a line where calls wait for an owner that does not answer.
package func withGuestStore<Result: Sendable>(
    at directory: String, logger: Logger, waiting: @escaping @Sendable (String) -> Void = { _ in },
    _ body: (any StoreEngine) async throws -> Result
) async throws -> Result {
    let store = GuestStore(directory: directory, logger: logger)
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await store.run() }
        group.addTask { await OwnerWatch(say: waiting) { store.owner }.run() }
        let result: Swift.Result<Result, any Error>
        do {
            // An error of the store is reported before `body` runs.
            try await store.isReady()
            result = .success(try await body(store))
        } catch {
            result = .failure(error)
        }
        group.cancelAll()
        try await group.waitForAll()
        return try result.get()
    }
}

/// A store whose owner may change while it is used: this process opens it while no other process owns it, uses it
/// through the owner's socket while another does, and releases it when a process that must own it asks for it.
///
/// Calls wait while the owner changes. A read is repeated after a change. A commit is never repeated unless it was
/// certainly not sent; any other change that a crash of the owner has cut off is repeated at the next owner.
///
/// After a clean release of the owner this process may open the store for a write. After a crash of the owner it may
/// not: a write then waits only for another owner. For a read it may open the store in both cases.
///
/// ``run()`` runs in one task and is the only one that changes the phase; calls may be made on any thread. No other
/// lock is taken while the lock of `state` is held, and waiters are resumed after it is released.
package final class GuestStore: Sendable {
    /// Which process has the store.
    private enum Phase {
        case changing
        case ready(any StoreEngine, generation: Int)
        case failed(any Error)
    }

    private enum Event: Sendable {
        /// A process asks for the store during the ownership with this number.
        case release(tenure: Int)
        /// The store that this process owns has failed.
        case failed(ShardlineError)
        /// A call found that the owner of this generation is gone.
        case lost(generation: Int, Succession)
    }

    /// Which process may have the store next.
    private enum Succession: Sendable {
        /// This process, or any other that is faster.
        case anyone
        /// The process that asked for it; this process only if that one doesn't come.
        case whoAsked
        /// Another process only.
        case others

        /// How long after the change this process may open the store; nil: never.
        var opensAfter: Duration? {
            switch self {
            case .anyone: .zero
            case .whoAsked: .seconds(1)
            case .others: nil
            }
        }

        var patience: Duration { self == .others ? .seconds(2) : .seconds(10) }
    }

    private struct State {
        var phase = Phase.changing
        var generation = 0
        var writes = 0
        /// Calls that wait for the next store, or for the failure.
        var waiters = WaitList<Void, Void>()
    }

    private static let step = Duration.milliseconds(20)

    private let directory: String
    package let logger: Logger
    private let state = Mutex(State())
    private let events: AsyncStream<Event>
    private let tell: AsyncStream<Event>.Continuation
    package let timeSource: any TimeSource = SystemTimeSource()

    init(directory: String, logger: Logger) {
        self.directory = directory
        self.logger = logger
        (events, tell) = AsyncStream.makeStream(of: Event.self)
    }

    // MARK: Changing hands

    /// Opens the store or connects to its owner, again after each change, until the task is cancelled.
    func run() async {
        var succession = Succession.anyone
        var tenure = 0
        var iterator = events.makeAsyncIterator()
        do {
            while !Task.isCancelled {
                switch try await acquire(succession) {
                case .own(let store):
                    tenure += 1
                    if let failure = await serve(store, tenure: tenure, &iterator) { throw failure }
                    succession = .whoAsked
                case .client(let client):
                    let generation = publish(client)
                    waiting: while let event = await iterator.next() {
                        if case .lost(generation, let next) = event {
                            succession = next
                            break waiting
                        }
                    }
                    try? await client.close()
                }
            }
        } catch {
            change(to: .failed(error))
        }
    }

    private enum Hold {
        case own(SegmentStore)
        case client(OwnerClient)
    }

    // Throws what kept it from opening and from connecting, after the succession's patience.
    private func acquire(_ succession: Succession) async throws -> Hold {
        let begun = timeSource.monotonicTime
        while true {
            let waited = timeSource.monotonicTime - begun
            let isPatient = waited < succession.patience
            var busy: ShardlineError?
            if let pause = succession.opensAfter, waited >= pause {
                do {
                    return .own(try await SegmentStore.openIfFree(at: directory, logger: logger))
                } catch let error as ShardlineError where error.code == .storeBusy {
                    busy = error
                }
            }
            do {
                return .client(try await OwnerClient.connect(at: directory))
            } catch let error as ShardlineError where error.code == .ownerGone {
                guard isPatient else { throw busy.map { Self.unreachable($0, error) } ?? error }
            }
            try await timeSource.sleep(until: timeSource.monotonicTime + Self.step)
        }
    }

    private static func unreachable(_ busy: ShardlineError, _ silence: ShardlineError) -> ShardlineError {
        ShardlineError(
            .storeBusy, "\(busy.message); others work on it through that one, which does not answer", cause: silence)
    }

    // Serves the store until a process asks for it, the task is cancelled or the store has failed; then closes it.
    // Returns the failure: no other process could use a failed store while this one has it open.
    private func serve(
        _ store: SegmentStore, tenure: Int, _ iterator: inout AsyncStream<Event>.Iterator
    ) async -> ShardlineError? {
        let server: OwnerSocketServer?
        do {
            server = try OwnerSocketServer(
                store: store, at: directory,
                onReleaseRequest: { [tell] in
                    tell.yield(.release(tenure: tenure))
                    return true
                }, logger: logger)
        } catch {
            logger.warning("\(error)")
            server = nil
        }
        _ = publish(store)
        await withTaskGroup(of: Void.self) { watching in
            watching.addTask { [tell] in
                if let failure = try? await store.waitForFailure() { tell.yield(.failed(failure)) }
            }
            await withTaskGroup(of: Void.self) { group in
                if let server {
                    group.addTask {
                        do { try await server.run() } catch {
                            self.logger.warning("other processes can't reach this store: \(error)")
                        }
                    }
                }
                waiting: while let event = await iterator.next() {
                    switch event {
                    case .failed: break waiting
                    // A second request of the same process may arrive when this process owns the store again; it is for
                    // an earlier ownership.
                    case .release(let asked): if asked == tenure { break waiting }
                    case .lost: break
                    }
                }
                change(to: .changing)
                // Commits are short; reads that wait end with the store.
                while state.withLock({ $0.writes }) > 0 { await settle() }
                server?.stop()
            }
            watching.cancelAll()
        }
        do { try await store.close() } catch { logger.error("the store could not be closed: \(error)") }
        return store.failure
    }

    // Pauses while commits are in flight. They are awaited even when the task is cancelled.
    private func settle() async {
        do { try await timeSource.sleep(until: timeSource.monotonicTime + .milliseconds(1)) } catch {
            await Task.yield()
        }
    }

    private func publish(_ store: any StoreEngine) -> Int {
        let generation = state.withLock { state in
            state.generation += 1
            return state.generation
        }
        change(to: .ready(store, generation: generation))
        return generation
    }

    private func change(to phase: Phase) {
        state.withLock { state in
            state.phase = phase
            if case .changing = phase { return Resumptions<Void>() }
            return state.waiters.answerAll(with: ())
        }.resume()
    }

    // MARK: Calls

    /// The client of the owner, where that is another process.
    var owner: OwnerClient? {
        state.withLock { if case .ready(let store, _) = $0.phase { store as? OwnerClient } else { nil } }
    }

    /// Returns once the store is available. Throws what keeps it from being available.
    func isReady() async throws { _ = try await current(after: 0) }

    // The store of a generation after `generation`; counts a write on it.
    private func current(
        after generation: Int, writing: Bool = false
    ) async throws -> (store: any StoreEngine, generation: Int) {
        while true {
            let found: Result<(store: any StoreEngine, generation: Int), any Error>? = state.withLock { state in
                switch state.phase {
                case .ready(let store, let number) where number > generation:
                    if writing { state.writes += 1 }
                    return .success((store, number))
                case .failed(let error): return .failure(error)
                default: return nil
                }
            }
            if let found { return try found.get() }
            try Task.checkCancellation()
            await change(behind: generation)
        }
    }

    private func change(behind generation: Int) async {
        await withListedWaiter(cancelled: ()) { waiter in
            state.withLock { state in
                switch state.phase {
                case .ready(_, let number) where number > generation: .answered(())
                case .failed: .answered(())
                default: state.waiters.add(waiter)
                }
            }
        } remove: { id in
            state.withLock { $0.waiters.remove(id) }
        }
    }

    private static func isLost(_ error: any Error) -> Bool {
        (error as? ShardlineError).map { $0.code == .ownerGone || $0.code == .closed } ?? false
    }

    /// Runs a call that changes nothing; repeats it when the store's owner has changed during the call.
    private func look<Answer>(_ call: (any StoreEngine) async throws -> Answer) async throws -> Answer {
        var last = 0
        while true {
            let (store, generation) = try await current(after: last)
            do {
                return try await call(store)
            } catch  where Self.isLost(error) {
                tell.yield(.lost(generation: generation, .anyone))
                last = generation
            }
        }
    }

    /// Runs a call that changes something; if it throws `ownerGone`, it goes to the next owner. A commit that throws
    /// this was certainly not sent; another change may have been done before a crash. After a clean release the next
    /// owner may be this process; after a crash of the owner it may only be another process.
    private func write<Answer>(_ call: (any StoreEngine) async throws -> Answer) async throws -> Answer {
        var last = 0
        while true {
            let (store, generation) = try await current(after: last, writing: true)
            defer { state.withLock { $0.writes -= 1 } }
            do {
                return try await call(store)
            } catch let gone as ShardlineError where gone.code == .ownerGone {
                let saidGoodbye = (store as? OwnerClient)?.ownerReleasedCleanly ?? false
                tell.yield(.lost(generation: generation, saidGoodbye ? .anyone : .others))
                last = generation
                do { _ = try await current(after: last) } catch { throw gone }
            }
        }
    }
}

extension GuestStore: StoreEngine {
    package var capabilities: StoreCapabilities {
        state.withLock { state in
            if case .ready(let store, _) = state.phase { store.capabilities } else { [] }
        }
    }

    @discardableResult
    package func createStream(_ name: String, settings: StreamSettings) async throws -> StreamDescription {
        try await write { try await $0.createStream(name, settings: settings) }
    }

    @discardableResult
    package func createStream(
        _ name: String, settings: StreamSettings, attributes: [NewAttribute]
    ) async throws -> StreamDescription {
        try await write { try await $0.createStream(name, settings: settings, attributes: attributes) }
    }

    package func listStreams() async throws -> [StreamDescription] { try await look { try await $0.listStreams() } }

    package func describeStream(_ name: String) async throws -> StreamDescription {
        try await look { try await $0.describeStream(name) }
    }

    package func summarizeStream(_ name: String) async throws -> StreamSummary {
        try await look { try await $0.summarizeStream(name) }
    }

    package func describeShard(_ shard: ShardID, of stream: String) async throws -> ShardLook {
        try await look { try await $0.describeShard(shard, of: stream) }
    }

    package func streamSummaries(_ query: StreamQuery) async throws -> StreamSummaryPage {
        try await look { try await $0.streamSummaries(query) }
    }

    package func shardDescriptions(_ query: ShardQuery) async throws -> ShardPage {
        try await look { try await $0.shardDescriptions(query) }
    }

    @discardableResult
    package func updateStream(_ name: String, retention: Duration) async throws -> StreamDescription {
        try await write { try await $0.updateStream(name, retention: retention) }
    }

    @discardableResult
    package func updateStream(
        _ name: String, retention: Duration?, maximumRecordSize: Int?
    ) async throws -> StreamDescription {
        try await write {
            try await $0.updateStream(name, retention: retention, maximumRecordSize: maximumRecordSize)
        }
    }

    package func deleteStream(_ name: String, force: Bool) async throws {
        try await write { try await $0.deleteStream(name, force: force) }
    }

    package func commit(_ changes: [Change], urgency: CommitUrgency) async throws -> CommitOutcome {
        try await write { try await $0.commit(changes, urgency: urgency) }
    }

    package func read(_ request: ReadRequest) async throws -> ReadResult {
        try await look { try await $0.read(request) }
    }

    package func position(of start: StartingPosition, in stream: String, shard: ShardID) async throws -> SequenceNumber
    {
        try await look { try await $0.position(of: start, in: stream, shard: shard) }
    }

    package func countRecords(in spans: [RecordSpan], of stream: String) async throws -> [Int] {
        try await look { try await $0.countRecords(in: spans, of: stream) }
    }

    package func lastRecords(in spans: [RecordSpan], of stream: String) async throws -> [SequenceNumber?] {
        try await look { try await $0.lastRecords(in: spans, of: stream) }
    }

    @discardableResult
    package func createMapping(_ definition: MappingDefinition) async throws -> MappingDescription {
        try await write { try await $0.createMapping(definition) }
    }

    package func listMappings(of stream: String?) async throws -> [MappingDescription] {
        try await look { try await $0.listMappings(of: stream) }
    }

    package func describeMapping(_ mapping: MappingID) async throws -> MappingDescription {
        try await look { try await $0.describeMapping(mapping) }
    }

    package func claimMapping(_ mapping: MappingID, with claim: MappingClaim) async throws -> MappingDescription {
        try await write { try await $0.claimMapping(mapping, with: claim) }
    }

    package func summarizeMapping(_ mapping: MappingID) async throws -> MappingSummary {
        try await look { try await $0.summarizeMapping(mapping) }
    }

    package func mappingHistory(_ mapping: MappingID) async throws -> [MappingAction] {
        try await look { try await $0.mappingHistory(mapping) }
    }

    package func attributes(_ query: AttributeQuery) async throws -> AttributePage {
        try await look { try await $0.attributes(query) }
    }

    package func parkedKeys(_ query: ParkedKeyQuery) async throws -> ParkedKeyPage {
        try await look { try await $0.parkedKeys(query) }
    }

    @discardableResult
    package func renewMapping(
        _ mapping: MappingID, epoch: UInt64, with renewal: MappingRenewal
    ) async throws -> MappingSummary {
        try await write { try await $0.renewMapping(mapping, epoch: epoch, with: renewal) }
    }

    package func mappingStates(_ mapping: MappingID) async throws -> [MappingShardState]? {
        try await look { try await $0.mappingStates(mapping) }
    }

    package func releaseMapping(_ mapping: MappingID, epoch: UInt64) async throws {
        try await write { try await $0.releaseMapping(mapping, epoch: epoch) }
    }

    @discardableResult
    package func seekMapping(
        _ mapping: MappingID, to position: StartingPosition, shard: ShardID?
    ) async throws -> MappingDescription {
        try await write { try await $0.seekMapping(mapping, to: position, shard: shard) }
    }

    package func deleteMapping(_ mapping: MappingID) async throws {
        try await write { try await $0.deleteMapping(mapping) }
    }

    /// Does nothing: the caller that created the store closes it by ending ``run()``.
    package func close() async throws {}
}
