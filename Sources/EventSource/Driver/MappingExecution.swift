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

    enum SessionEnd { case done, fenced }

    /// An event of a session.
    private enum SessionEvent: Sendable {
        case lane(ShardID, LaneEnd)
        /// A shard delivers nothing any more, after the pause with this number.
        case paused(ShardID, Int)
        /// Somebody changed the mapping.
        case changed(MappingSummary)
        /// The settings and the state from this revision on.
        case controlled(MappingDescription, SettingsInForce?)
        /// What the operators' requests with these numbers changed of a shard's parked keys is durable.
        case applied(ShardID, [UInt64])
        /// The requests that the store has.
        case requests([UTF8Key: MappingRequest])
        /// These requests need no shard's work any more, or that of these shards only.
        case checked([UInt64: Set<ShardID>])
        /// Nothing could be found out of these requests.
        case notChecked([UInt64])
        /// Too many records can't be processed.
        case tripped(Breaker.Trip)
        /// Released records are redriven, or are no longer.
        case redriving(Bool)
        case stopRequested
        case graceOver
        /// The run's task was cancelled.
        case cancelled
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
                        owner: mapping.owner,
                        states: { [board = mapping.board] in board.shardsWithCounts },
                        checkSettings: mapping.function.checkSettings))
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
        let settings: SettingsInForce
        do {
            settings = try await mapping.settingsInForce(claimed)
        } catch let error as ShardlineError
            where error.code == .invalidArgument && claimed.configuration != mapping.stored.json
        {
            throw ShardlineError(
                .invalidArgument,
                "the mapping '\(mapping.key)' can't run with its settings of revision \(claimed.revision)\(Self.words(of: claimed.lastAction)): \(error.message); update the mapping",
                cause: error)
        }
        let session = MappingSession(
            store: store, key: mapping.key, streamID: stream.id, epoch: claimed.epoch,
            settings: SessionValue(settings), function: mapping.function,
            requestIDs: RequestIDs(run: mapping.seed ^ claimed.epoch),
            permits: mapping.permits.seat(settings.configuration.concurrency), targets: AddedTargets(store),
            control: mapping.control, breaker: Breaker(), redrives: RedriveControl(),
            board: mapping.board, metrics: mapping.metrics, tracer: ActiveTracer.current, throttle: LogThrottle(),
            logger: logger,
            observer: mapping.observer, direct: store as? any DirectStore,
            retention: SessionValue(claimed.retention))
        defer { session.throttle.end(logger) }
        // Not by the shards of this moment: one shard may become a thousand. A worker without shards only waits.
        let workers = LaneWorkers(count: max(1, mapping.workers))
        let events = Mailbox<SessionEvent>()
        let end: Result<SessionEnd, any Error>
        do {
            end = .success(
                try await withTaskCancellationHandler {
                    try await drive(session, claimed, goals, workers, events)
                } onCancel: {
                    workers.tellAll(.cancelled)
                    events.post(.cancelled)
                })
        } catch {
            end = .failure(error)
        }
        await showBacklog(session)
        return try end.get()
    }

    private func drive(
        _ session: MappingSession, _ claimed: MappingDescription, _ goals: [ShardID: ShardDriver.Goal]?,
        _ workers: LaneWorkers, _ events: Mailbox<SessionEvent>
    ) async throws -> SessionEnd {
        var course = SessionCourse(
            lanes: MappingLanes(session: session, claimed: claimed, goals: goals, resumed: mapping.isResumed),
            workers: workers, session: session, claimed: claimed, failureStream: mapping.failureStream)
        await withDiscardingTaskGroup { group in
            listen(session, workers, events, from: MappingSummary(claimed), in: &group)
            session.redrives.enable(claimed.isEnabled)
            if let found = try? await MappingRequest.all(of: session.key, in: session.store) {
                course.add(found)
            } else {
                lookForRequests(session, events, in: &group)
            }
            if !claimed.isEnabled {
                let text = "the mapping is disabled\(Self.words(of: claimed.lastAction)), and waits until it is enabled"
                // Who waits for the end of a run is to know why it does not come.
                if case .caughtUp = goal.kind { logger.warning("\(text)") } else { logger.notice("\(text)") }
            }
            await course.startWhatIsDue()
            tellApplied(&course, events, in: &group)
            while course.goesOn {
                for event in await events.take() { handle(event, &course, events, in: &group) }
                await course.startWhatIsDue()
                tellApplied(&course, events, in: &group)
                endRequests(&course, events, in: &group)
            }
            session.redrives.stop()
            workers.finish()
            group.cancelAll()
        }
        return try course.result()
    }

    /// Starts the workers, and what tells of a session's events.
    private func listen(
        _ session: MappingSession, _ workers: LaneWorkers, _ events: Mailbox<SessionEvent>,
        from known: MappingSummary, in group: inout DiscardingTaskGroup
    ) {
        group.addTask {
            await mapping.control.stopped()
            if !Task.isCancelled { events.post(.stopRequested) }
        }
        group.addTask { if let found = await watch(session, workers, events, from: known) { events.post(found) } }
        if let notifying = session.store as? any NotifyingStore {
            group.addTask {
                var known = known
                // Other errors are the watch's to tell.
                while let found = try? await notifying.waitForChange(of: session.key, since: known) {
                    events.post(.changed(found))
                    known = found
                }
            }
        }
        group.addTask {
            do { events.post(.storeFailed(try await session.store.waitForFailure())) } catch { return }
        }
        let all = workers.workers(
            session, ended: { events.post(.lane($0, $1)) }, paused: { events.post(.paused($0, $1)) },
            applied: { events.post(.applied($0, $1)) }, tripped: { events.post(.tripped($0)) })
        for worker in all {
            group.addTask { await worker.run() }
        }
        let redriver = Redriver(
            mapping: mapping, session: session,
            tell: { workers.tell($0, .event(.parkedKeys($1))) }, isBusy: { events.post(.redriving($0)) })
        group.addTask { await redriver.run() }
    }

    private func handle(
        _ event: SessionEvent, _ course: inout SessionCourse, _ events: Mailbox<SessionEvent>,
        in group: inout DiscardingTaskGroup
    ) {
        switch event {
        case .lane(let shard, let end): course.ended(shard, end)
        case .paused(let shard, let number): course.paused(shard, number)
        case .changed(let summary):
            changed(summary, &course, events, in: &group)
            lookForRequests(course.session, events, in: &group)
        case .applied(let shard, let numbers): course.applied(shard, numbers)
        case .requests(let found): course.add(found)
        case .checked(let left): course.checked(left)
        case .notChecked(let numbers): course.notChecked(numbers)
        case .redriving(let isBusy): course.redriving(isBusy)
        case .tripped(let trip): disable(course.session, trip, events, in: &group)
        case .controlled(let description, let settings):
            guard course.control(description, settings) else { return }
            let action = Self.words(of: description.lastAction)
            logger.notice(
                "the mapping has revision \(description.revision), \(description.isEnabled ? "enabled" : "disabled")\(action)"
            )
        case .stopRequested:
            logger.debug("stopping in order")
            course.stopInOrder()
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
        case .cancelled: course.cancel()
        case .fenced: course.fence()
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

    /// Checks every ``watchInterval`` whether the claim still holds and whether the mapping was changed, and records blocked lanes in the metrics. Returns
    /// the event that ends the session; nil if the task was cancelled.
    private func watch(
        _ session: MappingSession, _ workers: LaneWorkers, _ events: Mailbox<SessionEvent>,
        from known: MappingSummary
    ) async -> SessionEvent? {
        var (round, known) = (0, known)
        while true {
            do {
                try await session.timeSource.sleep(until: session.timeSource.monotonicTime + Self.watchInterval)
                let found = try await session.summary()
                guard (found.id, found.epoch) == (known.id, known.epoch) else { return .fenced }
                if found.isChanged(since: known) { events.post(.changed(found)) }
                known = found
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

    // MARK: Control actions

    /// Reads what was changed, and gets it ready.
    private func changed(
        _ summary: MappingSummary, _ course: inout SessionCourse, _ events: Mailbox<SessionEvent>,
        in group: inout DiscardingTaskGroup
    ) {
        let session = course.session
        guard course.isThis(summary) else { return course.fence() }
        guard course.asks(for: summary.revision) else { return }
        let before = session.settings.value
        group.addTask {
            do {
                let description = try await session.store.describeMapping(session.key)
                do {
                    let settings = try await mapping.settingsInForce(description, after: before)
                    events.post(.controlled(description, settings))
                } catch let error as ShardlineError where error.code == .invalidArgument || error.code == .notAccessible
                {
                    logger.error(
                        "the settings of revision \(description.revision) can't be used, those before stay: \(error)")
                    events.post(.controlled(description, nil))
                }
            } catch let error as ShardlineError {
                events.post(.failed(error))
            } catch {}
        }
    }

    /// Disables the mapping, as a control action of the store's, because too many records can't be processed (ESM-N4).
    private func disable(
        _ session: MappingSession, _ trip: Breaker.Trip, _ events: Mailbox<SessionEvent>,
        in group: inout DiscardingTaskGroup
    ) {
        session.logger.error("the mapping is disabled until somebody enables it: \(trip.reason)")
        group.addTask {
            var failures = 0
            while !Task.isCancelled {
                do {
                    try await mapping.mapping.disable(reason: trip.reason, by: "breaker")
                    if case .caughtUp = goal.kind {
                        let error = "the mapping '\(mapping.key)' was disabled by its breaker: \(trip.reason)"
                        events.post(.failed(ShardlineError(.paused, error)))
                    }
                    return
                } catch {
                    failures += 1
                    session.logger.error("the mapping can't be disabled yet, try \(failures): \(error)")
                    let pause = session.timeSource.monotonicTime + Self.watchInterval
                    do { try await session.timeSource.sleep(until: pause) } catch { return }
                }
            }
        }
    }

    /// Reads what operators have asked of the mapping's parked keys, and tells it.
    private func lookForRequests(
        _ session: MappingSession, _ events: Mailbox<SessionEvent>, in group: inout DiscardingTaskGroup
    ) {
        group.addTask {
            while !Task.isCancelled {
                if let found = try? await MappingRequest.all(of: session.key, in: session.store) {
                    events.post(.requests(found))
                    return
                }
                // Why the store can't be read is reported elsewhere.
                let pause = session.timeSource.monotonicTime + Self.watchInterval
                do { try await session.timeSource.sleep(until: pause) } catch { return }
            }
        }
    }

    /// Removes the requests that are done with, as soon as what they changed is durable.
    private func endRequests(
        _ course: inout SessionCourse, _ events: Mailbox<SessionEvent>, in group: inout DiscardingTaskGroup
    ) {
        let due = course.requestsToCheck()
        guard !due.isEmpty else { return }
        let session = course.session
        group.addTask {
            do {
                events.post(.checked(try await MappingRequest.end(due, of: session)))
            } catch {
                session.logger.error("requests for parked keys can't be removed yet: \(error)")
                let pause = session.timeSource.monotonicTime + Self.watchInterval
                do { try await session.timeSource.sleep(until: pause) } catch { return }
                events.post(.notChecked(due.map(\.0.number)))
            }
        }
    }

    /// Tells the store once the lanes do as the newest revision says.
    private func tellApplied(
        _ course: inout SessionCourse, _ events: Mailbox<SessionEvent>, in group: inout DiscardingTaskGroup
    ) {
        guard let renewal = course.newlyApplied() else { return }
        let session = course.session
        group.addTask {
            // A claim that is gone, and a store that can't be asked, are noticed by the watch.
            _ = try? await session.store.renewMapping(session.key, epoch: session.epoch, with: renewal)
        }
    }

    /// Who acted and why, as the end of a sentence.
    private static func words(of action: MappingAction?) -> String {
        guard let action else { return "" }
        return " (by \(action.actor)\(action.reason.isEmpty ? "" : ": \(action.reason)"))"
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
