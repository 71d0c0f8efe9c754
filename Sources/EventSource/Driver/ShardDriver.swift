import Logging
import StreamModel
import StreamStorage
import Synchronization

/// Carries out what the core of one shard decides: reads, invokes, waits, commits.
///
/// A ``LaneWorker`` owns it and calls it in the worker's task only, with inputs in their order. Work that takes time
/// runs in child tasks of the worker's group, which post their results; callbacks of the store come on its threads and
/// only post. So a shard never has more than one invocation, and everything ends with the worker.
final class ShardDriver {
    /// What the worker hands to the driver.
    enum Input: Sendable {
        case event(ShardCore.Event)
        /// Calls of the function for this lane have ended.
        case called(Int)
        /// There may be records for the read with this number.
        case available(Int)
        /// A change that was submitted directly to the store was not committed.
        indirect case notCommitted(Change, ShardCore.Event, Result<CommitOutcome, any Error>)
        /// An alarm of this shard is due.
        case alarm
        /// Stop as soon as the invocation in flight has ended and everything is durable (ESM-L3).
        case stop
        /// The run was cancelled.
        case cancelled
        /// The lane has to end, for this reason.
        case ended(LaneEnd)
        /// Deliver nothing more until ``resume``, and tell the run when that is so, with this number (ESM-L2).
        case pause(Int)
        /// Go on after a pause.
        case resume
        /// Work with these settings from the next decision on (ESM-L4).
        case settings(SettingsInForce)

        /// Whether a lane that starts later has to be told, too.
        var isForLaterLanes: Bool { if case .settings = self { false } else { true } }
    }

    /// When the driver stops by itself.
    enum Goal: Sendable {
        case position(SequenceNumber)
        /// At the end of the closed shard, where every lane stops.
        case shardEnd
    }

    let session: MappingSession
    let shard: ShardDescription
    let goal: Goal?
    private let address: LaneAddress
    private let logger: Logger
    /// The function of each lane.
    private var runners: [FunctionRunner]
    private let work: ShardWork
    /// The shard, if the store can be read without a task; set at the first read.
    private var direct: (any DirectShard)?
    private let board: MappingStatusRegistry.Shard
    private var metrics: MappingMetrics.Shard
    private var told = MappingMetrics.Told()

    private var core: ShardCore
    private var decisions = ShardCore.Decisions()
    private var log: LaneLog
    /// The calls that are made in each lane.
    private var running: [RunningCalls?]
    private var isStopping = false
    private var settings: SettingsInForce
    /// Whether the shard waits for an operator.
    private var isPaused = false
    /// The number of the pause that the shard is in.
    private var pause: Int?
    private let paused: @Sendable (ShardID, Int) -> Void
    private let applied: @Sendable (ShardID, [UInt64]) -> Void
    private let tripped: @Sendable (Breaker.Trip) -> Void
    /// What the breaker was told of: the records that succeeded, and those that could not be processed.
    private var toldBreaker = (succeeded: 0, exhausted: 0)
    /// How the lane ends once no invocation is in flight.
    private var pendingEnd: LaneEnd?
    /// How it ends once it has stopped, if the shard can't be read any further.
    private var damage: LaneEnd?
    private var wanted: MonotonicTime?
    /// When the lane is to get its next ``Input/alarm``.
    private(set) var alarm: MonotonicTime?
    private let alarms: LaneAlarms
    private let gathering: ReadCoalescer
    private var tip: SequenceNumber
    private var openRead: ShardCore.ReadOrder?
    /// Steps that the session's observer is to be told of, once the state that they led to is published.
    private var unobserved: [LaneCore.TraceEvent] = []
    /// Events that wait for the current decision: the lane is never called from within a decision.
    private var due: [ShardCore.Event] = []

    private struct RunningCalls {
        /// Those that have not ended, at least one.
        var left: ArraySlice<LaneCore.Invocation>
        let call: FunctionCall
    }

