import Logging
import StreamModel
import StreamStorage
import Synchronization

/// Carries out what the lane of one shard decides: reads, invokes, waits, commits.
///
/// A ``LaneWorker`` owns it, hands it what happened in the order in which that came, and runs in its task group what
/// takes time; each child task posts how it ended. So there is never more than one invocation of a shard, and
/// everything ends with the worker.
final class ShardDriver {
    /// What happened beside the deciding task.
    enum Input: Sendable {
        case event(LaneCore.Event)
        /// Something may be there for the read with this number.
        case available(Int)
        /// A write that the store was handed directly did not come out well.
        indirect case notCommitted(Change, LaneCore.Event, Result<CommitOutcome, any Error>)
        /// The time for which an alarm was set has come.
        case alarm
        /// Stop as soon as everything is settled (ESM-L3).
        case stop
        /// The run was cancelled.
        case cancelled
        /// Nothing more can be done.
        case ended(LaneEnd)
    }

    /// When to stop without being told to.
    enum Goal: Sendable {
        case position(SequenceNumber)
        /// At the end of the closed shard, which comes by itself.
        case shardEnd
    }

    let session: MappingSession
    let shard: ShardDescription
    let goal: Goal?
    private let address: LaneAddress
    private let logger: Logger
    private let runner: FunctionRunner
    private let work: ShardWork
    /// The shard where the store answers without a task; found at the first read.
    private var direct: (any DirectShard)?
    private let board: MappingStatusRegistry.Shard

    private var lane: LaneCore
    private var decisions = LaneCore.Decisions()
    private var log: LaneLog
    private var invocation: (number: Int, unit: LaneCore.Unit, call: FunctionCall)?
    /// The invocation that ran over its time limit and was cancelled.
    private var overdue: Int?
    private var isStopping = false
    /// How it ends as soon as no invocation is in flight any more.
    private var pendingEnd: LaneEnd?
    private var wanted: MonotonicTime?
    /// When the lane is to get its next ``Input/alarm``.
    private(set) var alarm: MonotonicTime?
    private let alarms: LaneAlarms
    private let gathering: ReadCoalescer
    private var tip: SequenceNumber
    private var openRead: LaneCore.ReadOrder?
    /// What is known already and comes next, so that no decision is taken within another.
    private var due: [LaneCore.Event] = []
    /// Whether a note of attempts is in the store that an orderly end must take back.
    private(set) var hasNote: Bool

    init(
        _ start: MappingLanes.Start, session: MappingSession, mailbox: Mailbox<LaneWorker.Input>, alarms: LaneAlarms,
        gathering: ReadCoalescer
    ) {
        self.alarms = alarms
        self.gathering = gathering
        self.session = session
        shard = start.shard
        goal = start.goal
        address = LaneAddress(shard: start.shard.id, mailbox: mailbox)
        var logger = session.logger
        logger[metadataKey: "shard"] = "\(start.shard.id)"
        self.logger = logger
        board = start.board
        work = ShardWork(session: session, shard: start.shard, address: address, logger: logger)
        runner = session.function.runner(
            for: start.shard.id, names: session.names,
            reportsFailures: session.configuration.reportsBatchItemFailures)
        lane = LaneCore(
            start.beginning, settings: session.laneSettings,
            denseNumbers: session.store.capabilities.contains(.denseSequenceNumbers),
            jitterSeed: session.requestIDs.seed(of: start.shard.id))
        log = LaneLog(
            logger: logger, shard: start.shard, destination: session.destination.words, throttle: session.throttle)
        tip = start.shard.tip
        hasNote = start.beginning.note != nil
    }

    /// Has the processor fetch the driver with its lane, which is its turn in a moment.
    func fetchAhead() {
        Prefetch.bytes(1536, at: UInt(bitPattern: Unmanaged.passUnretained(self).toOpaque()))
    }

    /// Begins; returns how the lane ended if it did at once.
    func start(in group: inout DiscardingTaskGroup) -> LaneEnd? {
        if case .position(let position) = goal { due.append(.goal(position)) }
        return decide(.start, in: &group)
    }

