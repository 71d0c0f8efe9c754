import StreamModel
import StreamStorage

/// The decisions for one shard of an event source mapping: a value without I/O, clocks or concurrency.
///
/// It is told what happens (``Event``) and when, by ``handle(_:at:)``, and answers what is to be done (``Action``) and
/// why (``TraceEvent``). All of batching and failure handling is here; a driver carries out the actions.
///
/// Records go from the queue of what was read (``RecordQueue``) into batches, which become units; a stack holds the
/// units of one batch, the next one on top. The lane works on one unit at a time, and everything of a batch is done
/// before the next one is closed.
package struct LaneCore: Sendable {
    /// Where a lane begins.
    package struct InitialState: Sendable {
        /// Everything up to here is done.
        package var position: SequenceNumber
        /// The tries of the first unit behind ``position`` that a process began and never ended, where the one before
        /// ended uncleanly; nil after an orderly end (ESM-A9).
        package var note: AttemptNote?
        /// Whether the process before ended uncleanly: then the tries of the first batch are noted (ESM-A9).
        package var notesAttempts: Bool

        package init(position: SequenceNumber, note: AttemptNote? = nil, notesAttempts: Bool = false) {
            self.position = position
            self.note = note
            self.notesAttempts = notesAttempts
        }
    }

    /// What the lane is about, for listings.
    package enum Status: Hashable, Sendable {
        /// Not started, or stopped.
        case stopped
        /// No record is there.
        case idle
        /// Records are there and the batch waits to fill, at the latest until then; nil: until the read in flight ends.
        case filling(until: MonotonicTime?)
        /// The function has the unit.
        case invoking(UnitSpan, attempt: Int)
        /// The unit waits before it goes to the function again, or for a write.
        case waiting(UnitSpan, attempts: Int, until: MonotonicTime?)
        /// Records wait to be taken by the failure destination, which has failed so often.
        case handingOver(GiveUpSpan, failures: Int)
    }

    enum Phase: Hashable, Sendable {
        case new
        case running
        case stopping
        case stopped(StopReason)
    }

    /// What the lane waits for before it can decide anything more about its units.
    enum Work: Sendable {
        case none
        case invoking(Invocation)
        case noting(AttemptNote)
        case handingOver(GiveUp)
        /// A delivery failed and is tried again at that moment.
        case holding(GiveUp, until: MonotonicTime)
    }

    /// The settings in force.
    package internal(set) var settings: Settings
    /// What the lane has done so far.
    package internal(set) var counters = Counters()
    /// Everything up to here is done.
    package internal(set) var donePosition: SequenceNumber
    /// Everything up to here is done, and the checkpoint that says so is durable.
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
    /// Whether the last read showed everything that was there.
    var isAtTip = false
    var shardHasEnded = false
    /// Retention has removed everything up to here.
    var horizon = SequenceNumber.zero
    /// Everything up to here has left the queue.
    var takenPosition: SequenceNumber
    /// Nothing after this number is wanted; nil: everything is.
    var goal: SequenceNumber?

    // Units.
    /// Of one batch; the last one is next.
    var units: [Unit] = []
    var unitCount = 0
    var batchCount = 0
    var invocationCount = 0
    /// Records and bytes of the batch that is worked on: held until all of it is done.
    var batchHolds = (records: 0, bytes: 0)
    var windowOpened: MonotonicTime?
    /// The function was sent everything up to here.
    var sentPosition: SequenceNumber
    var deliveryFailures = 0

    // Protection of a function that does nothing but fail (ESM-A8).
    var failedInARow = 0
    var failedPosition = SequenceNumber.zero
    var protectionWaits = 0

    // Checkpoints.
    /// Where units ended whose end isn't durable.
    var unpersisted: [SequenceNumber] = []
    var openCheckpoint: (position: SequenceNumber, isShardEnd: Bool)?

    // Attempts across a crash (ESM-A9).
    var crashNote: AttemptNote?
    var notesAttempts: Bool
    var noted: (unit: Int, attempts: Int)?

    var announcedWake: MonotonicTime?

    /// A lane that begins there. `jitterSeed` decides the random part of its pauses; `denseNumbers`: the shard's
    /// numbers have no gaps, so that records that were never seen can be counted.
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

    /// Takes note of what happened and decides what is to be done. Both clocks are read by the caller; the monotonic
    /// one must not go back between two calls.
    package mutating func handle(_ event: Event, at now: Moment) -> Decisions {
        var decisions = Decisions()
        handle(event, at: now, into: &decisions)
        return decisions
    }

    /// The same into decisions that were cleared, so that many of them need memory only once.
    package mutating func handle(_ event: Event, at now: Moment, into decisions: inout Decisions) {
        swap(&self.decisions, &decisions)
        defer { swap(&self.decisions, &decisions) }
        switch event {
        case .start: start()
        case .goal(let position): goal = position
        case .read(let number, let result):
            // What was due at this moment comes first: these records are not in it (ESM-B11).
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

    /// Whether the lane holds nothing and everything it has done is durable.
    package var isIdle: Bool {
        guard case .none = work else { return false }
        return queue.isEmpty && units.isEmpty && openCheckpoint == nil && unpersisted.isEmpty
    }

    /// Whether nothing is to be done before a record comes, but for hearing that what is done is durable.
    package var waitsForRecords: Bool {
        guard phase == .running, case .none = work, queue.isEmpty, units.isEmpty, !shardHasEnded else { return false }
        return openCheckpoint.map { $0.position == donePosition } ?? (donePosition == persistedPosition)
    }

    /// The first record that is not done, of those that were read: shows how far a blocked lane is behind (ESM-M1).
    package var oldestHeldRecord: Record? {
        switch work {
        case .handingOver(let giveUp), .holding(let giveUp, _): giveUp.records.first
        case .none, .invoking, .noting: units.last?.records.first ?? queue.first
        }
    }

    /// Records that the lane holds in memory.
    package var heldRecords: Int { queue.count + batchHolds.records }

    /// What the lane is about.
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

    /// Nothing more is invoked; what was read and isn't in a unit is let go (ESM-L3). Units stay, with their attempts,
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

    /// Counts what the lane holds as let go, when it is not to go on: it is read again by the next one.
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

    /// Does everything that can be done now, and says what to wait for.
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

    /// One decision about the units; true if there may be another one to take.
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

    /// Asks to be woken when the next thing becomes due.
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
        // The unit ends when its age does, not after the pause (ESM-A10).
        let left = unit.records[0].approximateArrivalTimestamp + limit - now.wall
        return min(notBefore, now.monotonic + max(left, .milliseconds(1)))
    }

    mutating func act(_ action: Action) { decisions.actions.append(action) }
    mutating func trace(_ event: TraceEvent) { decisions.trace.append(event) }
}
