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

    /// After so many posts others get the processor: whoever puts records must not wait behind a thousand shards.
    private static let turn = 64

    let session: MappingSession
    let mailbox: Mailbox<Input>
    /// Told how each lane ended.
    let ended: @Sendable (ShardID, LaneEnd) -> Void

    /// Works until it is told to finish.
    func run() async {
        await withDiscardingTaskGroup { group in
            var lanes: [ShardID: ShardDriver] = [:]
            let alarms = LaneAlarms()
            var last: ShardDriver.Input?
            var posts: [Input] = []
            var handled = 0
            let gathering = ReadCoalescer()
            func settle(_ shard: ShardID, _ end: LaneEnd?, _ group: inout DiscardingTaskGroup) {
                guard let end, let driver = lanes.removeValue(forKey: shard) else { return }
                finish(driver, end, in: &group)
            }
            while true {
                await mailbox.take(into: &posts)
                gathering.beginRound(at: session.timeSource.monotonicTime)
                for post in posts {
                    switch post {
                    case .begin(let start):
                        let driver = ShardDriver(
                            start, session: session, mailbox: mailbox, alarms: alarms, gathering: gathering)
                        lanes[start.shard.id] = driver
                        settle(start.shard.id, driver.start(in: &group), &group)
                        if let last { settle(start.shard.id, driver.handle(last, in: &group), &group) }
                    case .lane(let shard, .available(let number)) where gathering.holds(shard, number): break
                    case .gathered:
                        let released = gathering.release()
                        for (index, (shard, number)) in released.enumerated() {
                            if index + 2 < released.count { lanes[released[index + 2].0]?.fetchAhead() }
                            settle(shard, lanes[shard]?.handle(.available(number), in: &group), &group)
                            handled += 1
                            if handled % Self.turn == 0 { await Task.yield() }
                        }
                    case .lane(let shard, let post):
                        settle(shard, lanes[shard]?.handle(post, in: &group), &group)
                    case .alarms(let time):
                        let due = alarms.woke(for: time, at: max(time, session.timeSource.monotonicTime))
                        for shard in due { settle(shard, lanes[shard]?.handle(.alarm, in: &group), &group) }
                    case .all(let post):
                        last = post
                        // In an order that is always the same, so that a run can be repeated exactly.
                        for shard in lanes.keys.sorted() {
                            settle(shard, lanes[shard]?.handle(post, in: &group), &group)
                        }
                    case .finish:
                        // What is left are reads and alarms.
                        group.cancelAll()
                        return
                    }
                    if let next = alarms.nextToSleepFor() { wake(with: .alarms(next), at: next, in: &group) }
                    handled += 1
                    if handled % Self.turn == 0 { await Task.yield() }
                }
                if let end = gathering.endRound(at: session.timeSource.monotonicTime) {
                    wake(with: .gathered, at: end, in: &group)
                }
            }
        }
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
