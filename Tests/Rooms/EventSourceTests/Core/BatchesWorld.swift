import DeliveryModel
import EventSource
import StreamModel
import StreamStorage

/// A shard whose lanes get one batch each, played in virtual time for any places of bad records. The records are made once
/// and serve for many cases.
///
/// Two lanes (one, with a factor of 1) are full: they have `count` records. The others have two at most, among theirs.
struct BatchesWorld {
    let count: Int
    /// The full lanes.
    let full: [Int]
    /// The number of records of each lane.
    private(set) var sizes: [Int]
    private let log: RecordBatch
    /// The lane of each record of the shard, and the record's place among those of its lane.
    private var lanes: [Int] = []
    private var places: [Int] = []

    init(factor: Int, count: Int) {
        self.count = count
        let first = count % factor
        full = factor == 1 ? [0] : [first, (first + 1 + count % (factor - 1)) % factor]
        sizes = Array(repeating: 0, count: factor)
        for turn in 0..<count {
            lanes += full
            for lane in 0..<factor where !full.contains(lane) {
                for number in 0..<min(2, count) where (lane + 3 * number) % count == turn { lanes.append(lane) }
            }
        }
        let keys = (0..<factor).map { lane in
            Array((0...).lazy.map { "k\($0)" }.filter { ShardCore.lane(ofKey: $0, factor: factor) == lane }.prefix(2))
        }
        var chunk: [UInt8] = []
        var offsets: [UInt32] = []
        for lane in lanes {
            places.append(sizes[lane])
            offsets.append(UInt32(chunk.count))
            RecordEncoding.append(NewRecord([65], partitionKey: keys[lane][sizes[lane] % 2]), to: &chunk)
            sizes[lane] += 1
        }
        offsets.append(UInt32(chunk.count))
        log = RecordBatch([
            RecordRun(
                bytes: chunk, offsets: offsets, range: 0..<lanes.count, shard: ShardID(0),
                shardCreationSecond: 1_700_000_000, firstSequence: SequenceNumber(1), arrival: LaneWorld.beginning)
        ])
    }

    /// What happened to the records of one lane, by their places in the lane.
    struct Outcome {
        var calls: [Range<Int>] = []
        var documents: [DeliveryModel.Document] = []
    }

    /// Plays the shard to its end. `bad` are the places of the bad records in each lane, in order; the function fails, or
    /// names the first one, with reports. Lanes are answered by turns, beginning with `turn`. Returns each lane's outcome,
    /// and what was wrong for the shard as a whole.
    func play(_ settings: LaneCore.Settings, bad: [[Int]], turn: Int = 0) -> (lanes: [Outcome], wrong: String?) {
        var game = Game(world: self, settings: settings, bad: bad, turn: turn)
        game.run()
        return (game.outcomes, game.wrong)
    }

    /// One case that is being played.
    private struct Game {
        let world: BatchesWorld
        let settings: LaneCore.Settings
        let bad: [[Int]]
        var turn: Int
        var core: ShardCore
        var outcomes: [Outcome]
        var wrong: String?
        private var calls: [LaneCore.Invocation?]
        private var deliveries: [(giveUp: LaneCore.GiveUp, progress: ShardProgress)?]
        private var checkpoint: ShardProgress?
        private var read: ShardCore.ReadOrder?
        private var wake: MonotonicTime?
        private var durable = ShardProgress(position: .zero)
        private var elapsed = Duration.zero
        private var decisions = ShardCore.Decisions()

        init(world: BatchesWorld, settings: LaneCore.Settings, bad: [[Int]], turn: Int) {
            self.world = world
            self.settings = settings
            self.bad = bad
            self.turn = turn
            let factor = settings.parallelizationFactor
            core = ShardCore(.init(position: .zero), settings: settings, denseNumbers: true, jitterSeed: 1)
            outcomes = Array(repeating: Outcome(), count: factor)
            calls = Array(repeating: nil, count: factor)
            deliveries = Array(repeating: nil, count: factor)
        }

        mutating func run() {
            handle(.start)
            while wrong == nil, let event = next() { handle(event) }
            guard wrong == nil else { return }
            let (counters, count) = (core.counters, world.log.count)
            if !core.isIdle || counters.polled != count || counters.settled != count {
                wrong = "the balance is wrong: \(counters)"
            } else if durable.position != SequenceNumber(UInt64(count)) {
                wrong = "the checkpoint is at \(durable.position)"
            }
        }

