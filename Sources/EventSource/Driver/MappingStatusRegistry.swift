import Logging
import StreamModel
import StreamStorage
import Synchronization

/// The state and the counters of each shard, written by the shards' drivers and read by observers.
///
/// Drivers write from their workers' tasks; any thread reads. Each shard has its own lock, and no lock is held while
/// another one is taken.
final class MappingStatusRegistry: Sendable {
    fileprivate struct Entry {
        var state: MappingShardState
        /// The counters of the shard's earlier lanes.
        var earlier = LaneCore.Counters()
        var current = LaneCore.Counters()
        /// By lane: the records up to this number are known to have been sent before this core started, and up to which
        /// they have been sent by it.
        var sentBefore: [SequenceNumber]
        var sentThrough: [SequenceNumber]
        var redelivered = 0
        /// The first record of the lane's current unit.
        var busyWith: SequenceNumber?
        /// Since when the lane is on it, by the monotonic clock.
        var busyFrom: MonotonicTime?
        /// What each lane is on.
        var lanes: [LaneWork]
        /// The record of ``MappingShardState/oldestArrival``, and the trim horizon that the lane knows of.
        var oldest: SequenceNumber?
        var toldExpired = SequenceNumber.zero

        /// Follows the lanes one by one: a lane that is blocked is not always the one that is furthest behind.
        mutating func followLanes(_ core: inout ShardCore, _ now: Moment) {
            for lane in lanes.indices where lane < core.laneCount {
                let unit = core.unit(ofLane: lane)
                guard unit != lanes[lane].unit else { continue }
                lanes[lane] = LaneWork(
                    unit: unit, since: now.monotonic, arrival: unit == nil ? nil : core.oldestArrival(ofLane: lane))
            }
        }

        mutating func follow(_ status: LaneCore.Status, _ now: Moment) {
            switch status {
            case .stopped: state.phase = .stopped
            case .idle: free(.idle)
            case .filling: free(.batching)
            case .invoking(let span, let attempt): busy(.invoking, with: span.first, attempts: attempt - 1, now)
            case .waiting(let span, let attempts, let until):
                busy(until == nil ? .batching : .retrying, with: span.first, attempts: attempts, now)
            case .paused(let paused):
                busy(.paused, with: paused.first, attempts: paused.cause.attempts, now)
                state.lastError = paused.cause.errorText
            case .handingOver(let giveUp, _): busy(.delivering, with: giveUp.last, attempts: 0, now)
            }
            state.unit =
                switch status {
                case .stopped: state.unit
                case .idle, .filling: nil
                case .invoking(let span, _), .waiting(let span, _, _): MappingShardState.Unit(span)
                case .paused(let paused): MappingShardState.Unit(paused)
                case .handingOver(let giveUp, _): MappingShardState.Unit(giveUp)
                }
        }

        /// What was counted, without zeros.
        var counts: [UTF8Key: Int] {
            var all = earlier
            all += current
            var counts: [UTF8Key: Int] = [:]
            for (key, metric) in zip(MappingCounts.keys, MappingMetrics.counters) {
                let count = metric.count(all)
                if count > 0 { counts[key] = count }
            }
            if redelivered > 0 { counts[MappingCounts.redelivered] = redelivered }
            return counts
        }

        private mutating func free(_ phase: MappingShardState.Phase) {
            state.phase = phase
            state.attempts = 0
            state.busySince = nil
            (busyWith, busyFrom) = (nil, nil)
        }

        private mutating func busy(
            _ phase: MappingShardState.Phase, with first: SequenceNumber, attempts: Int, _ now: Moment
        ) {
            state.phase = phase
            state.attempts = attempts
            if busyWith != first { (state.busySince, busyFrom) = (now.wall, now.monotonic) }
            busyWith = first
        }
    }

    /// What a lane is on.
    fileprivate struct LaneWork {
        /// What tells the unit from others; nil where there is none.
        var unit: SequenceNumber?
        /// Since when, by the monotonic clock.
        var since = MonotonicTime(sinceOrigin: .zero)
        /// When the oldest record of the unit arrived.
        var arrival: Timestamp?
    }

    /// The entry of one shard. Its driver holds a reference, so that drivers of other shards never wait for its lock.
    final class Shard: Sendable {
        private let entry: Mutex<Entry>

        fileprivate init(_ entry: Entry) { self.entry = Mutex(entry) }

