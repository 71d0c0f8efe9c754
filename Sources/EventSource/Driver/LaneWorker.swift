import Logging
import StreamModel
import StreamStorage

/// Decides for some of a mapping's shards, one shard at a time, in one task.
///
/// A decision takes microseconds, and so does waking a task. A mapping has as many workers as there are processors, so
/// that a commit with a few records for each of a thousand shards doesn't wake a thousand tasks.
///
/// The lanes, their drivers, the alarms and the coalescer belong to the worker's task and need no lock. Every other
/// task or thread only posts to the mailbox.
struct LaneWorker {
    /// A message in a worker's mailbox.
    enum Input: Sendable {
        /// Drive another shard.
        case begin(MappingLanes.Start)
        /// An input for one shard's lane.
        case lane(ShardID, ShardDriver.Input)
        /// The task that slept until this moment for the alarms has woken.
        case alarms(MonotonicTime)
        /// The coalescer's pause is over.
        case gathered
        /// An input for all lanes, including those that start later.
        case all(ShardDriver.Input)
        /// All lanes have ended and no other one starts.
        case finish
    }

    /// The worker yields after this many inputs, so that producers don't wait for a thousand shards.
    private static let turn = 64

    let session: MappingSession
    let mailbox: Mailbox<Input>
    /// Called with how each lane ended.
    let ended: @Sendable (ShardID, LaneEnd) -> Void
    /// Called when a lane delivers nothing any more, with the number of the pause.
    let paused: @Sendable (ShardID, Int) -> Void
    /// Called when what operators' requests changed of a shard's parked keys is durable.
    let applied: @Sendable (ShardID, [UInt64]) -> Void
    let tripped: @Sendable (Breaker.Trip) -> Void

    /// What a worker has while it works. The task of ``run()`` alone uses it.
    private struct Lanes {
        var drivers: [ShardID: ShardDriver] = [:]
        let alarms = LaneAlarms()
        let gathering = ReadCoalescer()
        /// What all lanes were told, for those that come later.
        var last: ShardDriver.Input?
        private var handled = 0

        /// Counts an input, and returns whether the worker yields now.
        mutating func isTurnOver() -> Bool {
            handled += 1
            return handled.isMultiple(of: LaneWorker.turn)
        }
    }

    /// Handles inputs until ``Input/finish``.
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
                        // Only reads and alarms are left.
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
            if post.isForLaterLanes { lanes.last = post }
            // In a fixed order, so that a simulation is reproducible.
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
            start, session: session, mailbox: mailbox, alarms: lanes.alarms, gathering: lanes.gathering,
            paused: paused, applied: applied, tripped: tripped)
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
        driver.ended(as: end)
        ended(shard, end)
    }

    private func wake(with post: Input, at time: MonotonicTime, in group: inout DiscardingTaskGroup) {
        let (mailbox, timeSource) = (mailbox, session.timeSource)
        group.addTask {
            do { try await timeSource.sleep(until: time) } catch { return }
            mailbox.post(post)
        }
    }

}

/// The mailboxes of a session's workers. A shard always has the same worker.
struct LaneWorkers: Sendable {
    private let mailboxes: [Mailbox<LaneWorker.Input>]

    /// Creates the mailboxes of the given number of workers.
    init(count: Int) { mailboxes = (0..<count).map { _ in Mailbox() } }

    /// The workers, each to be run in a task. `ended` is called with how each lane ended.
    func workers(
        _ session: MappingSession, ended: @escaping @Sendable (ShardID, LaneEnd) -> Void,
        paused: @escaping @Sendable (ShardID, Int) -> Void, applied: @escaping @Sendable (ShardID, [UInt64]) -> Void,
        tripped: @escaping @Sendable (Breaker.Trip) -> Void
    ) -> [LaneWorker] {
        mailboxes.map {
            LaneWorker(
                session: session, mailbox: $0, ended: ended, paused: paused, applied: applied, tripped: tripped)
        }
    }

    func begin(_ start: MappingLanes.Start) {
        mailboxes[Int(start.shard.id.number) % mailboxes.count].post(.begin(start))
    }

    func tell(_ shard: ShardID, _ post: ShardDriver.Input) {
        mailboxes[Int(shard.number) % mailboxes.count].post(.lane(shard, post))
    }

    func tellAll(_ post: ShardDriver.Input) { for mailbox in mailboxes { mailbox.post(.all(post)) } }
    func finish() { for mailbox in mailboxes { mailbox.post(.finish) } }
    /// Wakes the workers for posts that did not wake them.
    func nudge() { for mailbox in mailboxes { mailbox.nudge() } }
}
