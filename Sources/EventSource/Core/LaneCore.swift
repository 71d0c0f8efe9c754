import StreamModel
import StreamStorage

/// The decisions for one shard of an event source mapping: a value without I/O, clocks or concurrency.
///
/// ``handle(_:at:)`` takes what happened (``Event``) and when, and returns what is to be done (``Action``) and why
/// (``TraceEvent``). All batching and failure handling is here; a driver carries out the actions. The driver calls a
/// lane from one thread at a time.
///
/// Records that were read wait in a queue (``RecordQueue``). A batch taken from it becomes a unit, which a failure can
/// split. A stack holds the units of one batch, the next one on top. The lane works on one unit at a time, and closes
/// the next batch once all units of the last one are done.
package struct LaneCore: Sendable {
    /// The state that a lane starts from.
    package struct InitialState: Sendable {
        /// Every record up to this number is done.
        package var position: SequenceNumber
        /// The attempts of the first unit after ``position`` that the previous process started without ending them, if
        /// it ended uncleanly; nil after a clean end (ESM-A9).
        package var note: AttemptNote?
        /// Whether the previous process ended uncleanly. If so, the attempts of the first batch are noted durably
        /// (ESM-A9).
        package var notesAttempts: Bool

        package init(position: SequenceNumber, note: AttemptNote? = nil, notesAttempts: Bool = false) {
            self.position = position
            self.note = note
            self.notesAttempts = notesAttempts
        }
    }

    /// What the lane is doing, for listings.
    package enum Status: Hashable, Sendable {
        /// Not started, or stopped.
        case stopped
        /// The queue has no record to process.
        case idle
        /// The batch has records and waits for more, at the latest until this moment; nil: until the current read ends.
        case filling(until: MonotonicTime?)
        /// The function is running on the unit.
        case invoking(UnitSpan, attempt: Int)
        /// The unit waits for the end of a pause or for a write.
        case waiting(UnitSpan, attempts: Int, until: MonotonicTime?)
        /// Records wait for the failure destination, which has failed the given number of times.
        case handingOver(GiveUpSpan, failures: Int)
    }

    enum Phase: Hashable, Sendable {
        case new
        case running
        case stopping
        case stopped(StopReason)
    }

    /// What must end before the lane decides anything more about its units.
    enum Work: Sendable {
        case none
        case invoking(Invocation)
        case noting(AttemptNote)
        case handingOver(GiveUp)
        /// A delivery failed; it is retried at the given moment.
        case holding(GiveUp, until: MonotonicTime)
    }

    /// The settings in force.
    package internal(set) var settings: Settings
    /// The counters of everything that the lane has done so far.
    package internal(set) var counters = Counters()
    /// Every record up to this number is done.
    package internal(set) var donePosition: SequenceNumber
    /// Every record up to this number is done, and the checkpoint there is durable.
    package internal(set) var persistedPosition: SequenceNumber

    let denseNumbers: Bool
    var generator: SplitMix
    var phase = Phase.new
    var work = Work.none
    var decisions = Decisions()

    // Reading.
    var queue = RecordQueue()
    var readNumber = 0
    var readIsOpen = false
    var readPosition: SequenceNumber
    /// Whether the last read reached the tip.
    var isAtTip = false
    var shardHasEnded = false
    /// Retention has removed every record up to this number.
    var horizon = SequenceNumber.zero
    /// Every record up to this number has left the queue.
    var takenPosition: SequenceNumber
    /// The lane processes records up to this number only; nil: without a limit.
    var goal: SequenceNumber?

    // Units.
    /// The units of one batch, as a stack; the last one is next.
    var units: [Unit] = []
    var unitCount = 0
    var batchCount = 0
    var invocationCount = 0
    /// Records and bytes of the current batch. They count as held until the whole batch is done.
    var batchHolds = (records: 0, bytes: 0)
    var windowOpened: MonotonicTime?
    /// Every record up to this number was sent to the function.
    var sentPosition: SequenceNumber
    var deliveryFailures = 0

    // Protection of a function that keeps failing (ESM-A8).
    var failedInARow = 0
    var failedPosition = SequenceNumber.zero
    var protectionWaits = 0

    // Checkpoints.
    /// The ends of finished units without a durable checkpoint.
    var unpersisted: [SequenceNumber] = []
    var openCheckpoint: (position: SequenceNumber, isShardEnd: Bool)?

    // Attempts across a crash (ESM-A9).
    var crashNote: AttemptNote?
    var notesAttempts: Bool
    var noted: (unit: Int, attempts: Int)?

    var announcedWake: MonotonicTime?

    /// A lane with this initial state. `jitterSeed` seeds the random part of its pauses. `denseNumbers` says that the
    /// shard's numbers have no gaps, so that records that were never read can be counted.
    package init(_ beginning: InitialState, settings: Settings, denseNumbers: Bool, jitterSeed: UInt64) {
        self.settings = settings
        self.denseNumbers = denseNumbers
        donePosition = beginning.position
        persistedPosition = beginning.position
        readPosition = beginning.position
        takenPosition = beginning.position
        sentPosition = beginning.position
        crashNote = beginning.note
        notesAttempts = beginning.notesAttempts || beginning.note != nil
        generator = SplitMix(seed: jitterSeed)
    }

    /// Takes an event and decides what is to be done. The caller reads both clocks; the monotonic time must not
    /// decrease between two calls.
    package mutating func handle(_ event: Event, at now: Moment) -> Decisions {
        var decisions = Decisions()
        handle(event, at: now, into: &decisions)
        return decisions
    }

    /// The same, written into cleared decisions, whose memory is reused.
    package mutating func handle(_ event: Event, at now: Moment, into decisions: inout Decisions) {
        swap(&self.decisions, &decisions)
        defer { swap(&self.decisions, &decisions) }
        switch event {
        case .start: start()
        case .goal(let position): goal = position
        case .read(let number, let result):
            // What is due now is decided first, without the records of this read (ESM-B11).
            settle(now)
            readEnded(number, result)
        case .trimmed(let position): horizon = max(horizon, position)
        case .tick: announcedWake = nil
        case .invocationEnded(let number, let result): invocationEnded(number, result, now)
        case .reachable: reachable(now)
        case .destinationTook(let checkpointed): destinationTook(checkpointed: checkpointed)
        case .destinationFailed(let error, let taken): destinationFailed(error, takenThrough: taken, now)
        case .checkpointed: checkpointed()
        case .attemptNoted: attemptNoted()
        case .settingsChanged(let settings): settingsChanged(settings)
        case .stop: stop()
        }
        settle(now)
    }

    /// Whether the lane holds no record and the checkpoint of everything it has done is durable.
    package var isIdle: Bool {
        guard case .none = work else { return false }
        return queue.isEmpty && units.isEmpty && openCheckpoint == nil && unpersisted.isEmpty
    }

    /// Whether the lane has nothing to do until a record comes, except to be told that its open checkpoint is durable.
    package var waitsForRecords: Bool {
        guard phase == .running, case .none = work, queue.isEmpty, units.isEmpty, !shardHasEnded else { return false }
        return openCheckpoint.map { $0.position == donePosition } ?? (donePosition == persistedPosition)
    }

    /// The first record that was read and is not done. Its age shows how far a blocked lane is behind (ESM-M1).
    package var oldestHeldRecord: Record? {
        switch work {
        case .handingOver(let giveUp), .holding(let giveUp, _): giveUp.records.first
        case .none, .invoking, .noting: units.last?.records.first ?? queue.first
        }
    }

    /// The number of records that the lane holds in memory.
    package var heldRecords: Int { queue.count + batchHolds.records }

    /// What the lane is doing.
    package var status: Status {
        guard phase == .running || phase == .stopping else { return .stopped }
        switch work {
        case .invoking(let invocation): return .invoking(invocation.unit.span, attempt: invocation.attempt)
        case .handingOver(let giveUp), .holding(let giveUp, _):
            return .handingOver(giveUp.span, failures: deliveryFailures)
        case .none, .noting:
            if let unit = units.last {
                return .waiting(unit.span, attempts: unit.attempts, until: unit.notBefore)
            }
            guard queue.readable > 0 else { return .idle }
            return .filling(until: windowOpened.map { $0 + settings.batchWindow })
        }
    }

    // MARK: - Life

    private mutating func start() {
        switch phase {
        case .new, .stopping, .stopped(.asked): phase = .running
        case .running, .stopped(.shardEnd): break
        }
    }

    /// Invokes nothing more and releases the records that are not in a unit (ESM-L3). Units stay, with their attempts,
    /// for a later start (ESM-A9).
    private mutating func stop() {
        guard phase == .running else { return }
        phase = .stopping
        counters.released += queue.count
        queue.removeAll()
        windowOpened = nil
        readIsOpen = false
        isAtTip = false
        shardHasEnded = false
        readPosition = takenPosition
    }

    /// Releases and counts the records that the lane holds, when it doesn't go on. The shard's next lane reads them
    /// again.
    package mutating func release() {
        let handedOver =
            switch work {
            case .handingOver(let giveUp), .holding(let giveUp, _): giveUp.records.count - giveUp.recordsTaken
            case .none, .invoking, .noting: 0
            }
        counters.released += queue.count + units.reduce(handedOver) { $0 + $1.records.count }
        queue.removeAll()
        units = []
        work = .none
    }

    private mutating func settingsChanged(_ settings: Settings) {
        self.settings = settings
        queue.measureAnew()
    }

    /// Decides everything that can be decided now, and when to wake up next.
    private mutating func settle(_ now: Moment) {
        if phase == .running {
            while step(now) {}
            if units.isEmpty, case .none = work {
                batchHolds = (0, 0)
                settleGoal()
            }
        }
        settleCheckpoint()
        settleStop()
        settleReading()
        settleWake(now)
    }

    /// Makes one decision about the units. Returns true if there may be more to decide.
    private mutating func step(_ now: Moment) -> Bool {
        switch work {
        case .invoking, .noting, .handingOver: return false
        case .holding(let giveUp, let until): return deliverAgain(giveUp, notBefore: until, now)
        case .none: return units.isEmpty ? closeBatch(now) : decide(now)
        }
    }

    private mutating func settleStop() {
        guard phase == .stopping, openCheckpoint == nil, unpersisted.isEmpty else { return }
        switch work {
        case .invoking, .noting, .handingOver: return
        case .none, .holding: stopped(.asked)
        }
    }

    mutating func stopped(_ reason: StopReason) {
        phase = .stopped(reason)
        trace(.stopped(reason))
        act(.stopped(reason))
    }

    /// Asks for a tick when the next decision becomes due.
    private mutating func settleWake(_ now: Moment) {
        let wake = phase == .running ? nextWake(now) : nil
        guard wake != announcedWake else { return }
        announcedWake = wake
        act(.wait(until: wake))
    }

    private func nextWake(_ now: Moment) -> MonotonicTime? {
        switch work {
        case .invoking, .noting, .handingOver: return nil
        case .holding(_, let until): return until
        case .none: break
        }
        guard let unit = units.last else {
            guard settings.batchWindow > .zero, queue.readable > 0 else { return nil }
            return windowOpened.map { $0 + settings.batchWindow }
        }
        guard let notBefore = unit.notBefore, notBefore > now.monotonic else { return nil }
        guard let limit = settings.maximumRecordAge else { return notBefore }
        // The unit is given up when it reaches the age limit, not after the pause (ESM-A10).
        let left = unit.records[0].approximateArrivalTimestamp + limit - now.wall
        return min(notBefore, now.monotonic + max(left, .milliseconds(1)))
    }

    mutating func act(_ action: Action) { decisions.actions.append(action) }
    mutating func trace(_ event: TraceEvent) { decisions.trace.append(event) }
}