    init(
        _ start: MappingLanes.Start, session: MappingSession, mailbox: Mailbox<LaneWorker.Input>, alarms: LaneAlarms,
        gathering: ReadCoalescer, paused: @escaping @Sendable (ShardID, Int) -> Void,
        applied: @escaping @Sendable (ShardID, [UInt64]) -> Void, tripped: @escaping @Sendable (Breaker.Trip) -> Void
    ) {
        self.tripped = tripped
        self.alarms = alarms
        self.paused = paused
        self.applied = applied
        // Before anything is read: what they park is not sent any more.
        due = start.requests.map { Self.event(of: $0, in: start.shard.hashKeyRange) }
        self.gathering = gathering
        self.session = session
        shard = start.shard
        goal = start.goal
        address = LaneAddress(shard: start.shard.id, mailbox: mailbox)
        var logger = session.logger
        logger[metadataKey: "shard"] = "\(start.shard.id)"
        self.logger = logger
        board = start.board
        metrics = session.metrics.of(start.shard.id)
        work = ShardWork(session: session, shard: start.shard, address: address, logger: logger)
        let settings = session.settings.value
        self.settings = settings
        runners = (0..<settings.lanes.parallelizationFactor).map { _ in
            session.function.runner(
                for: start.shard.id, names: settings.names, configuration: settings.configuration)
        }
        running = Array(repeating: nil, count: runners.count)
        // The settings may have changed since the shard's entry was made.
        board.changed(lanes: runners.count)
        core = ShardCore(
            start.beginning, settings: settings.lanes,
            denseNumbers: session.store.capabilities.contains(.denseSequenceNumbers),
            jitterSeed: session.requestIDs.seed(of: start.shard.id))
        log = LaneLog(
            logger: logger, shard: start.shard, destination: settings.destination.words, throttle: session.throttle)
        tip = start.shard.tip
    }

    private static func event(of request: MappingRequest.Numbered, in range: HashKeyRange) -> ShardCore.Event {
        guard case .parkedKeys(let action, let number) = request.event else { return request.event }
        return .parkedKeys(action.within(range), request: number)
    }

