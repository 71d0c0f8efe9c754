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

    /// Drives the shard until it is told to stop, the goal is reached, the shard ends, or nothing can be done.
    mutating func run() async -> LaneEnd {
        let end = await withDiscardingTaskGroup { group in
            var end = step(.start, in: &group)
            while end == nil {
                for post in await mailbox.take() {
                    end = handle(post, in: &group)
                    if end != nil { break }
                }
            }
            // What is left is an open read or an alarm, and after a failure perhaps the function.
            group.cancelAll()
            return end ?? .stopped
        }
        if case .stopped = end, hasNote { await dropNote() }
        session.board.ended(shard.id, end)
        return end
    }

    private mutating func handle(_ post: Post, in group: inout DiscardingTaskGroup) -> LaneEnd? {
        switch post {
        case .event(let event):
            if case .invocationEnded = event {
                invocation = nil
                if let pendingEnd { return pendingEnd }
            }
            guard pendingEnd == nil else { return nil }
            note(event)
            return step(event, in: &group)
        case .alarm(let deadline):
            if alarm == deadline { alarm = nil }
            guard pendingEnd == nil, let wanted else { return nil }
            guard session.timeSource.monotonicTime >= wanted else {
                setAlarm(in: &group)
                return nil
            }
            self.wanted = nil
            return step(.tick, in: &group)
        case .stop:
            guard !isStopping, pendingEnd == nil else { return nil }
            isStopping = true
            return step(.stop, in: &group)
        case .cancelled:
            group.cancelAll()
            return end(as: .cancelled)
        case .ended(let end):
            if case .failed = end { group.cancelAll() }
            return self.end(as: end)
        }
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

    private mutating func step(_ event: LaneCore.Event, in group: inout DiscardingTaskGroup) -> LaneEnd? {
        let before = lane.counters
        let now = Moment(session.timeSource)
        let decisions = lane.handle(event, at: now)
        var end: LaneEnd?
        for action in decisions.actions {
            if let ended = perform(action, in: &group) { end = ended }
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
            return step(.stop, in: &group)
        }
        return end
    }

    private mutating func perform(_ action: LaneCore.Action, in group: inout DiscardingTaskGroup) -> LaneEnd? {
        let work = ShardWork(session: session, shard: shard, mailbox: mailbox, logger: logger)
        switch action {
        case .read(let order):
            group.addTask { await work.read(order) }
        case .invoke(let invocation):
            self.invocation = invocation.number
            let runner = runner
            group.addTask { await work.invoke(invocation, runner: runner) }
        case .wait(let moment):
            wanted = moment
            setAlarm(in: &group)
        case .checkpoint(let position, let isShardEnd):
            // With more to do at once the next unit will wait for this move, so it does not wait for company.
            let isBehind = tip.rawValue > position.rawValue + UInt64(session.configuration.batchSize)
            let change = session.checkpoint(shard.id, position, isShardEnd: isShardEnd)
            group.addTask { await work.commit(change, urgency: isBehind ? .now : .relaxed, then: .checkpointed) }
        case .noteAttempt(let note):
            let change = Change.attempts(note, of: session.key, shard: shard.id, epoch: session.epoch)
            group.addTask { await work.commit(change, urgency: .now, then: .attemptNoted) }
        case .handOver(let giveUp):
            group.addTask { await work.deliver(giveUp) }
        case .stopped(.asked): return .stopped
        case .stopped(.shardEnd): return .shardEnd
        }
        return nil
    }

    /// Alarms are never taken back: one that comes too early is set anew, so a shard has few of them however often its
    /// window moves.
    private mutating func setAlarm(in group: inout DiscardingTaskGroup) {
        guard let wanted, alarm.map({ wanted < $0 }) ?? true else { return }
        alarm = wanted
        let (mailbox, timeSource) = (mailbox, session.timeSource)
        group.addTask {
            do { try await timeSource.sleep(until: wanted) } catch { return }
            mailbox.post(.alarm(wanted))
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
