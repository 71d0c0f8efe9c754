import DequeModule
import DiskAccess
import StreamModel

/// The state and the decisions of a producer: a value without clock or tasks. The producer guards it with a lock, and
/// runs the resumptions that a call returns after releasing the lock.
struct ProducerQueue {
    struct Item: Sendable {
        let record: NewRecord
        let tag: UInt64
        let acceptedAt: MonotonicTime
        var size: Int { record.partitionKey.utf8.count + record.data.count }
    }

    typealias Answer = Result<Void, any Error>

    enum Step {
        case send([Item])
        case linger(until: MonotonicTime)
        case waitForRecords
        case end
    }

    /// What is known about the batch in flight when the producer fails.
    enum LastBatch { case acknowledged, notWritten, inDoubt }

    private let configuration: Producer.Configuration
    /// Accepted and not yet sent.
    private var items: Deque<Item> = []
    private var itemBytes = 0
    private var inFlight: [Item] = []
    private var inFlightBytes = 0
    /// Callers that wait for room for their record.
    private var waiters = WaitList<Item, Answer>()
    /// Callers that wait until the given number of records is acknowledged.
    private var flushes = WaitList<Int, Answer>()
    /// The sending task where it waits, with whether it waits until the next batch is urgent, or else for any record.
    private var sender = WaitList<Bool, Answer>()
    private var accepted = 0
    private var acknowledged = 0
    private var flushTarget = 0
    private var hasBegun = false
    private var isFinished = false
    /// The error that ended the producer.
    private(set) var failure: (any Error)?

    init(_ configuration: Producer.Configuration) { self.configuration = configuration }

    private func hasRoom(for item: Item) -> Bool {
        let bytes = itemBytes + inFlightBytes
        guard items.count + inFlight.count < configuration.bufferedRecords else { return false }
        // A record larger than the whole buffer is accepted when the buffer is empty.
        return bytes == 0 || bytes + item.size <= configuration.bufferedBytes
    }

    /// Whether the next batch is due at once.
    private var isUrgent: Bool {
        isFinished || !waiters.isEmpty || flushTarget > acknowledged + inFlight.count
            || items.count >= configuration.maximumBatchRecords || itemBytes >= configuration.maximumBatchBytes
    }

    // MARK: Accepting

    /// Accepts a record; nil where it has to wait for room.
    mutating func accept(_ item: Item) throws -> Resumptions<Answer>? {
        try check()
        // A new record does not overtake callers that wait.
        guard waiters.isEmpty, hasRoom(for: item) else { return nil }
        append(item)
        return wakeSenderIfDue()
    }

    private func check() throws {
        if let failure { throw failure }
        if isFinished { throw ShardlineError(.closed, "the producer is closed: it takes no more records") }
    }

    private mutating func append(_ item: Item) {
        items.append(item)
        itemBytes += item.size
        accepted += 1
    }

    mutating func wait(
        _ item: Item, _ waiter: Waiter<Answer>
    ) -> (registration: Registration<Answer>, resumptions: Resumptions<Answer>) {
        do {
            // There may be room by now.
            if let resumptions = try accept(item) { return (.answered(.success(())), resumptions) }
        } catch {
            return (.answered(.failure(error)), Resumptions())
        }
        let registration = waiters.add(waiter, for: item)
        return (registration, wakeSenderIfDue())
    }

    mutating func removeWaiter(_ id: WaiterID) -> (waiter: Waiter<Answer>?, resumptions: Resumptions<Answer>) {
        let waiter = waiters.remove(id)
        // A smaller record after it may have room.
        return (waiter, admitWaiters())
    }

    private mutating func admitWaiters() -> Resumptions<Answer> {
        var admitted = Resumptions<Answer>()
        while let item = waiters.first, hasRoom(for: item) {
            append(item)
            admitted.append(contentsOf: waiters.answerFirst(with: .success(())))
        }
        var resumptions = wakeSenderIfDue()
        resumptions.append(contentsOf: admitted)
        return resumptions
    }

    // MARK: The sender

    /// False for every call but the first.
    mutating func begin() -> Bool {
        defer { hasBegun = true }
        return !hasBegun
    }

    private func isSenderDue(untilUrgent: Bool) -> Bool { untilUrgent ? isUrgent : isFinished || !items.isEmpty }