    /// Prefetches the driver and its lane, which are used soon, into the processor's cache.
    func fetchAhead() {
        Prefetch.bytes(1536, at: UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()))
    }

    /// Starts the core. Returns how it ended if it ended at once.
    func start(in group: inout DiscardingTaskGroup) -> LaneEnd? {
        if case .position(let position) = goal { due.append(.goal(position)) }
        return decide(.start, in: &group)
    }

    /// Handles an input. Returns how the lane ended, if it has.
    func handle(_ post: Input, in group: inout DiscardingTaskGroup) -> LaneEnd? {
        switch post {
        case .called(let lane): return called(lane, in: &group)
        case .event(.parkedKeys(let action, let request)):
            guard pendingEnd == nil else { return nil }
            return decide(.parkedKeys(action.within(shard.hashKeyRange), request: request), in: &group)
        case .event(let event):
            guard pendingEnd == nil else { return nil }
            return decide(event, in: &group)
        case .available(let number):
            guard pendingEnd == nil, let order = openRead, order.number == number else { return nil }
            read(order, in: &group)
            return settle(in: &group)
        case .notCommitted(let change, let event, let result):
            guard pendingEnd == nil else { return nil }
            // Committing again waits, so it needs a task.
            let work = work
            group.addTask { await work.commitAgain(change, after: result, then: event) }
            return nil
        case .alarm:
            alarm = nil
            let now = session.timeSource.monotonicTime
            cancelIfOverdue(now)
            guard pendingEnd == nil else {
                // The end waits for the functions, whose time limit still holds.
                wanted = nil
                setAlarm()
                return nil
            }
            guard let wanted, now >= wanted else {
                setAlarm()
                return nil
            }
            self.wanted = nil
            let end = decide(.tick, in: &group)
            setAlarm()
            return end
        case .stop:
            guard !isStopping, pendingEnd == nil else { return nil }
            return stop(in: &group)
        case .pause(let number): return pause(number, in: &group)
        case .resume:
            guard pause != nil, !isStopping, pendingEnd == nil else { return nil }
            pause = nil
            return decide(.start, in: &group)
        case .settings(let settings):
            guard pendingEnd == nil else { return nil }
            return change(settings, in: &group)
        case .cancelled:
            cancelFunctions()
            return end(as: .cancelled)
        case .ended(.damaged(let error)):
            // What was read before the damage and is in work comes to its end first.
            guard pendingEnd == nil else { return nil }
            damage = .damaged(error)
            return isStopping ? nil : stop(in: &group)
        case .ended(let end):
            if case .failed = end { cancelFunctions() }
            return self.end(as: end)
        }
    }

    /// The lane has ended: releases the records that it holds and publishes its counters.
    func ended(as end: LaneEnd) {
        core.release()
        board.count(core.counters)
        core.withCounters { metrics.record($0, since: &told) }
        board.ended(end)
    }

    /// Ends the shard once the function no longer runs: two invocations of one lane must never overlap (ESM-R17).
    private func end(as end: LaneEnd) -> LaneEnd? {
        if pendingEnd == nil { pendingEnd = end }
        endCallsAfterThis()
        return running.allSatisfy { $0 == nil } ? pendingEnd : nil
    }

    // MARK: The function's time limit

    private func cancelFunctions() { for case let calls? in running { calls.call.cancel() } }

    /// Lets the functions that run come to their end, and calls them no more.
    private func endCallsAfterThis() { for case let calls? in running { calls.call.endAfterThis() } }

    private func start(_ calls: [LaneCore.Invocation], in group: inout DiscardingTaskGroup) {
        let (call, lane) = (FunctionCall(limit: settings.configuration.functionTimeout), calls[0].lane)
        running[lane] = RunningCalls(left: calls[...], call: call)
        // A shard that was paused by the same decision calls nothing more.
        if isStopping || pause != nil || core.paused != nil { call.endAfterThis() }
        let (work, runner) = (work, runners[lane])
        group.addTask { await work.invoke(calls[...], runner: runner, call: call) }
        setAlarm()
    }

    /// Stops as soon as the functions that run have ended and everything is durable (ESM-L3).
    private func stop(in group: inout DiscardingTaskGroup) -> LaneEnd? {
        isStopping = true
        endCallsAfterThis()
        if let end = decide(.stop, in: &group) { return end }
        // What has ended and was not told is not to be lost if the grace time ends.
        for lane in running.indices { if let end = called(lane, in: &group) { return end } }
        return nil
    }

    /// Stops for a while as ``stop(in:)`` does; the core keeps the attempts.
    private func pause(_ number: Int, in group: inout DiscardingTaskGroup) -> LaneEnd? {
        guard !isStopping, pendingEnd == nil else { return nil }
        let isPaused = pause != nil
        pause = number
        if isPaused {
            if core.isAtRest { paused(shard.id, number) }
            return nil
        }
        endCallsAfterThis()
        if let end = decide(.pause, in: &group) { return end }
        for lane in running.indices { if let end = called(lane, in: &group) { return end } }
        return nil
    }

    /// Works with other settings. The call that runs keeps those that it began with; the next one has these.
    private func change(_ settings: SettingsInForce, in group: inout DiscardingTaskGroup) -> LaneEnd? {
        self.settings = settings
        endCallsAfterThis()
        let (names, configuration) = (settings.names, settings.configuration)
        runners = runners.map { $0.with(names: names, configuration: configuration) }
        log.destination = settings.destination.words
        metrics = session.metrics.of(shard.id)
        return decide(.settingsChanged(settings.lanes), in: &group)
    }

    /// The core has another number of lanes. None of them calls the function at this moment.
    private func changeLanes(to count: Int) {
        let (names, configuration) = (settings.names, settings.configuration)
        while runners.count < count {
            runners.append(session.function.runner(for: shard.id, names: names, configuration: configuration))
        }
        runners.removeLast(runners.count - count)
        running = Array(repeating: nil, count: count)
        board.changed(lanes: count)
    }

    private func called(_ lane: Int, in group: inout DiscardingTaskGroup) -> LaneEnd? {
        guard var calls = running[lane] else { return nil }
        let (results, isOver) = calls.call.take()
        guard let last = results.last else { return nil }
        for result in results { measure(result, calls.left.popFirst()) }
        running[lane] = isOver ? nil : calls
        // Cancelled by the run, not by its time limit: the run's end is on its way.
        if case .cancelled = last.result, pendingEnd == nil { pendingEnd = .cancelled }
        if let pendingEnd {
            // The results are only counted: the function had the records.
            for result in results { core.invocationAbandoned(result.number, result.result) }
            return end(as: pendingEnd)
        }
        if let horizon = last.horizon { due.append(.trimmed(through: horizon)) }
        due.append(
            results.count == 1
                ? .invocationEnded(last.number, last.result, state: last.state, added: last.added)
                : .invocationsEnded(results.map { ($0.number, $0.result, $0.added) }))
        if last.isTooOld { due.append(.reachable) }
        return settle(in: &group)
    }

    /// Cancels the functions that exceed their time limit. They count as failed, with any result (ESM-R9).
    private func cancelIfOverdue(_ now: MonotonicTime) {
        for case let calls? in running
        where calls.call.cancelIfOverdue(now) {
            // The failure itself is logged like any other.
            logger.debug("the function takes longer than it may and is cancelled")
        }
    }

    /// When the first of the running functions exceeds its time limit.
    private var deadline: MonotonicTime? {
        var first: MonotonicTime?
        for case let calls? in running {
            let now = session.timeSource.monotonicTime
            guard let deadline = calls.call.deadline(now) else { continue }
            first = first.map { min($0, deadline) } ?? deadline
        }
        return first
    }

    /// Records how long the function took and how old its records were, if it was called (ESM-M1, ESM-M7).
    private func measure(_ ended: CallResult, _ invocation: LaneCore.Invocation?) {
        guard let invocation, ended.result.isReached, let times = ended.times else { return }
        let redelivered = board.sent(invocation.unit)
        metrics.invoked(for: ended.duration, age: times.age, redelivered: redelivered)
        session.board.noteAge(times.age)
    }

    // MARK: Deciding

    private func decide(_ event: ShardCore.Event, in group: inout DiscardingTaskGroup) -> LaneEnd? {
        due.append(event)
        return settle(in: &group)
    }

    /// Lets the lane decide on all due events.
    private func settle(in group: inout DiscardingTaskGroup) -> LaneEnd? {
        var end: LaneEnd?
        let now = Moment(session.timeSource)
        var next = 0
        while next < due.count, end == nil {
            end = step(due[next], at: now, in: &group)
            next += 1
            if end == nil, !isStopping, case .position(let position) = goal, core.persistedPosition >= position,
                core.hasStarted, !core.isReleasing, core.isUpToDate
            {
                isStopping = true
                due.append(.stop)
            }
        }
        if next == due.count { due.removeAll(keepingCapacity: true) } else { due.removeFirst(next) }
        if end == nil, goal != nil, !isStopping, pendingEnd == nil, let paused = core.paused {
            damage = .paused(Self.pausedError(paused, of: session.key))
            end = stop(in: &group)
        }
        publish(at: now)
        // If the lane waits for nothing but its checkpoint, the checkpoint's notice needn't wake the worker.
        address.hearsOfCheckpoints(!(goal == nil && !isStopping && core.waitsForRecords))
        return end
    }

    private static func pausedError(_ paused: PausedShard, of mapping: MappingID) -> ShardlineError {
        ShardlineError(
            .paused,
            "\(paused.shard) of the mapping '\(mapping)' is paused since \(paused.since), because record \(paused.sequenceNumber) (key \(RecordText.key(paused.partitionKey))) could not be processed (\(paused.cause.condition)): mend the function and resume the shard"
        )
    }

    private func step(
        _ event: ShardCore.Event, at now: Moment, in group: inout DiscardingTaskGroup
    ) -> LaneEnd? {
        if case .read(_, let result) = event {
            tip = max(tip, result.tip)
            openRead = nil
        }
        // Taken out, because an action may change the driver; put back afterwards to reuse the memory.
        var decisions = ShardCore.Decisions()
        swap(&decisions, &self.decisions)
        core.handle(event, at: now, into: &decisions)
        defer {
            decisions.clear()
            swap(&decisions, &self.decisions)
        }
        if core.laneCount != runners.count { changeLanes(to: core.laneCount) }
        if core.paused != nil { endCallsAfterThis() }
        if (core.paused != nil) != isPaused {
            isPaused = core.paused != nil
            session.redrives.pauses(shard.id, isPaused)
        }
        var end: LaneEnd?
        for index in decisions.actions.indices {
            if let ended = perform(decisions.actions[index], in: &group) { end = ended }
        }
        guard !decisions.trace.isEmpty else { return end }
        board.follow(decisions.trace)
        log.write(decisions.trace, at: now)
        if session.observer != nil { unobserved += decisions.trace }
        return end
    }

    /// Publishes the lane's state. Statistics and metrics are both taken from here, so that they agree.
    private func publish(at now: Moment) {
        board.update(&core, tip: tip, now: now)
        core.withCounters { metrics.record($0, since: &told) }
        tellBreaker(at: now)
        guard let observer = session.observer else { return }
        for step in unobserved { observer(shard.id, step) }
        unobserved = []
    }

    /// Tells the breaker what has ended.
    private func tellBreaker(at now: Moment) {
        let before = toldBreaker
        core.withCounters { toldBreaker = ($0.succeeded, $0.exhausted) }
        guard let percent = settings.configuration.breaker else { return }
        let trip = session.breaker.note(
            succeeded: toldBreaker.succeeded - before.succeeded, exhausted: toldBreaker.exhausted - before.exhausted,
            percent: percent, at: now.monotonic)
        if let trip { tripped(trip) }
    }

    private func perform(_ action: ShardCore.Action, in group: inout DiscardingTaskGroup) -> LaneEnd? {
        switch action {
        case .read(let order):
            openRead = order
            read(order, in: &group)
        case .invoke(let invocation): start([invocation], in: &group)
        case .invokeAll(let calls): start(calls, in: &group)
        case .wait(let moment):
            wanted = moment
            setAlarm()
        case .checkpoint(let progress):
            // A checkpoint that something waits for doesn't wait for a group commit: on a backlog the next unit waits
            // for it, at the goal the run, and a noted attempt before it is made.
            let position = progress.position
            let isBehind =
                tip.rawValue > position.rawValue + UInt64(settings.lanes.batchSize) || isLast(position)
            commit(
                session.checkpoint(shard.id, progress),
                urgency: isBehind || !progress.notes.isEmpty ? .now : .relaxed, then: .checkpointed, in: &group)
        case .checkpointAdding(let progress, let records):
            let work = work
            group.addTask { await work.commit(progress, adding: records) }
        case .handOver(let giveUp, let progress):
            let (work, settings) = (work, settings)
            group.addTask { await work.deliver(giveUp, progress, by: settings) }
        case .park(let order):
            let work = work
            group.addTask { await work.park(order) }
        case .redrive: session.redrives.raise()
        case .applied(let requests): applied(shard.id, requests)
        case .endShard(let progress, let keys):
            let work = work
            group.addTask { await work.endShard(progress, keys) }
        case .stopped(.asked):
            guard let pause, !isStopping else { return damage ?? .stopped }
            paused(shard.id, pause)
        case .stopped(.shardEnd): return .shardEnd
        }
        return nil
    }

    /// Whether the lane's goal is reached with a checkpoint at this position.
    private func isLast(_ position: SequenceNumber) -> Bool {
        if case .position(let last) = goal { position >= last } else { false }
    }

    // MARK: The store

    private func read(_ order: ShardCore.ReadOrder, in group: inout DiscardingTaskGroup) {
        if direct == nil { direct = try? session.direct?.directShard(shard.id, of: session.key.stream) }
        if let direct, readAtOnce(order, from: direct) { return }
        // The records are not in memory, or the shard can't be read: both need a task.
        let work = work
        group.addTask { await work.read(order) }
    }

    /// Takes the records in memory, or asks for a notice of new ones. False if the shard needs a read by a task.
    private func readAtOnce(_ order: ShardCore.ReadOrder, from direct: any DirectShard) -> Bool {
        let found = try? direct.read(
            after: order.after, maximumRecords: order.maximumRecords, maximumBytes: order.maximumBytes)
        guard let found else {
            gathering.missedMemory()
            return false
        }
        if !found.isNothing || found.next != order.after || !order.waits {
            due.append(.read(order.number, found))
            return true
        }
        let address = address
        let isWatched: Void? = try? direct.whenAvailable(after: order.after) {
            address.post(.available(order.number))
        }
        return isWatched != nil
    }

    private func commit(
        _ change: Change, urgency: CommitUrgency, then event: ShardCore.Event, in group: inout DiscardingTaskGroup
    ) {
        guard let direct = session.direct else {
            let work = work
            group.addTask { await work.commit(change, urgency: urgency, then: event) }
            return
        }
        let address = address
        direct.submit([change], urgency: urgency) { result in
            address.postCommitted(change, event, result)
        }
    }

    /// Alarms are never removed. One that comes too early is set again, so a shard has few of them even if its window
    /// moves often or its function is called often.
    private func setAlarm() {
        let deadline = deadline
        guard let next = wanted.map({ wanted in deadline.map { min(wanted, $0) } ?? wanted }) ?? deadline else {
            return
        }
        guard alarm.map({ next < $0 }) ?? true else { return }
        alarm = next
        alarms.set(shard.id, next)
    }
}