    /// Takes note of what happened; returns how the lane ended, if it has.
    func handle(_ post: Input, in group: inout DiscardingTaskGroup) -> LaneEnd? {
        switch post {
        case .event(.invocationEnded(let number, let result)):
            let result = number == overdue ? timedOut : result
            measure(result)
            if let pendingEnd {
                // Nothing follows from it any more, but the function had the records.
                lane.invocationAbandoned(result)
                return pendingEnd
            }
            return decide(.invocationEnded(number, result), in: &group)
        case .event(let event):
            guard pendingEnd == nil else { return nil }
            return decide(event, in: &group)
        case .available(let number):
            guard pendingEnd == nil, let order = openRead, order.number == number else { return nil }
            read(order, in: &group)
            return settle(in: &group)
        case .notCommitted(let change, let event, let result):
            guard pendingEnd == nil else { return nil }
            // What to do about it takes time.
            let work = work
            group.addTask { await work.commitAgain(change, after: result, then: event) }
            return nil
        case .alarm:
            alarm = nil
            guard pendingEnd == nil else { return nil }
            let now = session.timeSource.monotonicTime
            cancelIfOverdue(now)
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
            isStopping = true
            return decide(.stop, in: &group)
        case .cancelled:
            invocation?.call.cancel()
            return end(as: .cancelled)
        case .ended(let end):
            if case .failed = end { invocation?.call.cancel() }
            return self.end(as: end)
        }
    }

    /// The lane has ended: what it still holds is let go, and all of its counts are told.
    func ended(as end: LaneEnd) {
        lane.release()
        session.metrics.record(from: board.count(lane.counters), to: lane.counters)
        board.ended(end)
    }

    /// Ends, but not while the function runs: two invocations of one shard must never overlap (ESM-R17).
    private func end(as end: LaneEnd) -> LaneEnd? {
        if pendingEnd == nil { pendingEnd = end }
        return invocation == nil ? pendingEnd : nil
    }

    // MARK: The function's time limit

    /// A function that runs over its time is cancelled, and has failed whatever it still returns (ESM-R9).
    private func cancelIfOverdue(_ now: MonotonicTime) {
        guard let invocation, let deadline, now >= deadline else { return }
        // That it failed with this is told as any other failure.
        logger.debug("the function takes longer than it may and is cancelled")
        overdue = invocation.number
        invocation.call.cancel()
    }

    /// When the running function's time is over; where it waits for a permit, not before so much from now.
    private var deadline: MonotonicTime? {
        guard let invocation, invocation.number != overdue else { return nil }
        let begun = invocation.call.times?.begun ?? session.timeSource.monotonicTime
        return begun + session.configuration.functionTimeout
    }

    private var timedOut: LaneCore.InvocationResult {
        let timeout = session.configuration.functionTimeout.optionText
        return .failed(LaneCore.FunctionFailure("the function took longer than \(timeout)", type: "TimeOut"))
    }

    /// Tells how long the function took and how old its records were, where it was called (ESM-M1, ESM-M7).
    private func measure(_ result: LaneCore.InvocationResult) {
        guard let ended = invocation.take(), result.isReached, let times = ended.call.times else { return }
        let redelivered = board.sent(ended.unit)
        session.metrics.invoked(
            for: session.timeSource.monotonicTime - times.begun, age: times.age, redelivered: redelivered)
        session.board.noteAge(times.age)
    }

    // MARK: Deciding

    private func decide(_ event: LaneCore.Event, in group: inout DiscardingTaskGroup) -> LaneEnd? {
        due.append(event)
        return settle(in: &group)
    }

    /// Lets the lane decide on everything that is due.
    private func settle(in group: inout DiscardingTaskGroup) -> LaneEnd? {
        var end: LaneEnd?
        while !due.isEmpty, end == nil {
            end = step(due.removeFirst(), in: &group)
            if end == nil, !isStopping, case .position(let position) = goal, lane.persistedPosition >= position {
                isStopping = true
                due.append(.stop)
            }
        }
        // A checkpoint that is all that is open can wait to be heard of until something else happens.
        address.hearsOfCheckpoints(!(goal == nil && !isStopping && lane.waitsForRecords))
        return end
    }

    private func step(_ event: LaneCore.Event, in group: inout DiscardingTaskGroup) -> LaneEnd? {
        switch event {
        case .read(_, let result):
            tip = max(tip, result.tip)
            openRead = nil
        case .attemptNoted: hasNote = true
        case .checkpointed, .destinationTook(checkpointed: true): hasNote = false
        default: break
        }
        let now = Moment(session.timeSource)
        // Taken out, as an action may change what the driver knows; put back, so that they keep their memory.
        var decisions = LaneCore.Decisions()
        swap(&decisions, &self.decisions)
        lane.handle(event, at: now, into: &decisions)
        defer {
            decisions.clear()
            swap(&decisions, &self.decisions)
        }
        var end: LaneEnd?
        for index in decisions.actions.indices {
            if let ended = perform(decisions.actions[index], in: &group) { end = ended }
        }
        publish(decisions.trace, at: now)
        log.write(decisions.trace, at: now)
        if let observer = session.observer { for trace in decisions.trace { observer(shard.id, trace) } }
        return end
    }

