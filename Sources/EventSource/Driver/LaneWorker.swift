import Logging
import StreamModel
import StreamStorage

/// Decides for some of a mapping's shards, one after the other, in one task.
///
/// Deciding takes microseconds, waking a task about as long: so that a commit which brings a few records to each of a
/// thousand shards does not wake a thousand tasks, a mapping has as many workers as there are processors.
struct LaneWorker {
    /// What is left in a worker's mailbox.
    enum Input: Sendable {
        /// Drive another shard.
        case begin(MappingLanes.Start)
        /// Word for one shard's lane.
        case lane(ShardID, ShardDriver.Input)
        /// It is time for the alarms up to then.
        case alarms(MonotonicTime)
        /// The pause in which records gathered is over.
        case gathered
        /// Word for all lanes, those that come later included.
        case all(ShardDriver.Input)
        /// All lanes have ended and no other comes.
        case finish
    }

    /// How many inputs are handled in a row.
    private static let turn = 64

    let session: MappingSession
    let mailbox: Mailbox<Input>
    /// Told how each lane ended.
    let ended: @Sendable (ShardID, LaneEnd) -> Void

    /// What a worker has while it works. The task of ``run()`` alone uses it.
    private struct Lanes {
        var drivers: [ShardID: ShardDriver] = [:]
        let alarms = LaneAlarms()
        let gathering = ReadCoalescer()
        /// What all lanes were told, for those that come later.
        var last: ShardDriver.Input?
        private var handled = 0

        /// Counts an input. Whether others get the processor now: a caller that puts must not wait behind a thousand shards.
        mutating func isTurnOver() -> Bool {
            handled += 1
            return handled.isMultiple(of: LaneWorker.turn)
        }
    }

    /// Works until it is told to finish.
    func run() async {
        await withDiscardingTaskGroup { group in
            var lanes = Lanes()
            var posts: [Input] = []
            while true {
                await mailbox.take(into: &posts)
                lanes.gathering.beginRound(at: session.timeSource.monotonicTime)
                for post in posts {
                    switch post {
                    case .finish:
                        // What is left are reads and alarms.
                        group.cancelAll()
                        return
                    case .gathered: await release(&lanes, in: &group)
                    default: handle(post, &lanes, in: &group)
                    }
                    if let next = lanes.alarms.nextToSleepFor() { wake(with: .alarms(next), at: next, in: &group) }
                    if lanes.isTurnOver() { await Task.yield() }
                }
                if let end = lanes.gathering.endRound(at: session.timeSource.monotonicTime) {
                    wake(with: .gathered, at: end, in: &group)
                }
            }
        }
    }

    private func handle(_ post: Input, _ lanes: inout Lanes, in group: inout DiscardingTaskGroup) {
        switch post {
        case .begin(let start): begin(start, &lanes, in: &group)
        case .lane(let shard, .available(let number)) where lanes.gathering.holds(shard, number): break
        case .lane(let shard, let post): tell(shard, post, &lanes, in: &group)
        case .alarms(let time):
            let due = lanes.alarms.woke(for: time, at: max(time, session.timeSource.monotonicTime))
            for shard in due { tell(shard, .alarm, &lanes, in: &group) }
        case .all(let post):
            lanes.last = post
            // In an order that is always the same, so that a run can be repeated exactly.
            for shard in lanes.drivers.keys.sorted() { tell(shard, post, &lanes, in: &group) }
        case .gathered, .finish: break
        }
    }

    /// Hands the lanes what was held back to be read together.
    private func release(_ lanes: inout Lanes, in group: inout DiscardingTaskGroup) async {
        let released = lanes.gathering.release()
        for (index, (shard, number)) in released.enumerated() {
            if index + 2 < released.count { lanes.drivers[released[index + 2].0]?.fetchAhead() }
            tell(shard, .available(number), &lanes, in: &group)
            if lanes.isTurnOver() { await Task.yield() }
        }
    }

    private func begin(_ start: MappingLanes.Start, _ lanes: inout Lanes, in group: inout DiscardingTaskGroup) {
        let driver = ShardDriver(
            start, session: session, mailbox: mailbox, alarms: lanes.alarms, gathering: lanes.gathering)
        lanes.drivers[start.shard.id] = driver
        settle(start.shard.id, driver.start(in: &group), &lanes, in: &group)
        if let last = lanes.last { tell(start.shard.id, last, &lanes, in: &group) }
    }

    private func tell(
        _ shard: ShardID, _ post: ShardDriver.Input, _ lanes: inout Lanes, in group: inout DiscardingTaskGroup
    ) {
        settle(shard, lanes.drivers[shard]?.handle(post, in: &group), &lanes, in: &group)
    }

    private func settle(
        _ shard: ShardID, _ end: LaneEnd?, _ lanes: inout Lanes, in group: inout DiscardingTaskGroup
    ) {
        guard let end, let driver = lanes.drivers.removeValue(forKey: shard) else { return }
        finish(driver, end, in: &group)
    }

    private func wake(with post: Input, at time: MonotonicTime, in group: inout DiscardingTaskGroup) {
        let (mailbox, timeSource) = (mailbox, session.timeSource)
        group.addTask {
            do { try await timeSource.sleep(until: time) } catch { return }
            mailbox.post(post)
        }
    }

    private func finish(_ driver: ShardDriver, _ end: LaneEnd, in group: inout DiscardingTaskGroup) {
        let shard = driver.shard.id
        driver.ended(as: end)
        guard case .stopped = end, driver.hasNote else { return ended(shard, end) }
        let (change, session, ended) = (driver.withoutNote, session, ended)
        group.addTask {
            do {
                _ = try await session.store.commit([change], urgency: .relaxed)
            } catch {
                session.logger.info("the note of the last unit's tries stays: \(error)")
            }
            ended(shard, end)
        }
    }
}

/// The workers of a session, by what is said to them.
struct LaneWorkers: Sendable {
    private let mailboxes: [Mailbox<LaneWorker.Input>]

    /// So many workers, whose mailboxes are made here.
    init(count: Int) { mailboxes = (0..<count).map { _ in Mailbox() } }

    /// A task for each worker; `ended` is told how each lane ended.
    func workers(
        _ session: MappingSession, ended: @escaping @Sendable (ShardID, LaneEnd) -> Void
    ) -> [LaneWorker] {
        mailboxes.map { LaneWorker(session: session, mailbox: $0, ended: ended) }
    }

    func begin(_ start: MappingLanes.Start) {
        mailboxes[Int(start.shard.id.number) % mailboxes.count].post(.begin(start))
    }

    func tell(_ shard: ShardID, _ post: ShardDriver.Input) {
        mailboxes[Int(shard.number) % mailboxes.count].post(.lane(shard, post))
    }

    func tellAll(_ post: ShardDriver.Input) { for mailbox in mailboxes { mailbox.post(.all(post)) } }
    func finish() { for mailbox in mailboxes { mailbox.post(.finish) } }
    /// Lets them look at what nobody waited for.
    func nudge() { for mailbox in mailboxes { mailbox.nudge() } }
}
