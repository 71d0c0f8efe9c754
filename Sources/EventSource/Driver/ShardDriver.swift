import Logging
import StreamModel
import StreamStorage

/// Carries out what the lane of one shard decides: reads, invokes, waits, commits.
///
/// One task decides, in the order of its mailbox; what takes time runs beside it in child tasks, which post how it
/// ended. So there is never more than one invocation of a shard, and everything ends with the driver.
struct ShardDriver {
    /// What happened beside the deciding task.
    enum Post: Sendable {
        case event(LaneCore.Event)
        /// The time for which an alarm was set has come.
        case alarm(MonotonicTime)
        /// Stop as soon as everything is settled (ESM-L3).
        case stop
        /// The driver's task was cancelled.
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
    let mailbox: Mailbox<Post>
    let goal: Goal?
    let logger: Logger
    let runner: FunctionRunner

    private var lane: LaneCore
    private var invocation: Int?
    private var isStopping = false
    /// How it ends as soon as no invocation is in flight any more.
    private var pendingEnd: LaneEnd?
    private var wanted: MonotonicTime?
    private var alarm: MonotonicTime?
    /// When the running function began; what waits for a permit has not.
    private let begun = FunctionBegin()
    /// The invocation that ran over its time limit and was cancelled.
    private var overdue: Int?
    private var tip: SequenceNumber
    private var hasNote = false

    init(
        session: MappingSession, shard: ShardDescription, beginning: LaneCore.Beginning, mailbox: Mailbox<Post>,
        goal: Goal?
    ) {
        self.session = session
        self.shard = shard
        self.mailbox = mailbox
        self.goal = goal
        var logger = session.logger
        logger[metadataKey: "shard"] = "\(shard.id)"
        self.logger = logger
        runner = session.function.runner(
            for: shard.id, names: session.names, reportsFailures: session.configuration.reportsBatchItemFailures)
        lane = LaneCore(
            beginning, settings: session.laneSettings,
            denseNumbers: session.store.capabilities.contains(.denseSequenceNumbers),
            jitterSeed: session.requestIDs.seed(of: shard.id))
        tip = shard.tip
        hasNote = beginning.note != nil
    }

    /// Where the driver's child tasks run.
    private struct Groups {
        /// Reads, alarms and commits.
        var work: DiscardingTaskGroup
        /// The function, alone, so that it can be cancelled alone.
        var function: DiscardingTaskGroup

        mutating func cancelAll() {
            work.cancelAll()
            function.cancelAll()
        }
    }

    /// Drives the shard until it is told to stop, the goal is reached, the shard ends, or nothing can be done.
    mutating func run() async -> LaneEnd {
        let end = await withDiscardingTaskGroup { work in
            var end: LaneEnd?
            var isStarted = false
            while end == nil {
                // A group that was cancelled for its function's time limit takes no other, so the next one gets a new
                // one; leaving the old one waits until the function has really ended (ESM-R17).
                end = await withDiscardingTaskGroup { function in
                    var groups = Groups(work: work, function: function)
                    var end = isStarted ? nil : step(.start, in: &groups)
                    isStarted = true
                    let overdueBefore = overdue
                    while end == nil, overdue == overdueBefore {
                        for post in await mailbox.take() {
                            end = handle(post, in: &groups)
                            if end != nil { break }
                        }
                    }
                    function.cancelAll()
                    return end
                }
            }
            // What is left is an open read or an alarm.
            work.cancelAll()
            return end ?? .stopped
        }
        if case .stopped = end, hasNote { await dropNote() }
        session.board.ended(shard.id, end)
        return end
    }

    private mutating func handle(_ post: Post, in groups: inout Groups) -> LaneEnd? {
        switch post {
        case .event(.invocationEnded(let number, let result)):
            invocation = nil
            if let pendingEnd { return pendingEnd }
            return step(.invocationEnded(number, number == overdue ? timedOut : result), in: &groups)
        case .event(let event):
            guard pendingEnd == nil else { return nil }
            note(event)
            return step(event, in: &groups)
        case .alarm(let deadline):
            if alarm == deadline { alarm = nil }
            guard pendingEnd == nil else { return nil }
            let now = session.timeSource.monotonicTime
            cancelIfOverdue(now, in: &groups)
            guard let wanted, now >= wanted else {
                setAlarm(in: &groups)
                return nil
            }
            self.wanted = nil
            let end = step(.tick, in: &groups)
            setAlarm(in: &groups)
            return end
        case .stop:
            guard !isStopping, pendingEnd == nil else { return nil }
            isStopping = true
            return step(.stop, in: &groups)
        case .cancelled:
            groups.cancelAll()
            return end(as: .cancelled)
        case .ended(let end):
            if case .failed = end { groups.cancelAll() }
            return self.end(as: end)
        }
    }

    // MARK: The function's time limit