        fileprivate func withEntry<Result: Sendable>(_ body: (inout Entry) -> Result) -> Result {
            entry.withLock { body(&$0) }
        }

        /// Notes that a unit was sent to the function. Returns how many of its records had been sent before this lane
        /// started.
        func sent(_ unit: LaneCore.Unit) -> Int {
            entry.withLock { entry in
                let lane = unit.span.lane
                let (before, through) = (entry.sentBefore[lane], entry.sentThrough[lane])
                entry.sentThrough[lane] = max(through, unit.last)
                guard through < before, unit.last > through else { return 0 }
                let again = unit.records.count(through: before) - unit.records.count(through: through)
                entry.redelivered += max(0, again)
                return max(0, again)
            }
        }

        /// Stores the trim horizon that the lane is told of.
        func toldExpired(through horizon: SequenceNumber) {
            entry.withLock { $0.toldExpired = max($0.toldExpired, horizon) }
        }

        /// Stores a lane's counters.
        func count(_ counters: LaneCore.Counters) { entry.withLock { $0.current = counters } }

        /// The shard has so many lanes from now on. What others have sent is done.
        func changed(lanes: Int) {
            entry.withLock { entry in
                guard entry.lanes.count != lanes else { return }
                entry.sentBefore = Array(repeating: .zero, count: lanes)
                entry.sentThrough = entry.sentBefore
                entry.lanes = Array(repeating: LaneWork(), count: lanes)
            }
        }

        /// Stores how the lane ended.
        func ended(_ end: LaneEnd) {
            entry.withLock { entry in
                switch end {
                case .shardEnd: entry.state.phase = .ended
                case .damaged(let error):
                    entry.state.phase = .damaged
                    entry.state.lastError = String(describing: error)
                case .stopped, .paused, .fenced, .cancelled, .failed: entry.state.phase = .stopped
                }
            }
        }

        /// Follows what went wrong last, and whether that is over.
        func follow(_ trace: [LaneCore.TraceEvent]) {
            for event in trace {
                switch event {
                case .failed(_, _, let failure), .notReached(_, let failure, _): noteError(failure.text)
                case .destinationFailed(let reason, _, _): noteError(reason)
                case .succeeded, .progressed, .handedOver: noteError(nil)
                // Without a destination the records are dropped, and nothing waits for them.
                case .gaveUp(let span) where !span.kept: noteError(nil)
                default: break
                }
            }
        }

        private func noteError(_ text: String?) { entry.withLock { $0.state.lastError = text } }

        /// Stores a shard's state.
        ///
        /// `core` is not changed. It is large, and what is passed in this way is not copied.
        func update(_ core: inout ShardCore, tip: SequenceNumber, now: Moment) {
            entry.withLock { entry in
                entry.state.checkpoint = core.persistedPosition
                entry.state.tip = tip
                entry.current = core.counters
                entry.state.lost = entry.earlier.lost + entry.current.lost
                entry.state.expired = entry.earlier.expired + entry.current.expired
                let held = core.oldestHeldRecord
                entry.oldest = held?.number
                let status = core.status
                entry.follow(status, now)
                if status != .stopped { entry.followLanes(&core, now) }
                entry.state.oldestArrival = held?.arrival
            }
        }
    }

    /// The shards whose lanes hold a record that arrived by `expiry` and have not been told that it has expired.
    /// Records that are already on their way to the failure destination are left alone.
    func shardsHolding(arrivedBy expiry: Timestamp) -> [ShardID] {
        entries.withLock { Array($0.values) }.compactMap { shard in
            shard.withEntry { entry in
                guard let oldest = entry.oldest, let arrival = entry.state.oldestArrival, arrival <= expiry,
                    oldest > entry.toldExpired, entry.state.phase != .delivering
                else { return nil }
                return entry.state.shard
            }
        }.sorted()
    }

    private struct Ages {
        var newest: Duration?
        var greatest: Duration?
    }

    private let entries = Mutex<[ShardID: Shard]>([:])
    private let ages = Mutex(Ages())
    private let log = Mutex(StalledShardLog())

    /// The entry of a shard; nil if no lane has started on it.
    subscript(shard: ShardID) -> Shard? { entries.withLock { $0[shard] } }

