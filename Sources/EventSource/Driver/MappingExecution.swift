import Logging
import StreamModel
import StreamStorage

/// One run of a mapping. It claims the mapping, drives its shards, and claims it again after its checkpoints were
/// moved.
///
/// The run's own task handles the session's events. Workers, the watch and the waits for a stop or a failure are child
/// tasks; they only post to mailboxes.
struct MappingExecution {
    /// How often a running mapping checks its claim: an idle mapping would not notice a seek or a takeover otherwise.
    static let watchInterval = Duration.seconds(1)
    /// The maximum number of lanes that are told about expired records before the claim is checked again.
    static let toldAtOnce = 500
    /// How often blocked lanes are recorded in the metrics (ESM-M1), in watch intervals.
    static let pulse = 10

    let mapping: EventSourceMapping
    let goal: EventSourceMapping.Goal

    private enum SessionEnd { case done, fenced }

    /// An event of a session.
    private enum SessionEvent: Sendable {
        case lane(ShardID, LaneEnd)
        case stopRequested
        case graceOver
        case fenced
        case failed(any Error)
        /// The store has failed: neither checkpoints nor given-up records can be stored.
        case storeFailed(ShardlineError)
    }

    private var store: any StoreEngine { mapping.stream.engine }
    private var logger: Logger { mapping.logger }

    func run() async throws {
        let goals = try await goals()
        var isFirst = true
        while mapping.control.stopGrace == nil {
            let claimed: MappingDescription
            do {
                // The claim stores the settings that are in force from now on, for listings.
                claimed = try await store.claimMapping(
                    mapping.key,
                    with: MappingClaim(
                        configuration: mapping.stored.json, failureStream: mapping.failureStream,
                        states: { [board = mapping.board] in board.shardsWithCounts }))
            } catch let error as ShardlineError where error.code == .mappingBusy && !isFirst {
                throw ShardlineError(
                    .fenced, "the mapping '\(mapping.key)' was taken over by another process; it runs there",
                    cause: error)
            }
            let end: SessionEnd
            do {
                end = try await session(claimed, goals: goals)
            } catch {
                try? await store.releaseMapping(mapping.key, epoch: claimed.epoch)
                throw error
            }
            try await store.releaseMapping(mapping.key, epoch: claimed.epoch)
            if case .done = end { return }
            logger.notice("the mapping's checkpoints were moved or it was taken over; claiming it again")
            isFirst = false
        }
    }

    /// The goal of each shard; nil if the run ends only when it is stopped.
    private func goals() async throws -> [ShardID: ShardDriver.Goal]? {
        guard case .caughtUp = goal.kind else { return nil }
        var goals: [ShardID: ShardDriver.Goal] = [:]
        for shard in try await store.describeStream(mapping.key.stream).shards {
            goals[shard.id] = shard.closedAt == nil ? .position(shard.tip) : .shardEnd
        }
        return goals
    }

    private func session(_ claimed: MappingDescription, goals: [ShardID: ShardDriver.Goal]?) async throws -> SessionEnd
    {
        // A stream with a claimed mapping can only be deleted by force, which ends the session.
        let stream = try await store.describeStream(mapping.key.stream)
        // The failure stream may have been deleted before this run. It can't be deleted while the mapping runs.
        if let failures = mapping.failureStream { try await mapping.setup.ensureFailureStream(failures, for: stream) }
        let session = MappingSession(
            store: store, key: mapping.key, streamID: stream.id, epoch: claimed.epoch,
            configuration: mapping.configuration,
            filter: try mapping.configuration.recordFilter(streamARN: mapping.names.stream), names: mapping.names,
            function: mapping.function, destination: mapping.destination,
            requestIDs: RequestIDs(run: mapping.seed ^ claimed.epoch),
            permits: Permits(mapping.configuration.concurrency), control: mapping.control,
            board: mapping.board, metrics: mapping.metrics, throttle: LogThrottle(), logger: logger,
            observer: mapping.observer, direct: store as? any DirectStore,
            retention: StreamRetention(claimed.retention))
        defer { session.throttle.end(logger) }
        // Not by the shards of this moment: one shard may become a thousand. A worker without shards only waits.
        let workers = LaneWorkers(count: max(1, mapping.workers))
        let end: Result<SessionEnd, any Error>
        do {
            end = .success(
                try await withTaskCancellationHandler {
                    try await drive(session, claimed, goals, workers)
                } onCancel: {
                    workers.tellAll(.cancelled)
                })
        } catch {
            end = .failure(error)
        }
        await showBacklog(session)
        return try end.get()
    }

    /// What a session has come to so far, and what its events lead to. The task of ``drive(_:_:_:_:)`` alone uses it.
    private struct Course {
        var lanes: MappingLanes
        let workers: LaneWorkers
        let session: MappingSession
        var isFenced = false
        /// The first of all; it ends the session.
        var failure: (any Error)? {
            didSet { if oldValue != nil { failure = oldValue } }
        }
        /// Of shards that can't be read: told once the others have come to their end.
        var damage: (any Error)?
        /// Shards that have come to their ends, whose children have not been started yet.
        private var endedShards: [ShardID] = []

        init(lanes: MappingLanes, workers: LaneWorkers, session: MappingSession) {
            self.lanes = lanes
            self.workers = workers
            self.session = session
        }

        mutating func startFirstLanes() async {
            do { start(try await lanes.first()) } catch { notStarted(error) }
        }

        /// Starts the children of all shards that have ended since the last call, together: a thousand may end at once.
        mutating func startChildren() async {
            guard !endedShards.isEmpty else { return }
            let ended = endedShards
            endedShards = []
            do { start(try await lanes.ready(after: ended)) } catch { notStarted(error) }
        }

