import Logging
import StreamModel
import StreamStorage
import Synchronization

/// Where the drivers of a mapping's shards write what they do, for whoever asks.
final class MappingStatusRegistry: Sendable {
    fileprivate struct Entry {
        var state: MappingShardState
        /// What lanes before the running one have counted.
        var earlier = LaneCore.Counters()
        var current = LaneCore.Counters()
        /// Up to where records are known to have been sent before this lane began.
        var sentBefore: SequenceNumber
        var sentThrough: SequenceNumber
        var redelivered = 0
        /// The first record of the unit that the lane is on.
        var busyWith: SequenceNumber?
        /// Since when, by the clock that does not jump.
        var busyFrom: MonotonicTime?
        /// The record that ``MappingShardState/oldestArrival`` is of, and up to where the lane knows that records have
        /// expired.
        var oldest: SequenceNumber?
        var toldExpired = SequenceNumber.zero

        mutating func follow(_ status: LaneCore.Status, _ now: Moment) {
            switch status {
            case .stopped: break
            case .idle: free(.idle)
            case .filling: free(.batching)
            case .invoking(let span, let attempt): busy(.invoking, with: span.first, attempts: attempt - 1, now)
            case .waiting(let span, let attempts, let until):
                busy(until == nil ? .batching : .retrying, with: span.first, attempts: attempts, now)
            case .handingOver(let giveUp, _): busy(.delivering, with: giveUp.last, attempts: 0, now)
            }
            state.unit =
                switch status {
                case .stopped: state.unit
                case .idle, .filling: nil
                case .invoking(let span, _), .waiting(let span, _, _): MappingShardState.Unit(span)
                case .handingOver(let giveUp, _): MappingShardState.Unit(giveUp)
                }
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

    /// What is written of one shard: its driver has it at hand, and no other shard's waits for it.
    final class Shard: Sendable {
        private let entry: Mutex<Entry>

        fileprivate init(_ entry: Entry) { self.entry = Mutex(entry) }

        fileprivate func withEntry<Result: Sendable>(_ body: (inout Entry) -> Result) -> Result {
            entry.withLock { body(&$0) }
        }

        /// A unit was sent to the function; returns how many of its records had been sent before this lane began.
        func sent(_ unit: LaneCore.Unit) -> Int {
            entry.withLock { entry in
                defer { entry.sentThrough = max(entry.sentThrough, unit.last) }
                guard entry.sentThrough < entry.sentBefore, unit.last > entry.sentThrough else { return 0 }
                let again =
                    unit.records.count(through: entry.sentBefore) - unit.records.count(through: entry.sentThrough)
                entry.redelivered += max(0, again)
                return max(0, again)
            }
        }

        /// The lane is told that retention has ended the records up to there.
        func toldExpired(through horizon: SequenceNumber) {
            entry.withLock { $0.toldExpired = max($0.toldExpired, horizon) }
        }

        /// What a lane has counted; returns what it had at the call before.
        func count(_ counters: LaneCore.Counters) -> LaneCore.Counters {
            entry.withLock { entry in
                defer { entry.current = counters }
                return entry.current
            }
        }

        /// How the lane ended.
        func ended(_ end: LaneEnd) {
            entry.withLock { entry in
                switch end {
                case .shardEnd: entry.state.phase = .ended
                case .damaged(let error):
                    entry.state.phase = .damaged
                    entry.state.lastError = String(describing: error)
                case .stopped, .fenced, .cancelled, .failed: entry.state.phase = .stopped
                }
            }
        }

        /// What a lane has decided; returns what it had counted at the call before.
        func update(
            _ lane: borrowing LaneCore, tip: SequenceNumber, trace: [LaneCore.TraceEvent], now: Moment
        ) -> LaneCore.Counters {
            let (counters, status, persisted) = (lane.counters, lane.status, lane.persistedPosition)
            let held = lane.oldestHeldRecord
            return entry.withLock { entry in
                defer { entry.current = counters }
                entry.state.checkpoint = persisted
                entry.state.tip = tip
                entry.state.lost = entry.earlier.lost + counters.lost
                entry.state.expired = entry.earlier.expired + counters.expired
                for event in trace {
                    switch event {
                    case .failed(_, _, let failure), .notReached(_, let failure, _):
                        entry.state.lastError = failure.text
                    case .destinationFailed(let reason, _, _): entry.state.lastError = reason
                    case .succeeded, .progressed, .handedOver: entry.state.lastError = nil
                    // With no destination they are gone, and nobody waits for them.
                    case .gaveUp(let span) where !span.kept: entry.state.lastError = nil
                    default: break
                    }
                }
                entry.oldest = held?.sequenceNumber
                entry.follow(status, now)
                entry.state.oldestArrival = held?.approximateArrivalTimestamp
                return entry.current
            }
        }
    }

    /// Lanes that hold a record which arrived by `expiry`, and have not been told that it has expired. What goes to the
    /// failure destination already has no other place any more, and stays.
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

    /// What is written of a shard that a lane has come to.
    subscript(shard: ShardID) -> Shard? { entries.withLock { $0[shard] } }

    /// A lane begins at `position`; records up to `sentBefore` are known to have been sent already.
    func began(
        _ shard: ShardID, at position: SequenceNumber, tip: SequenceNumber, sentBefore: SequenceNumber
    ) -> Shard {
        let fresh = MappingShardState(shard: shard, phase: .idle, checkpoint: position, tip: tip)
        let known = entries.withLock { entries in
            if let known = entries[shard] { return known }
            let new = Shard(Entry(state: fresh, sentBefore: sentBefore, sentThrough: position))
            entries[shard] = new
            return new
        }
        known.withEntry { entry in
            entry.state = fresh
            entry.earlier += entry.current
            (entry.state.lost, entry.state.expired) = (entry.earlier.lost, entry.earlier.expired)
            entry.current = LaneCore.Counters()
            (entry.oldest, entry.toldExpired) = (nil, .zero)
            entry.sentBefore = max(entry.sentBefore, entry.sentThrough, sentBefore)
            entry.sentThrough = position
        }
        return known
    }

    /// The function gets records whose last one is so old.
    func noteAge(_ age: Duration) {
        ages.withLock { ages in
            ages.newest = age
            ages.greatest = max(ages.greatest ?? age, age)
        }
    }

    /// Shows in the metrics how far the mapping is behind, and which lanes are stuck (ESM-M1, ESM-M8), and says what an
    /// operator should know of it. `backlog` is what the store says; nil: it could not be asked.
    func pulse(to metrics: MappingMetrics, at now: Moment, backlog: MappingBacklog?, _ logger: Logger) {
        var oldest = Duration.zero
        var blocked: [StalledShardLog.Blocked] = []
        for entry in entries.withLock({ Array($0.values) }) {
            let (shard, busyFrom) = entry.withEntry { ($0.state, $0.busyFrom) }
            guard let from = busyFrom else { continue }
            // Under a clock that went back no record is younger than nothing.
            let age = max(.zero, shard.oldestArrival.map { now.wall - $0 } ?? .zero)
            oldest = max(oldest, age)
            guard now.monotonic - from >= StalledShardLog.patience else { continue }
            metrics.blocked(now.monotonic - from, age: shard.oldestArrival.map { _ in age })
            blocked.append(.init(state: shard, time: now.monotonic - from, age: age))
        }
        if let backlog { metrics.show(backlog, at: now.wall) }
        let (found, waiting, age) = (blocked, backlog?.records, oldest)
        let line = log.withLock { log -> StalledShardLog.Line? in
            let slow = log.line(age: age, lag: waiting)
            return log.line(blocked: found) ?? (found.isEmpty ? slow : nil)
        }
        if let line { logger.log(level: line.level, "\(line.text)") }
    }

    /// Everything that was done.
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

    /// All shards that a lane has come to, by number.
    var shards: [MappingShardState] {
        entries.withLock { Array($0.values) }.map { $0.withEntry { $0.state } }.sorted { $0.shard < $1.shard }
    }
}