    /// Starts the entry of a shard with this progress and so many lanes.
    func began(_ shard: ShardID, at progress: ShardProgress, tip: SequenceNumber, lanes: Int) -> Shard {
        let fresh = MappingShardState(shard: shard, phase: .idle, checkpoint: progress.position, tip: tip)
        let positions = (0..<lanes).map { progress.position(ofLane: $0, of: lanes) }
        // What a process had begun when it died was sent.
        let noted = (0..<lanes).map { progress.note(ofLane: $0, of: lanes)?.last ?? .zero }
        let known = entries.withLock { entries in
            if let known = entries[shard] { return known }
            let new = Shard(
                Entry(
                    state: fresh, sentBefore: noted, sentThrough: positions,
                    lanes: Array(repeating: LaneWork(), count: lanes)))
            entries[shard] = new
            return new
        }
        known.withEntry { entry in
            entry.state = fresh
            entry.earlier += entry.current
            (entry.state.lost, entry.state.expired) = (entry.earlier.lost, entry.earlier.expired)
            entry.current = LaneCore.Counters()
            (entry.oldest, entry.toldExpired) = (nil, .zero)
            // Lanes of another number have other records.
            let known = entry.sentBefore.count == lanes
            entry.sentBefore = (0..<lanes).map { lane in
                known ? max(entry.sentBefore[lane], entry.sentThrough[lane], noted[lane]) : noted[lane]
            }
            entry.sentThrough = positions
            entry.lanes = Array(repeating: LaneWork(), count: lanes)
        }
        return known
    }

    /// Stores the age of the last record of a batch that was sent to the function.
    func noteAge(_ age: Duration) {
        ages.withLock { ages in
            ages.newest = age
            ages.greatest = max(ages.greatest ?? age, age)
        }
    }

    /// Records the mapping's lag and its blocked lanes in the metrics (ESM-M1, ESM-M8), and logs what an operator
    /// should know about them. `backlog` comes from the store; nil if it couldn't be read.
    func pulse(to metrics: MappingMetrics, at now: Moment, backlog: MappingBacklog.Measured?, _ logger: Logger) {
        var oldest = Duration.zero
        var blocked: [StalledShardLog.Blocked] = []
        for entry in entries.withLock({ Array($0.values) }) {
            let (shard, busyFrom, lanes) = entry.withEntry { ($0.state, $0.busyFrom, $0.lanes) }
            for lane in lanes where lane.unit != nil && now.monotonic - lane.since >= StalledShardLog.patience {
                let age = lane.arrival.map { max(.zero, now.wall - $0) }
                metrics.of(shard.shard).blocked(now.monotonic - lane.since, age: age)
            }
            guard let from = busyFrom else { continue }
            // If the clock went back, the age is zero, not negative.
            let age = max(.zero, shard.oldestArrival.map { now.wall - $0 } ?? .zero)
            oldest = max(oldest, age)
            guard now.monotonic - from >= StalledShardLog.patience else { continue }
            blocked.append(.init(state: shard, time: now.monotonic - from, age: age))
        }
        if let backlog { metrics.show(backlog, at: now.wall) }
        let (found, waiting, age) = (blocked, backlog?.total.records, oldest)
        let line = log.withLock { log -> StalledShardLog.Line? in
            let slow = log.line(age: age, lag: waiting)
            return log.line(blocked: found) ?? (found.isEmpty ? slow : nil)
        }
        if let line { logger.log(level: line.level, "\(line.text)") }
    }

    /// The sums over all shards and lanes.
    var statistics: MappingStatistics {
        var statistics = MappingStatistics()
        for shard in entries.withLock({ Array($0.values) }) {
            shard.withEntry { entry in
                statistics.add(entry.earlier)
                statistics.add(entry.current)
                statistics.redelivered += entry.redelivered
            }
        }
        (statistics.iteratorAge, statistics.greatestIteratorAge) = ages.withLock { ($0.newest, $0.greatest) }
        return statistics
    }

    /// The same as ``shards``, with what was counted in each.
    var shardsWithCounts: [MappingShardState] {
        entries.withLock { Array($0.values) }.map { shard in
            shard.withEntry { entry in
                var state = entry.state
                state.counts = entry.counts
                return state
            }
        }.sorted { $0.shard < $1.shard }
    }

    /// The state of each shard that a lane has started on, ordered by shard.
    var shards: [MappingShardState] {
        entries.withLock { Array($0.values) }.map { $0.withEntry { $0.state } }.sorted { $0.shard < $1.shard }
    }
}