    /// A function that runs over its time is cancelled, and has failed whatever it still returns (ESM-R9).
    private mutating func cancelIfOverdue(_ now: MonotonicTime, in groups: inout Groups) {
        guard let invocation, let deadline, now >= deadline else { return }
        logger.warning("the function takes longer than it may and is cancelled")
        overdue = invocation
        groups.function.cancelAll()
    }

    /// When the running function's time is over; where it waits for a permit, not before so much from now.
    private var deadline: MonotonicTime? {
        guard let invocation, invocation != overdue else { return nil }
        return (begun.time ?? session.timeSource.monotonicTime) + session.configuration.functionTimeout
    }

    private var timedOut: LaneCore.InvocationResult {
        let timeout = EventSourceMapping.Configuration.text(session.configuration.functionTimeout)
        return .failed(LaneCore.FunctionFailure("the function took longer than \(timeout)", type: "TimeOut"))
    }

    /// Ends, but not while the function runs: two invocations of one shard must never overlap (ESM-R17).
    private mutating func end(as end: LaneEnd) -> LaneEnd? {
        if pendingEnd == nil { pendingEnd = end }
        return invocation == nil ? pendingEnd : nil
    }

    private mutating func note(_ event: LaneCore.Event) {
        switch event {
        case .read(_, let result): tip = max(tip, result.tip)
        case .attemptNoted: hasNote = true
        case .checkpointed, .destinationTook(checkpointed: true): hasNote = false
        default: break
        }
    }

    private mutating func step(_ event: LaneCore.Event, in groups: inout Groups) -> LaneEnd? {
        let before = lane.counters
        let now = Moment(session.timeSource)
        let decisions = lane.handle(event, at: now)
        var end: LaneEnd?
        for action in decisions.actions {
            if let ended = perform(action, in: &groups) { end = ended }
        }
        if !decisions.trace.isEmpty || !decisions.actions.isEmpty {
            session.metrics.record(from: before, to: lane.counters)
            session.board.update(shard.id, lane: lane, tip: tip, trace: decisions.trace, now: now)
            for trace in decisions.trace {
                LaneLog.write(trace, to: logger)
                session.observer?(shard.id, trace)
            }
        }
        if end == nil, !isStopping, case .position(let position) = goal, lane.persistedPosition >= position {
            isStopping = true
            return step(.stop, in: &groups)
        }
        return end
    }

    private mutating func perform(_ action: LaneCore.Action, in groups: inout Groups) -> LaneEnd? {
        let work = ShardWork(session: session, shard: shard, mailbox: mailbox, logger: logger)
        switch action {
        case .read(let order):
            groups.work.addTask { await work.read(order) }
        case .invoke(let invocation):
            self.invocation = invocation.number
            begun.forget()
            let (runner, begun) = (runner, begun)
            groups.function.addTask { await work.invoke(invocation, runner: runner, begun: begun) }
            setAlarm(in: &groups)
        case .wait(let moment):
            wanted = moment
            setAlarm(in: &groups)
        case .checkpoint(let position, let isShardEnd):
            // With more to do at once the next unit will wait for this move, so it does not wait for company.
            let isBehind = tip.rawValue > position.rawValue + UInt64(session.configuration.batchSize)
            let change = session.checkpoint(shard.id, position, isShardEnd: isShardEnd)
            groups.work.addTask { await work.commit(change, urgency: isBehind ? .now : .relaxed, then: .checkpointed) }
        case .noteAttempt(let note):
            let change = Change.attempts(note, of: session.key, shard: shard.id, epoch: session.epoch)
            groups.work.addTask { await work.commit(change, urgency: .now, then: .attemptNoted) }
        case .handOver(let giveUp):
            groups.work.addTask { await work.deliver(giveUp) }
        case .stopped(.asked): return .stopped
        case .stopped(.shardEnd): return .shardEnd
        }
        return nil
    }

    /// Alarms are never taken back: one that comes too early is set anew, so a shard has few of them however often its
    /// window moves or its function is called.
    private mutating func setAlarm(in groups: inout Groups) {
        let next = [wanted, deadline].compactMap { $0 }.min()
        guard let next, alarm.map({ next < $0 }) ?? true else { return }
        alarm = next
        let (mailbox, timeSource) = (mailbox, session.timeSource)
        groups.work.addTask {
            do { try await timeSource.sleep(until: next) } catch { return }
            mailbox.post(.alarm(next))
        }
    }

    /// After an orderly end attempts begin at 0 again, so what was noted for a crash is taken back (ESM-A9).
    private func dropNote() async {
        let change = session.checkpoint(shard.id, lane.persistedPosition)
        do {
            _ = try await session.store.commit([change], urgency: .relaxed)
        } catch {
            logger.info("the note of the last unit's tries stays: \(error)")
        }
    }
}
