import StreamModel
import StreamStorage

/// The decisions for one lane of a shard: closes batches from the lane's queue, and brings the records of each batch to
/// their end before it closes the next one. A value without I/O, clocks or concurrency, owned by ``ShardCore``.
///
/// A batch becomes a unit, which a failure can split. A stack holds the units of one batch, the next one on top. What
/// all lanes of a shard have in common is in ``ShardCore/Shared``.
package struct LaneCore: Sendable {
    /// What the lane does now. Each stage carries what it needs.
    enum Stage: Sendable {
        /// There is no unit, and the next batch collects records. Its window opened at this moment; nil: it has none.
        case collecting(windowOpened: MonotonicTime?)
        /// The unit on top is looked at again when its pause is over, or a checkpoint is durable.
        case deciding
        /// The attempt of the unit on top has to be durable before it is made (ESM-A9).
        indirect case noting(AttemptNote)
        /// The function has the unit on top, and gets the units below it if it succeeds: the calls that are left, at
        /// least one.
        case invoking(ArraySlice<Invocation>)
        /// Records that were given up are on their way to the failure destination.
        indirect case delivering(Delivery)
    }

    /// A hand-over to the failure destination.
    struct Delivery: Sendable {
        enum Step: Sendable {
            /// It can begin.
            case due
            /// The destination has the records.
            case open
            /// It failed, and is repeated at this moment.
            case failed(until: MonotonicTime)
        }

        var giveUp: GiveUp
        var step = Step.due
        /// How often it failed.
        var failures = 0
    }

    /// What the lane does about attempts that a crash must not forget (ESM-A9).
    enum CrashGuard: Sendable {
        /// Nothing: the process before ended cleanly, or the first batch is done.
        case off
        /// The first batch is the unit of this note, which the process before did not end.
        indirect case resuming(AttemptNote)
        /// The attempts of the first batch are noted before they are made; the unit and its failed attempts that were
        /// noted last.
        case noting(last: (unit: Int, attempts: Int)?)
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
        /// The shard delivers nothing until an operator acts.
        indirect case paused(PausedShard)
        /// Records wait for the failure destination, which has failed the given number of times.
        case handingOver(GiveUpSpan, failures: Int)
    }

    /// The most lanes of a shard (ESM-S11).
    package static let mostLanes = 10

    /// The lane's number in its shard, from 0.
    let number: Int
    var queue = RecordQueue()
    var stage = Stage.collecting(windowOpened: nil)
    /// The units of one batch, as a stack; the last one is next.
    var units: [Unit] = []
    /// Records and bytes of the current batch. They count as held until the whole batch is done.
    var batchHolds = (records: 0, bytes: 0)
    var batchCount = 0
    /// Every record of the lane up to this number has left the queue.
    var takenPosition: SequenceNumber
    /// Every record of the lane up to this number was sent to the function.
    var sentPosition: SequenceNumber
    /// The ends of finished units without a durable checkpoint.
    var unsaved: [SequenceNumber] = []
    var crashGuard: CrashGuard
    /// The attempts of the lane's first unit, as the next checkpoint says them (ESM-A9).
    @Rare var note: AttemptNote?
    /// The tumbling window of the records that were taken last; nil: the lane has no windows.
    @Rare var window: Window?
    /// When the lane may ask for the next read that shows what can still arrive (ESM-T5).
    var nextLook: MonotonicTime?
    /// The attempts of the window's final invocation, which the process before did not end (ESM-A9).
    @Rare var finalNote: AttemptNote?

    // Protection of a function that keeps failing (ESM-A8).
    var failedInARow = 0
    var failedPosition = SequenceNumber.zero
    var protectionWaits = 0

    /// A lane whose records up to `position` are done. `note` has the attempts of the unit after it that the process
    /// before did not end; `notesAttempts` says that the attempts of the first batch are noted (ESM-A9). `window` is the
    /// tumbling window as of `position` (ESM-T8).
    init(
        _ number: Int, after position: SequenceNumber, note: AttemptNote?, notesAttempts: Bool, window: Window? = nil
    ) {
        self.number = number
        takenPosition = position
        sentPosition = position
        self.note = note
        self.window = window
        if let note, note.last <= position, window?.isOpen == true {
            finalNote = note
            crashGuard = .noting(last: nil)
        } else {
            crashGuard = note.map { .resuming($0) } ?? (notesAttempts ? .noting(last: nil) : .off)
        }
    }

    /// The first number of the lane that is not done; nil if everything that the lane got is done.
    var firstUndone: SequenceNumber? {
        if case .delivering(let delivery) = stage, !delivery.giveUp.isOfWindow {
            return delivery.giveUp.takenThrough?.advanced(by: 1) ?? delivery.giveUp.first
        }
        // All records that a final invocation is about are done.
        return units.last { !$0.isFinal }?.first ?? queue.firstNumber
    }

    /// The first record that was read and is not done. Its age shows how far a blocked lane is behind (ESM-M1).
    var oldestHeldRecord: Record? {
        if case .delivering(let delivery) = stage { return delivery.giveUp.records.first }
        return units.last?.records.first ?? queue.first
    }

    /// The number of records that the lane holds in memory.
    var heldRecords: Int { queue.count + batchHolds.records }
    /// The bytes of the records that the lane holds in memory.
    var heldBytes: Int { queue.bytes + batchHolds.bytes }

    /// Whether the lane holds no record.
    var isEmpty: Bool {
        guard case .collecting = stage else { return false }
        return queue.isEmpty
    }

    /// Whether there is no unit.
    var isCollecting: Bool { if case .collecting = stage { true } else { false } }

    /// Whether the attempts of the lane's first batch are noted, and it is not done (ESM-A9).
    var notesAttempts: Bool { if case .off = crashGuard { false } else { true } }

    /// Whether the first batch is the unit of a note, and is not there yet.
    var isResuming: Bool { if case .resuming = crashGuard { true } else { false } }

    /// Whether records that were given up are on their way to the failure destination.
    var isDelivering: Bool { if case .delivering = stage { true } else { false } }

    /// Whether the lane waits for an answer without which it can't stop.
    var isBusy: Bool {
        switch stage {
        case .invoking: true
        case .delivering(let delivery): if case .open = delivery.step { true } else { false }
        case .collecting, .deciding, .noting: false
        }
    }

    func status(_ settings: Settings) -> Status {
        switch stage {
        case .invoking(let calls): return .invoking(calls.first!.unit.span, attempt: calls.first!.attempt)
        case .delivering(let delivery): return .handingOver(delivery.giveUp.span, failures: delivery.failures)
        case .deciding, .noting:
            guard let unit = units.last else { return .idle }
            return .waiting(unit.span, attempts: unit.attempts, until: unit.notBefore)
        case .collecting(let opened):
            guard queue.readable > 0 else { return .idle }
            return .filling(until: opened.map { $0 + settings.batchWindow })
        }
    }

    // MARK: - Life

    /// Makes one decision. Returns true if there may be more to decide.
    mutating func step(_ shared: inout Shared, _ now: Moment) -> Bool {
        switch stage {
        case .collecting(let opened): return closeBatch(windowOpened: opened, &shared, now)
        case .deciding: return decide(&shared, now)
        case .delivering(let delivery): return deliverAgain(delivery, &shared, now)
        case .noting, .invoking: return false
        }
    }

    /// Goes on with the next unit, which waits for no window (ESM-B9), or with the next batch if there is none.
    mutating func goOn() {
        guard units.isEmpty else {
            stage = .deciding
            return
        }
        stage = .collecting(windowOpened: nil)
        batchHolds = (0, 0)
    }

    /// Releases the records that are not in a unit. The shard reads them again.
    mutating func releaseQueue(_ shared: inout Shared) {
        shared.counters.released += queue.count
        queue.removeAll()
        if case .collecting = stage { stage = .collecting(windowOpened: nil) }
    }

    /// Releases the records after `position` that are not in a unit.
    mutating func cutQueue(after position: SequenceNumber, _ shared: inout Shared) {
        shared.counters.released += queue.cut(after: position)
    }

    /// Releases and counts all records, when the shard doesn't go on.
    mutating func release(_ shared: inout Shared) {
        releaseQueue(&shared)
        if case .delivering(let delivery) = stage {
            shared.counters.released += delivery.giveUp.records.count - delivery.giveUp.recordsTaken
        }
        shared.counters.released += units.reduce(0) { $0 + $1.records.count }
        units = []
        goOn()
    }

    /// When the lane has to decide again; nil: after an event.
    func nextWake(_ shared: borrowing Shared, _ now: Moment) -> MonotonicTime? {
        switch stage {
        case .noting, .invoking: return nil
        case .delivering(let delivery): if case .failed(let until) = delivery.step { return until } else { return nil }
        case .collecting(let opened): return nextWake(shared, now, batchOpened: opened)
        case .deciding: break
        }
        guard let unit = units.last, let notBefore = unit.notBefore, notBefore > now.monotonic else { return nil }
        guard let limit = shared.settings.maximumRecordAge else { return notBefore }
        // The unit is given up when it reaches the age limit, not after the pause (ESM-A10).
        let left = ageBegins(unit) + limit - now.wall
        return min(notBefore, now.monotonic + max(left, .milliseconds(1)))
    }

    /// Waits no longer for the unit of a note whose records were read and did not come to the lane: they have expired, or
    /// a filter drops them.
    mutating func endResuming(read position: SequenceNumber) {
        guard case .resuming(let note) = crashGuard, queue.isEmpty, position >= note.last else { return }
        crashGuard = .noting(last: nil)
        self.note = nil
    }

    /// Everything of the lane up to here is done (ESM-P6, ESM-P8).
    mutating func finished(_ position: SequenceNumber) {
        unsaved.append(position)
        note = nil
    }

    /// A checkpoint is durable that says that the lane is done up to this number, with this note.
    mutating func saved(through position: SequenceNumber, _ note: AttemptNote?) {
        unsaved.removeAll { $0 <= position }
        guard case .noting(let open) = stage, note == open else { return }
        stage = .deciding
        if let unit = units.last { crashGuard = .noting(last: (unit.id, open.count - 1)) }
    }
}