    /// Tells what the lane has come to. Statistics and metrics have this one source, so that they count the same.
    private func publish(_ trace: [LaneCore.TraceEvent], at now: Moment) {
        let told = board.update(lane, tip: tip, trace: trace, now: now)
        session.metrics.record(from: told, to: lane.counters)
    }

    private func perform(_ action: LaneCore.Action, in group: inout DiscardingTaskGroup) -> LaneEnd? {
        switch action {
        case .read(let order):
            openRead = order
            read(order, in: &group)
        case .invoke(let invocation):
            let call = FunctionCall()
            self.invocation = (invocation.number, invocation.unit, call)
            let (work, runner) = (work, runner)
            group.addTask { await work.invoke(invocation, runner: runner, call: call) }
            setAlarm()
        case .wait(let moment):
            wanted = moment
            setAlarm()
        case .checkpoint(let position, let isShardEnd):
            // With more to do at once the next unit will wait for this move, and at the goal the run does: it does not
            // wait for other commits.
            let isBehind =
                tip.rawValue > position.rawValue + UInt64(session.configuration.batchSize) || isLast(position)
            commit(
                session.checkpoint(shard.id, position, isShardEnd: isShardEnd),
                urgency: isBehind ? .now : .relaxed, then: .checkpointed, in: &group)
        case .noteAttempt(let note):
            let change = Change.attempts(note, of: session.key, shard: shard.id, epoch: session.epoch)
            commit(change, urgency: .now, then: .attemptNoted, in: &group)
        case .handOver(let giveUp):
            let work = work
            group.addTask { await work.deliver(giveUp) }
        case .stopped(.asked): return .stopped
        case .stopped(.shardEnd): return .shardEnd
        }
        return nil
    }

    /// Whether the run ends when the checkpoint is here.
    private func isLast(_ position: SequenceNumber) -> Bool {
        if case .position(let last) = goal { position >= last } else { false }
    }

    // MARK: The store

    private func read(_ order: LaneCore.ReadOrder, in group: inout DiscardingTaskGroup) {
        if direct == nil { direct = try? session.direct?.directShard(shard.id, of: session.key.stream) }
        if let direct, readAtOnce(order, from: direct) { return }
        // It is not in memory, or something is wrong: both take time.
        let work = work
        group.addTask { await work.read(order) }
    }

    /// Takes what is in memory, or is told when something comes; false where neither can be.
    private func readAtOnce(_ order: LaneCore.ReadOrder, from direct: any DirectShard) -> Bool {
        let found = try? direct.read(
            after: order.after, maximumRecords: order.maximumRecords, maximumBytes: order.maximumBytes)
        guard let found else {
            gathering.missedMemory()
            return false
        }
        if !found.isNothing || found.next != order.after {
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
        _ change: Change, urgency: CommitUrgency, then event: LaneCore.Event, in group: inout DiscardingTaskGroup
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

    /// Alarms are never taken back: one that comes too early is set anew, so a shard has few of them however often its
    /// window moves or its function is called.
    private func setAlarm() {
        let deadline = deadline
        guard let next = wanted.map({ wanted in deadline.map { min(wanted, $0) } ?? wanted }) ?? deadline else {
            return
        }
        guard alarm.map({ next < $0 }) ?? true else { return }
        alarm = next
        alarms.set(shard.id, next)
    }

    /// After an orderly end attempts begin at 0 again, so what was noted for a crash is taken back (ESM-A9).
    var withoutNote: Change { session.checkpoint(shard.id, lane.persistedPosition) }
}

/// Where word for one lane is left.
struct LaneAddress: Sendable {
    let shard: ShardID
    private let mailbox: Mailbox<LaneWorker.Input>
    private let flag = Flag()
    private final class Flag: Sendable { let needsCheckpoints = Atomic(true) }

    /// Says whether the lane waits to hear of a checkpoint; to be said before the mailbox is looked into.
    func hearsOfCheckpoints(_ needs: Bool) { flag.needsCheckpoints.store(needs, ordering: .relaxed) }

    init(shard: ShardID, mailbox: Mailbox<LaneWorker.Input>) {
        self.shard = shard
        self.mailbox = mailbox
    }

    func post(_ post: ShardDriver.Input) { mailbox.post(.lane(shard, post)) }

    /// Leaves word of a write, which wakes the worker only where the lane waits for it or it failed.
    func postCommitted(_ change: Change, _ event: LaneCore.Event, _ result: Result<CommitOutcome, any Error>) {
        guard case .success(.committed) = result else { return post(.notCommitted(change, event, result)) }
        mailbox.post(.lane(shard, .event(event))) {
            guard case .checkpointed = event else { return true }
            return flag.needsCheckpoints.load(ordering: .relaxed)
        }
    }
}