/// Posts inputs for one lane to its worker's mailbox. Any thread calls ``post(_:)`` and ``postCommitted(_:_:_:)``; the
/// worker sets the flag.
struct LaneAddress: Sendable {
    let shard: ShardID
    private let mailbox: Mailbox<LaneWorker.Input>
    private let flag = Flag()
    private final class Flag: Sendable { let needsCheckpoints = Atomic(true) }

    /// Sets whether the notice of a durable checkpoint wakes the worker. Must be called before the worker waits at its
    /// mailbox: the flag is read under the mailbox's lock.
    func hearsOfCheckpoints(_ needs: Bool) { flag.needsCheckpoints.store(needs, ordering: .relaxed) }

    init(shard: ShardID, mailbox: Mailbox<LaneWorker.Input>) {
        self.shard = shard
        self.mailbox = mailbox
    }

    func post(_ post: ShardDriver.Input) { mailbox.post(.lane(shard, post)) }

    /// Posts the result of a commit. It wakes the worker only if the lane waits for it or the commit failed.
    func postCommitted(_ change: Change, _ event: ShardCore.Event, _ result: Result<CommitOutcome, any Error>) {
        guard case .success(.committed) = result else { return post(.notCommitted(change, event, result)) }
        mailbox.post(.lane(shard, .event(event))) {
            guard case .checkpointed = event else { return true }
            return flag.needsCheckpoints.load(ordering: .relaxed)
        }
    }
}
