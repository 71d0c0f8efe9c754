import Logging
import StreamModel
import StreamStorage

/// One run of a mapping: claims it, drives its shards, and begins anew when its checkpoints were moved.
struct MappingRun {
    /// How often a running mapping looks whether it was sought or taken over: an idle one would not notice otherwise.
    static let watchInterval = Duration.seconds(1)
    /// How often a blocked lane shows in the metrics (ESM-M1), in watch intervals.
    static let pulse = 10

    let mapping: EventSourceMapping
    let goal: EventSourceMapping.Goal

    private enum SessionEnd { case done, fenced }

    /// What happens to a session.
    private enum Happening: Sendable {
        case lane(ShardID, LaneEnd)
        case stopRequested
        case graceOver
        case fenced
        case failed(any Error)
        /// The store takes nothing more: neither what the function did nor what was given up.
        case storeFailed(ShardlineError)
        case nothing
    }

    private var store: any StreamStore { mapping.stream.store }
    private var logger: Logger { mapping.logger }

    func run() async throws {
        let goals = try await goals()
        var isFirst = true
        while mapping.control.stopGrace == nil {
            let claimed: MappingDescription
            do {
                claimed = try await store.claimMapping(mapping.key)
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
            logger.notice("the mapping's checkpoints were moved or it was taken over; claiming it anew")
            isFirst = false
        }
    }

    /// Up to where each shard has to be done; nil: for ever.
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
        let registry = LaneRegistry()
        let session = MappingSession(
            store: store, key: mapping.key, epoch: claimed.epoch, configuration: mapping.configuration,
            names: mapping.names, function: mapping.function, destination: mapping.destination,
            requestIDs: RequestIDs(run: mapping.seed ^ claimed.epoch),
            permits: Permits(mapping.configuration.concurrency),
            board: mapping.board, metrics: mapping.metrics, logger: logger, observer: mapping.observer)
        return try await withTaskCancellationHandler {
            try await drive(session, claimed, goals, registry)
        } onCancel: {
            registry.tellAll(.cancelled)
        }
    }

    private func drive(
        _ session: MappingSession, _ claimed: MappingDescription, _ goals: [ShardID: ShardDriver.Goal]?,
        _ registry: LaneRegistry
    ) async throws -> SessionEnd {
        var lanes = MappingLanes(session: session, claimed: claimed, goals: goals, resumed: mapping.isResumed)
        var isFenced = false
        var failure: (any Error)?
        var damage: (any Error)?
        try await withThrowingTaskGroup(of: Happening.self) { group in
            func startLanes() async throws {
                let ready: [MappingLanes.Start]
                do {
                    ready = try await lanes.ready()
                } catch {
                    // The group waits for the lanes that run, and they for a post.
                    registry.tellAll(.cancelled)
                    throw error
                }
                for start in ready {
                    let mailbox = registry.mailbox(for: start.shard.id)
                    group.addTask {
                        var driver = ShardDriver(
                            session: session, shard: start.shard, beginning: start.beginning, mailbox: mailbox,
                            goal: start.goal)
                        return .lane(start.shard.id, await driver.run())
                    }
                }
            }
            func stopLanes() {
                session.permits.close()
                registry.tellAll(.stop)
            }
            group.addTask {
                await mapping.control.stopped()
                return Task.isCancelled ? .nothing : .stopRequested
            }
            group.addTask { await watch(session) }
            group.addTask {
                do { return .storeFailed(try await session.store.failed()) } catch { return .nothing }
            }
            try await startLanes()
            while lanes.running > 0, let happening = try await group.next() {
                switch happening {
                case .lane(let shard, let end):
                    registry.remove(shard)
                    lanes.ended(shard, end)
                    switch end {
                    case .stopped, .cancelled: break
                    case .shardEnd: try await startLanes()
                    case .fenced:
                        isFenced = true
                        stopLanes()
                    case .damaged(let error): damage = error
                    case .failed(let error):
                        if failure == nil { failure = error }
                        stopLanes()
                    }
                case .stopRequested:
                    logger.debug("stopping in order")
                    stopLanes()
                    let grace = mapping.control.stopGrace ?? .zero
                    let timeSource = session.timeSource
                    group.addTask {
                        do { try await timeSource.sleep(until: timeSource.monotonicTime + grace) } catch {
                            return .nothing
                        }
                        return .graceOver
                    }
                case .graceOver:
                    logger.warning("the grace time is over, running invocations are cancelled")
                    registry.tellAll(.cancelled)
                    group.cancelAll()
                case .fenced:
                    isFenced = true
                    session.permits.close()
                    registry.tellAll(.ended(.fenced))
                case .failed(let error):
                    if failure == nil { failure = error }
                    stopLanes()
                case .storeFailed(let error):
                    if failure == nil { failure = error }
                    session.permits.close()
                    registry.tellAll(.ended(.failed(error)))
                case .nothing: break
                }
            }
            group.cancelAll()
        }
        try Task.checkCancellation()
        if let failure { throw failure }
        if isFenced { return .fenced }
        if let damage { throw damage }
        return .done
    }

    /// Looks now and then whether the claim still holds, and shows blocked lanes in the metrics.
    private func watch(_ session: MappingSession) async -> Happening {
        var round = 0
        while true {
            do {
                try await session.timeSource.sleep(until: session.timeSource.monotonicTime + Self.watchInterval)
                let now = try await session.store.describeMapping(session.key)
                if now.epoch != session.epoch { return .fenced }
            } catch let error as ShardlineError {
                return .failed(error)
            } catch {
                return .nothing
            }
            round += 1
            if round % Self.pulse == 0 {
                session.board.pulse(to: session.metrics, at: session.timeSource.wallTime, logger)
            }
        }
    }
}