    private mutating func wakeSenderIfDue() -> Resumptions<Answer> {
        guard let untilUrgent = sender.first, isSenderDue(untilUrgent: untilUrgent) else { return Resumptions() }
        return sender.answerFirst(with: .success(()))
    }

    mutating func sleep(untilUrgent: Bool, _ waiter: Waiter<Answer>) -> Registration<Answer> {
        isSenderDue(untilUrgent: untilUrgent) ? .answered(.success(())) : sender.add(waiter, for: untilUrgent)
    }

    mutating func removeSender(_ id: WaiterID) -> Waiter<Answer>? { sender.remove(id) }

    mutating func nextStep(now: MonotonicTime) -> Step {
        if failure != nil { return .end }
        guard let first = items.first else { return isFinished ? .end : .waitForRecords }
        let deadline = first.acceptedAt + configuration.linger
        guard isUrgent || now >= deadline else { return .linger(until: deadline) }
        while let item = items.first, inFlight.count < configuration.maximumBatchRecords,
            inFlight.isEmpty || inFlightBytes + item.size <= configuration.maximumBatchBytes
        {
            inFlight.append(item)
            inFlightBytes += item.size
            itemBytes -= item.size
            items.removeFirst()
        }
        return .send(inFlight)
    }

    mutating func acknowledge() -> Resumptions<Answer> {
        acknowledged += inFlight.count
        inFlight = []
        inFlightBytes = 0
        var resumptions = admitWaiters()
        let acknowledged = acknowledged
        resumptions.append(contentsOf: flushes.answerAll(where: { $0 <= acknowledged }, with: .success(())))
        return resumptions
    }

    // MARK: Ending

    mutating func flush(
        _ waiter: Waiter<Answer>
    ) -> (registration: Registration<Answer>, resumptions: Resumptions<Answer>) {
        if let failure { return (.answered(.failure(failure)), Resumptions()) }
        guard acknowledged < accepted else { return (.answered(.success(())), Resumptions()) }
        let registration = flushes.add(waiter, for: accepted)
        guard case .waiting = registration else { return (registration, Resumptions()) }
        flushTarget = accepted
        return (registration, wakeSenderIfDue())
    }

    mutating func removeFlush(_ id: WaiterID) -> Waiter<Answer>? { flushes.remove(id) }

    mutating func finish() -> Resumptions<Answer> {
        isFinished = true
        return wakeSenderIfDue()
    }

    /// Ends the producer: nothing more is accepted or sent.
    mutating func fail(_ reason: any Error, lastBatch: LastBatch) -> Resumptions<Answer> {
        if lastBatch == .acknowledged { acknowledged += inFlight.count }
        let unacknowledged = UnacknowledgedRecords(
            acknowledged: acknowledged, inDoubt: lastBatch == .inDoubt ? inFlight.map(\.tag) : [],
            notWritten: (lastBatch == .notWritten ? inFlight.map(\.tag) : []) + items.map(\.tag), reason: reason)
        let error = Self.error(for: reason, unacknowledged)
        failure = error
        var resumptions = sender.answerAll(with: .success(()))
        resumptions.append(contentsOf: waiters.answerAll(with: .failure(error)))
        resumptions.append(contentsOf: flushes.answerAll(with: .failure(error)))
        items = []
        itemBytes = 0
        inFlight = []
        inFlightBytes = 0
        return resumptions
    }

    private static func error(for reason: any Error, _ unacknowledged: UnacknowledgedRecords) -> any Error {
        switch reason {
        case let reason as ShardlineError:
            // Where records are in doubt, the code is `outcomeUnknown` whatever the store's reason, except for
            // `ownerGone`, which tells the caller more.
            let code: ShardlineError.Code =
                unacknowledged.inDoubt.isEmpty || reason.code == .ownerGone ? reason.code : .outcomeUnknown
            return ShardlineError(code, "\(reason.message); \(unacknowledged)", cause: unacknowledged)
        case is CancellationError:
            return ShardlineError(.closed, "the producer was cancelled; \(unacknowledged)", cause: unacknowledged)
        default:
            guard unacknowledged.inDoubt.isEmpty else {
                return ShardlineError(.outcomeUnknown, "\(reason); \(unacknowledged)", cause: unacknowledged)
            }
            return reason
        }
    }
}
