import Logging
import StreamModel
import StreamStorage
import Synchronization

/// Where the drivers of a mapping's shards write what they do, for whoever asks.
final class MappingBoard: Sendable {
    private struct Entry {
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

        mutating func follow(_ status: LaneCore.Status, _ now: Moment) {
            switch status {
            case .stopped: break
            case .idle: free(.idle)
            case .filling: free(.batching)
            case .invoking(let span, let attempt): busy(.invoking, with: span.first, attempts: attempt - 1, now)
            case .waiting(let span, let attempts, let until):
                busy(until == nil ? .batching : .retrying, with: span.first, attempts: attempts, now)
            case .handingOver(let through, _): busy(.delivering, with: through, attempts: 0, now)
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

    private struct State {
        var shards: [ShardID: Entry] = [:]
        var age: Duration?
        var greatestAge: Duration?
        var log = StandstillLog()
    }

    private let state = Mutex(State())

    /// A lane begins at `position`; records up to `sentBefore` are known to have been sent already.
    func began(_ shard: ShardID, at position: SequenceNumber, tip: SequenceNumber, sentBefore: SequenceNumber) {
        state.withLock { state in
            let fresh = MappingShardState(shard: shard, phase: .idle, checkpoint: position, tip: tip)
            var entry = state.shards[shard] ?? Entry(state: fresh, sentBefore: sentBefore, sentThrough: position)
            entry.state = fresh
            entry.earlier += entry.current
            entry.current = LaneCore.Counters()
            entry.sentBefore = max(entry.sentBefore, entry.sentThrough, sentBefore)
            entry.sentThrough = position
            state.shards[shard] = entry
        }
    }

    /// A unit goes to the function.
    func sent(_ shard: ShardID, _ unit: LaneCore.Unit, age: Duration) {
        state.withLock { state in
            state.age = age
            state.greatestAge = max(state.greatestAge ?? age, age)
            guard var entry = state.shards[shard] else { return }
            if entry.sentThrough < entry.sentBefore, unit.last > entry.sentThrough {
                let from = max(unit.first.rawValue, entry.sentThrough.rawValue + 1)
                let to = min(unit.last.rawValue, entry.sentBefore.rawValue)
                if from <= to { entry.redelivered += Int(to - from) + 1 }
            }
            entry.sentThrough = max(entry.sentThrough, unit.last)
            state.shards[shard] = entry
        }
    }

    /// What a lane has decided.
    func update(
        _ shard: ShardID, lane: LaneCore, tip: SequenceNumber, trace: [LaneCore.TraceEvent], now: Moment
    ) {
        state.withLock { state in
            guard var entry = state.shards[shard] else { return }
            entry.current = lane.counters
            entry.state.checkpoint = lane.persistedPosition
            entry.state.tip = tip
            for event in trace {
                switch event {
                case .failed(_, _, let failure), .notReached(_, let failure, _): entry.state.lastError = failure.text
                case .destinationFailed(let reason, _, _): entry.state.lastError = reason
                case .succeeded, .progressed, .handedOver: entry.state.lastError = nil
                default: break
                }
            }
            entry.follow(lane.status, now)
            entry.state.oldestArrival =
                entry.busyWith == nil ? nil : lane.oldestHeldRecord?.approximateArrivalTimestamp
            state.shards[shard] = entry
        }
    }

    /// Shows in the metrics how far the mapping is behind, and which lanes are stuck (ESM-M1, ESM-M8), and says what an
    /// operator should know of it.
    func pulse(to metrics: MappingMetrics, at now: Moment, _ logger: Logger) {
        let line = state.withLock { state -> StandstillLog.Line? in
            var lag: UInt64 = 0
            var oldest = Duration.zero
            var blocked: [StandstillLog.Blocked] = []
            for entry in state.shards.values {
                let shard = entry.state
                if shard.tip > shard.checkpoint { lag += shard.tip.rawValue - shard.checkpoint.rawValue }
                // Under a clock that went back no record is younger than nothing.
                let age = max(.zero, shard.oldestArrival.map { now.wall - $0 } ?? .zero)
                oldest = max(oldest, age)
                guard let from = entry.busyFrom, now.monotonic - from >= StandstillLog.patience else { continue }
                metrics.blocked(now.monotonic - from)
                if shard.oldestArrival != nil { metrics.iteratorAge(age) }
                blocked.append(.init(state: shard, time: now.monotonic - from))
            }
            metrics.lag(lag)
            let slow = state.log.line(age: oldest, lag: lag)
            return state.log.line(blocked: blocked) ?? (blocked.isEmpty ? slow : nil)
        }
        if let line { logger.log(level: line.level, "\(line.text)") }
    }

    func ended(_ shard: ShardID, _ end: LaneEnd) {
        state.withLock { state in
            switch end {
            case .shardEnd: state.shards[shard]?.state.phase = .ended
            case .damaged(let error):
                state.shards[shard]?.state.phase = .damaged
                state.shards[shard]?.state.lastError = String(describing: error)
            case .stopped, .fenced, .cancelled, .failed: state.shards[shard]?.state.phase = .stopped
            }
        }
    }

    /// Everything that was done.
    var statistics: MappingStatistics {
        state.withLock { state in
            var statistics = MappingStatistics()
            for entry in state.shards.values {
                statistics.add(entry.earlier)
                statistics.add(entry.current)
                statistics.redelivered += entry.redelivered
            }
            statistics.iteratorAge = state.age
            statistics.greatestIteratorAge = state.greatestAge
            return statistics
        }
    }

    /// All shards that a lane has come to, by number.
    var shards: [MappingShardState] {
        state.withLock { state in state.shards.values.map(\.state).sorted { $0.shard < $1.shard } }
    }
}
