import StreamModel
import StreamStorage

/// The decisions for one shard of an event source mapping: a value without I/O, clocks or concurrency.
///
/// ``handle(_:at:)`` takes what happened (``Event``) and when, and returns what is to be done (``Action``) and why
/// (``LaneCore/TraceEvent``). All batching and failure handling is here; a driver carries out the actions. The driver
/// calls it from one thread at a time.
///
/// The shard reads, hands each record to the lane of its partition key (``LaneCore``, ESM-K2), and stores how far its
/// lanes are. The lanes close batches and bring them to their end, independently of one another.
package struct ShardCore: Sendable {
    /// The state that a shard starts from.
    package struct InitialState: Sendable {
        /// How far the mapping is in the shard, durably.
        package var progress: ShardProgress
        /// Whether the previous process ended uncleanly. If so, the attempts of each lane's first batch are noted
        /// durably (ESM-A9).
        package var notesAttempts: Bool
        /// The shard.
        package var shard: ShardID
        /// The keys that the mapping has parked in the shard.
        package var parkedKeys: [ParkedKey]

        package init(
            _ progress: ShardProgress, notesAttempts: Bool = false, shard: ShardID = ShardID(0),
            parkedKeys: [ParkedKey] = []
        ) {
            self.progress = progress
            self.notesAttempts = notesAttempts
            self.shard = shard
            self.parkedKeys = parkedKeys
        }
    }

    enum Phase: Hashable, Sendable {
        case new
        case running
        case stopping
        case stopped(LaneCore.StopReason)
    }

    /// A commit that is under way and moves the checkpoint. One is open at a time, so that a later one never says less.
    enum Saving: Sendable {
        case checkpoint(ShardProgress)
        /// The failure destination takes the records of a lane in the same commit.
        case delivery(lane: Int, ShardProgress)
    }

    var shared: LaneCore.Shared
    var lanes: [LaneCore]
    var phase = Phase.new
    /// Whether the checkpoint keeps the attempts though nothing is invoked.
    var keepsNotes = false

    // Reading.
    var readNumber = 0
    var readIsOpen = false
    /// Whether the open read shows what can still arrive, and doesn't wait.
    var readIsLook = false
    /// When the newest read was ordered.
    var readOrderedAt = Timestamp(milliseconds: .min)
    /// The shard processes records up to this number only; nil: without a limit.
    var goal: SequenceNumber?
    /// What earlier lanes of other factors finished beyond the position (ESM-K5).
    var earlier: [LanePositions]

    // Saving.
    /// The durable checkpoint.
    var saved: ShardProgress
    var saving: Saving?

    /// Keys that are to be parked by hand.
    struct Hold: Sendable {
        let partitionKey: String
        let actor: String
        let reason: String
    }
    var holds: [Hold] = []
    /// The operators' requests that were told, and whose changes are not durable.
    var requests: [UInt64] = []

    var announcedWake: MonotonicTime?
    /// The actions of the current decision.
    var actions: [Action] = []

    /// A shard with this initial state. `jitterSeed` seeds the random part of its pauses. `denseNumbers` says that the
    /// shard's numbers have no gaps, so that records that were never read can be counted.
    package init(_ beginning: InitialState, settings: LaneCore.Settings, denseNumbers: Bool, jitterSeed: UInt64) {
        let progress = beginning.progress
        saved = progress
        shared = LaneCore.Shared(
            settings: settings, denseNumbers: denseNumbers, generator: LaneCore.SplitMix(seed: jitterSeed),
            readPosition: progress.position, shard: beginning.shard, parking: Parking(beginning.parkedKeys))
        lanes = Self.lanes(
            settings.parallelizationFactor, from: progress, notesAttempts: beginning.notesAttempts)
        earlier = Self.earlier(progress, factor: settings.parallelizationFactor)
        shared.laneCount = lanes.count
        shared.paused = progress.paused
    }

    /// The settings in force.
    package var settings: LaneCore.Settings { shared.settings }
    /// The counters of everything that the shard has done so far.
    package var counters: LaneCore.Counters { shared.counters }
    /// Calls `body` with the counters, which are not copied, nor changed.
    package mutating func withCounters(_ body: (borrowing LaneCore.Counters) -> Void) { body(shared.counters) }
    /// Every record up to this number is done, and the checkpoint there is durable.
    package var persistedPosition: SequenceNumber { saved.position }

    /// Takes an event and decides what is to be done. The caller reads both clocks; the monotonic time must not
    /// decrease between two calls.
    package mutating func handle(_ event: Event, at now: Moment) -> Decisions {
        var decisions = Decisions()
        handle(event, at: now, into: &decisions)
        return decisions
    }

    /// The same, written into cleared decisions, whose memory is reused.
    package mutating func handle(_ event: Event, at now: Moment, into decisions: inout Decisions) {
        swap(&actions, &decisions.actions)
        swap(&shared.steps, &decisions.trace)
        defer {
            swap(&actions, &decisions.actions)
            swap(&shared.steps, &decisions.trace)
        }
        shared.wall = now.wall
        switch event {
        case .start: start()
        case .goal(let position): setGoal(position)
        case .read(let number, let result):
            // What is due now is decided first, without the records of this read (ESM-B11).
            settle(now)
            readEnded(number, result)
        case .trimmed(let position): shared.horizon = max(shared.horizon, position)
        case .tick: announcedWake = nil
        case .invocationEnded(let number, let result, let state, let added):
            invocationEnded(number, result, state, added, now)
        case .invocationsEnded(let results):
            for result in results { invocationEnded(result.number, result.result, nil, result.added, now) }
        case .reachable: for lane in lanes.indices { lanes[lane].reachable(now) }
        case .destinationTook(let checkpointed, let lane): destinationTook(lane, checkpointed: checkpointed)
        case .destinationFailed(let error, let taken, let lane):
            destinationFailed(lane, error, takenThrough: taken, now)
        case .checkpointed: checkpointed()
        case .parkedKeys(let action, let request): parked(action, request: request)
        case .resume(let order, let request): resume(order, request: request)
        case .parkingStored(let places): parkingStored(places, now)
        case .parkingFailed(let error): parkingFailed(error, now)
        case .settingsChanged(let settings): settingsChanged(settings)
        case .stop: stop()
        case .pause: pause()
        }
        settle(now)
    }

    /// Whether the shard holds no record and the checkpoint of everything it has done is durable.
    package var isIdle: Bool {
        saving == nil && shared.parking.isSettled && shared.adding.isEmpty
            && lanes.allSatisfy { $0.isEmpty && $0.unsaved.isEmpty }
    }

    /// Whether the shard was started at least once.
    package var hasStarted: Bool { phase != .new }

    /// Whether a stop or a pause has come to its end.
    package var isAtRest: Bool { phase == .stopped(.asked) }

    /// Whether there is nothing to do until a record comes, except to be told that the open checkpoint is durable.
    package var waitsForRecords: Bool {
        guard phase == .running, !shared.source.hasEnded, !isChangingLanes, shared.parking.isSettled,
            shared.paused == nil, shared.adding.isEmpty, lanes.allSatisfy(\.isEmpty)
        else {
            return false
        }
        switch saving {
        case .checkpoint(let progress): return progress.position == shared.source.readPosition
        case .delivery: return false
        case nil: return saved.position == shared.source.readPosition
        }
    }

    /// The first record that was read and is not done. Its age shows how far a blocked shard is behind (ESM-M1).
    package var oldestHeldRecord: (number: SequenceNumber, arrival: Timestamp)? {
        lanes[laneBehind].oldestHeldRecord.map { ($0.sequenceNumber, $0.approximateArrivalTimestamp) }
    }

    /// The number of records that the shard holds in memory.
    package var heldRecords: Int { lanes.reduce(shared.parking.takenRecords) { $0 + $1.heldRecords } }

    /// What the lane does that is furthest behind.
    package var status: LaneCore.Status {
        guard phase == .running || phase == .stopping else { return .stopped }
        if let paused = shared.paused { return .paused(paused) }
        return lanes[laneBehind].status(shared.settings)
    }

    /// The lane with the lowest number that is not done; the first one if all are done with everything.
    private var laneBehind: Int {
        guard lanes.count > 1 else { return 0 }
        var (found, lowest) = (0, SequenceNumber.max)
        for lane in lanes.indices {
            guard let first = lanes[lane].firstUndone, first < lowest else { continue }
            (found, lowest) = (lane, first)
        }
        return found
    }

    // MARK: - Life

    private mutating func start() {
        keepsNotes = false
        switch phase {
        case .new:
            phase = .running
            resumeReleases()
        case .stopping, .stopped(.asked): phase = .running
        case .running, .stopped(.shardEnd): break
        }
    }

    /// Invokes nothing more and releases the records that are not in a unit (ESM-L3). Units stay, with their attempts,
    /// for a later start (ESM-A9).
    private mutating func stop() {
        let wasPaused = keepsNotes
        keepsNotes = false
        if phase == .running {
            phase = .stopping
            releaseQueues()
        } else if wasPaused, phase == .stopped(.asked) {
            // What the pause has kept is dropped, durably.
            phase = .stopping
        }
    }

    /// Stops, and keeps the attempts for a later start, also where the process ends before it.
    private mutating func pause() {
        guard phase == .running else { return }
        stop()
        keepsNotes = true
    }

    /// Releases the records that are not in a unit. They are read again.
    private mutating func releaseQueues() {
        var next = shared.source.readPosition
        for lane in lanes.indices {
            if let first = lanes[lane].queue.firstNumber { next = min(next, first.previous) }
            lanes[lane].releaseQueue(&shared)
        }
        readIsOpen = false
        shared.source = LaneCore.Shared.Source(readPosition: next)
        noteGoal()
    }

    /// Releases and counts the records that the shard holds, when it doesn't go on. The shard's next core reads them
    /// again.
    package mutating func release() {
        for lane in lanes.indices { lanes[lane].release(&shared) }
        shared.counters.released += shared.parking.removeAllTaken()
    }

    private mutating func settingsChanged(_ settings: LaneCore.Settings) {
        let hasNewFilter = settings.filter != shared.settings.filter
        shared.settings = settings
        if hasNewFilter { filterQueues() }
        // Records of batches that have not begun are read again, for other lanes.
        if phase == .running, isChangingLanes { releaseQueues() }
        for lane in lanes.indices { lanes[lane].queue.measureAnew() }
    }

    private mutating func invocationEnded(
        _ number: Int, _ result: LaneCore.InvocationResult, _ state: [UInt8]?, _ added: [AddedRecord], _ now: Moment
    ) {
        guard let (lane, calls) = running(number) else {
            assertionFailure("invocation \(number) ended, which was not running")
            return
        }
        lanes[lane].ended(calls, result, state: state, added: added, &shared, now)
    }

    /// Counts the result of an invocation that ended after its shard. Nothing is decided from it.
    package mutating func invocationAbandoned(_ number: Int, _ result: LaneCore.InvocationResult) {
        guard let (lane, calls) = running(number) else { return }
        lanes[lane].abandoned(calls, result, &shared)
    }

    /// The lane that waits for the result of this invocation, and its calls from that one on.
    private func running(_ number: Int) -> (lane: Int, ArraySlice<LaneCore.Invocation>)? {
        for lane in lanes.indices {
            if case .invoking(let calls) = lanes[lane].stage, calls.first?.number == number { return (lane, calls) }
        }
        return nil
    }

    // MARK: - Deciding

    /// Decides everything that can be decided now, and when to wake up next.
    private mutating func settle(_ now: Moment) {
        settleHolds()
        if phase == .running {
            shared.source.canReadMore = readIsOpen || canRead
            // Each lane may have an invocation (ESM-K1).
            for lane in lanes.indices { while goesOn(lane), lanes[lane].step(&shared, now) {} }
        }
        settleVerdict()
        settleParking(now)
        settleRequests()
        settleSaving()
        settleLanes()
        for calls in shared.invocations { act(calls.count == 1 ? .invoke(calls[0]) : .invokeAll(calls)) }
        shared.invocations.removeAll(keepingCapacity: true)
        settleStop()
        settleReading(now)
        settleWake(now)
    }

    private mutating func settleStop() {
        // Where the parking stream is full, what was taken aside is read again by the next run.
        let isFull = shared.parking.waitsForRoom
        guard phase == .stopping, saving == nil, shared.parking.isSettled || isFull,
            !lanes.contains(where: { $0.isBusy || !$0.unsaved.isEmpty && !isFull })
        else { return }
        stopped(.asked)
    }

    mutating func stopped(_ reason: LaneCore.StopReason) {
        phase = .stopped(reason)
        shared.trace(.stopped(reason))
        act(.stopped(reason))
    }

    /// Asks for a tick when the next decision becomes due.
    private mutating func settleWake(_ now: Moment) {
        var wake: MonotonicTime?
        if case .failed(_, _, let until) = shared.parking.writing { wake = until }
        if phase == .running, let due = shared.parking.progressDue { wake = due }
        if phase == .running {
            for lane in lanes.indices where goesOn(lane) {
                guard let next = lanes[lane].nextWake(shared, now) else { continue }
                wake = wake.map { min($0, next) } ?? next
            }
        }
        guard wake != announcedWake else { return }
        announcedWake = wake
        act(.wait(until: wake))
    }

    mutating func act(_ action: Action) { actions.append(action) }
}