        private func start(_ starts: [MappingLanes.Start]) { for start in starts { workers.begin(start) } }

        private mutating func notStarted(_ error: any Error) {
            failure = error
            workers.tellAll(.cancelled)
        }

        func stopLanes() {
            // The stop is posted before the permits are closed, so that a lane whose call is refused doesn't retry it.
            workers.tellAll(.stop)
            session.permits.close()
        }

        /// Ends all lanes at once.
        func endLanes(_ end: LaneEnd) {
            workers.tellAll(.ended(end))
            session.permits.close()
        }

        mutating func ended(_ shard: ShardID, _ end: LaneEnd) {
            lanes.ended(shard, end)
            switch end {
            case .stopped, .cancelled: break
            case .shardEnd: endedShards.append(shard)
            case .fenced:
                isFenced = true
                stopLanes()
            case .damaged(let error): damage = error
            case .failed(let error):
                failure = error
                stopLanes()
            }
        }

        func result() throws -> SessionEnd {
            try Task.checkCancellation()
            if let failure { throw failure }
            if isFenced { return .fenced }
            if let damage { throw damage }
            return .done
        }
    }

    private func drive(
        _ session: MappingSession, _ claimed: MappingDescription, _ goals: [ShardID: ShardDriver.Goal]?,
        _ workers: LaneWorkers
    ) async throws -> SessionEnd {
        var course = Course(
            lanes: MappingLanes(session: session, claimed: claimed, goals: goals, resumed: mapping.isResumed),
            workers: workers, session: session)
        let events = Mailbox<SessionEvent>()
        await withDiscardingTaskGroup { group in
            listen(session, workers, events, in: &group)
            await course.startFirstLanes()
            while course.lanes.running > 0 {
                for event in await events.take() { handle(event, &course, events, in: &group) }
                await course.startChildren()
            }
            workers.finish()
            group.cancelAll()
        }
        return try course.result()
    }

    /// Starts the workers, and what tells of a session's events.
    private func listen(
        _ session: MappingSession, _ workers: LaneWorkers, _ events: Mailbox<SessionEvent>,
        in group: inout DiscardingTaskGroup
    ) {
        group.addTask {
            await mapping.control.stopped()
            if !Task.isCancelled { events.post(.stopRequested) }
        }
        group.addTask { if let found = await watch(session, workers) { events.post(found) } }
        group.addTask {
            do { events.post(.storeFailed(try await session.store.waitForFailure())) } catch { return }
        }
        for worker in workers.workers(session, ended: { events.post(.lane($0, $1)) }) {
            group.addTask { await worker.run() }
        }
    }

    private func handle(
        _ event: SessionEvent, _ course: inout Course, _ events: Mailbox<SessionEvent>,
        in group: inout DiscardingTaskGroup
    ) {
        switch event {
        case .lane(let shard, let end): course.ended(shard, end)
        case .stopRequested:
            logger.debug("stopping in order")
            course.stopLanes()
            let grace = mapping.control.stopGrace ?? .zero
            let timeSource = course.session.timeSource
            group.addTask {
                do { try await timeSource.sleep(until: timeSource.monotonicTime + grace) } catch { return }
                events.post(.graceOver)
            }
        case .graceOver:
            logger.warning("the grace time is over, running invocations are cancelled")
            course.workers.tellAll(.cancelled)
            group.cancelAll()
        case .fenced:
            course.isFenced = true
            course.endLanes(.fenced)
        case .failed(let error):
            course.failure = error
            course.stopLanes()
        case .storeFailed(let error):
            course.failure = error
            course.endLanes(.failed(error))
        }
    }

    /// Tells lanes that hold expired records the trim horizon. A blocked lane doesn't read, and would not learn of it
    /// otherwise (ESM-G4, ESM-A5).
    private func tellExpired(_ session: MappingSession, _ workers: LaneWorkers) async {
        let expiry = session.timeSource.wallTime - session.retention.value
        for shard in session.board.shardsHolding(arrivedBy: expiry).prefix(Self.toldAtOnce) {
            // The next round asks again.
            guard let horizon = try? await session.trimHorizon(of: shard) else { continue }
            session.board[shard]?.toldExpired(through: horizon)
            workers.tell(shard, .event(.trimmed(through: horizon)))
        }
    }

    /// Checks every ``watchInterval`` whether the claim still holds, and records blocked lanes in the metrics. Returns
    /// the event that ends the session; nil if the task was cancelled.
    private func watch(_ session: MappingSession, _ workers: LaneWorkers) async -> SessionEvent? {
        var round = 0
        while true {
            do {
                try await session.timeSource.sleep(until: session.timeSource.monotonicTime + Self.watchInterval)
                guard try await session.holdsClaim() else { return .fenced }
            } catch let error as ShardlineError {
                return .failed(error)
            } catch {
                return nil
            }
            session.throttle.endSecond(at: session.timeSource.monotonicTime, logger)
            round += 1
            await tellExpired(session, workers)
            workers.nudge()
            if round % Self.pulse == 0 {
                let backlog = await backlog(session)
                session.board.pulse(
                    to: session.metrics, at: Moment(session.timeSource), backlog: backlog, logger)
            }
        }
    }

    /// The backlog; nil if the store can't be read, which is reported elsewhere.
    private func backlog(_ session: MappingSession) async -> MappingBacklog.Measured? {
        try? await MappingBacklog.measured(of: session.key, in: session.store, states: session.board.shards)
    }

    /// Records the backlog at the end of a run, which may be shorter than the interval of the watch.
    private func showBacklog(_ session: MappingSession) async {
        guard let backlog = await backlog(session) else { return }
        session.metrics.show(backlog, at: session.timeSource.wallTime)
    }
}