        /// What happens next: a read ends before a call does, the clock moves last.
        private mutating func next() -> ShardCore.Event? {
            if let order = read, order.after.rawValue < UInt64(world.log.count) {
                read = nil
                let first = Int(order.after.rawValue)
                let last = min(world.log.count, first + order.maximumRecords)
                return .read(
                    order.number,
                    ReadResult(
                        batch: world.log.extracting(first..<last), next: SequenceNumber(UInt64(last)),
                        tip: SequenceNumber(UInt64(world.log.count))))
            }
            turn += 1
            // Checkpoints come before calls, or after them.
            if turn % 3 != 0, let event = checkpointed() { return event }
            for offset in calls.indices {
                let lane = (turn + offset) % calls.count
                if let call = calls[lane] {
                    calls[lane] = nil
                    return .invocationEnded(call.number, result(call))
                }
                if let (giveUp, progress) = deliveries[lane] {
                    deliveries[lane] = nil
                    if settings.deliveryMovesCheckpoint { persist(progress.moved(past: giveUp, to: giveUp.last)) }
                    return .destinationTook(checkpointed: settings.deliveryMovesCheckpoint, lane: lane)
                }
            }
            if let event = checkpointed() { return event }
            guard let wake else { return nil }
            elapsed = max(elapsed, wake.sinceOrigin)
            self.wake = nil
            return .tick
        }

        private mutating func checkpointed() -> ShardCore.Event? {
            guard let progress = checkpoint else { return nil }
            checkpoint = nil
            persist(progress)
            return .checkpointed
        }

        private mutating func persist(_ progress: ShardProgress) {
            if progress.position < durable.position { wrong = "the checkpoint goes back" }
            durable = progress
        }

        private mutating func handle(_ event: ShardCore.Event) {
            let now = Moment(
                monotonic: MonotonicTime(sinceOrigin: elapsed), wall: LaneWorld.beginning + elapsed)
            decisions.clear()
            core.handle(event, at: now, into: &decisions)
            for action in decisions.actions {
                switch action {
                case .read(let order): read = order
                case .invoke(let call):
                    if calls[call.lane] != nil { wrong = "lane \(call.lane) has two calls" }
                    calls[call.lane] = call
                    outcomes[call.lane].calls.append(places(call.unit.first, call.unit.last, call.unit.records.count))
                case .handOver(let giveUp, let progress):
                    if deliveries[giveUp.lane] != nil { wrong = "lane \(giveUp.lane) has two deliveries" }
                    deliveries[giveUp.lane] = (giveUp, progress)
                    outcomes[giveUp.lane].documents.append(
                        DeliveryModel.Document(
                            records: places(giveUp.first, giveUp.last, giveUp.records.count),
                            condition: giveUp.condition.rawValue, invocations: giveUp.invocations,
                            functionError: giveUp.response?.functionError))
                case .checkpoint(let progress):
                    if checkpoint != nil { wrong = "two checkpoints are open" }
                    checkpoint = progress
                case .wait(let until): wake = until
                case .invokeAll, .checkpointAdding, .park, .redrive, .applied, .endShard, .stopped: wrong = "\(action)"
                }
            }
        }

        /// The places of these records in their lane.
        private mutating func places(_ first: SequenceNumber, _ last: SequenceNumber, _ count: Int) -> Range<Int> {
            let (first, last) = (Int(first.rawValue) - 1, Int(last.rawValue) - 1)
            let found = world.places[first]..<world.places[last] + 1
            if found.count != count || world.lanes[first] != world.lanes[last] {
                wrong = "\(count) records from \(first) to \(last) are not those of one lane"
            }
            return found
        }

        private func result(_ call: LaneCore.Invocation) -> LaneCore.InvocationResult {
            let records = outcomes[call.lane].calls.last!
            guard let met = bad[call.lane].first(where: records.contains) else { return .success }
            guard settings.reportsFailures else { return .fails }
            // Between two records of a lane there are others.
            let number = Int(call.unit.first.rawValue)...Int(call.unit.last.rawValue)
            return .fails(from: number.first { world.lanes[$0 - 1] == call.lane && world.places[$0 - 1] == met }! - 1)
        }
    }
}
