import DequeModule
import StreamModel

/// The state and the decisions of a producer: a value without clock or tasks. The producer guards it with a lock, and
/// resumes the continuations that a call returns after releasing the lock.
struct ProducerQueue {
    struct Item: Sendable {
        let record: NewRecord
        let tag: UInt64
        let acceptedAt: MonotonicTime
        var size: Int { record.partitionKey.utf8.count + record.data.count }
    }

    /// The continuations to resume after the lock is released.
    struct Resumption: Sendable {
        var woken: [CheckedContinuation<Void, Never>] = []
        var succeeded: [CheckedContinuation<Void, any Error>] = []
        var failed: [CheckedContinuation<Void, any Error>] = []
        var error: any Error = CancellationError()

        func run() {
            for continuation in woken { continuation.resume() }
            for continuation in succeeded { continuation.resume() }
            for continuation in failed { continuation.resume(throwing: error) }
        }
    }

    enum Accepted {
        case accepted(Resumption)
        case wait
    }

    enum Step {
        case send([Item])
        case linger(until: MonotonicTime)
        case waitForRecords
        case end
    }

    /// What is known about the batch in flight when the producer fails.
    enum LastBatch { case acknowledged, notWritten, inDoubt }

    private struct Waiter {
        let id: UInt64
        let item: Item
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct Flush {
        let id: UInt64
        /// Reached when this many records are acknowledged.
        let target: Int
        let continuation: CheckedContinuation<Void, any Error>
    }

    private let configuration: Producer.Configuration
    /// Accepted and not yet sent.
    private var items: Deque<Item> = []
    private var itemBytes = 0
    private var inFlight: [Item] = []
    private var inFlightBytes = 0
    /// Callers that wait for room, in order.
    private var waiters: Deque<Waiter> = []
    private var flushes: [Flush] = []
    private var sender: (untilUrgent: Bool, continuation: CheckedContinuation<Void, Never>)?
    private var lastWaiter: UInt64 = 0
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

    mutating func accept(_ item: Item) throws -> Accepted {
        try check()
        // A new record does not overtake callers that wait.
        guard waiters.isEmpty, hasRoom(for: item) else { return .wait }
        append(item)
        return .accepted(wakeSenderIfDue())
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

    mutating func newWaiterID() -> UInt64 {
        lastWaiter += 1
        return lastWaiter
    }

    mutating func wait(
        _ item: Item, id: UInt64, isCancelled: Bool, _ continuation: CheckedContinuation<Void, any Error>
    ) -> Resumption {
        if isCancelled { return Resumption(failed: [continuation]) }
        do { try check() } catch { return Resumption(failed: [continuation], error: error) }
        waiters.append(Waiter(id: id, item: item, continuation: continuation))
        // There may be room by now.
        return admitWaiters()
    }

    mutating func cancelWaiter(_ id: UInt64) -> Resumption {
        guard let index = waiters.firstIndex(where: { $0.id == id }) else { return Resumption() }
        let waiter = waiters.remove(at: index)
        var resumption = admitWaiters()
        resumption.failed.append(waiter.continuation)
        return resumption
    }

    private mutating func admitWaiters() -> Resumption {
        var admitted: [CheckedContinuation<Void, any Error>] = []
        while let first = waiters.first, hasRoom(for: first.item) {
            append(first.item)
            admitted.append(first.continuation)
            waiters.removeFirst()
        }
        var resumption = wakeSenderIfDue()
        resumption.succeeded += admitted
        return resumption
    }

    // MARK: The sender

    /// False for every call but the first.
    mutating func begin() -> Bool {
        defer { hasBegun = true }
        return !hasBegun
    }

    private mutating func wakeSenderIfDue() -> Resumption {
        guard let sender, sender.untilUrgent ? isUrgent : isFinished || !items.isEmpty else { return Resumption() }
        return wake()
    }

    mutating func wake() -> Resumption {
        guard let waiting = sender else { return Resumption() }
        sender = nil
        return Resumption(woken: [waiting.continuation])
    }

    mutating func sleep(
        untilUrgent: Bool, isCancelled: Bool, _ continuation: CheckedContinuation<Void, Never>
    ) -> Resumption {
        if isCancelled { return Resumption(woken: [continuation]) }
        sender = (untilUrgent, continuation)
        return wakeSenderIfDue()
    }

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

    mutating func acknowledge() -> Resumption {
        acknowledged += inFlight.count
        inFlight = []
        inFlightBytes = 0
        var resumption = admitWaiters()
        resumption.succeeded += flushes.filter { $0.target <= acknowledged }.map(\.continuation)
        flushes.removeAll { $0.target <= acknowledged }
        return resumption
    }

    // MARK: Ending

    mutating func flush(
        id: UInt64, isCancelled: Bool, _ continuation: CheckedContinuation<Void, any Error>
    ) -> Resumption {
        if isCancelled { return Resumption(failed: [continuation]) }
        if let failure { return Resumption(failed: [continuation], error: failure) }
        guard acknowledged < accepted else { return Resumption(succeeded: [continuation]) }
        flushTarget = accepted
        flushes.append(Flush(id: id, target: accepted, continuation: continuation))
        return wakeSenderIfDue()
    }

    mutating func cancelFlush(_ id: UInt64) -> Resumption {
        guard let index = flushes.firstIndex(where: { $0.id == id }) else { return Resumption() }
        return Resumption(failed: [flushes.remove(at: index).continuation])
    }

    mutating func finish() -> Resumption {
        isFinished = true
        return wakeSenderIfDue()
    }

    /// Ends the producer: nothing more is accepted or sent.
    mutating func fail(_ reason: any Error, lastBatch: LastBatch) -> Resumption {
        if lastBatch == .acknowledged { acknowledged += inFlight.count }
        let unacknowledged = UnacknowledgedRecords(
            acknowledged: acknowledged, inDoubt: lastBatch == .inDoubt ? inFlight.map(\.tag) : [],
            notWritten: (lastBatch == .notWritten ? inFlight.map(\.tag) : []) + items.map(\.tag), reason: reason)
        failure = Self.error(for: reason, unacknowledged)
        var resumption = wake()
        resumption.failed = waiters.map(\.continuation) + flushes.map(\.continuation)
        if let failure { resumption.error = failure }
        waiters = []
        flushes = []
        items = []
        itemBytes = 0
        inFlight = []
        inFlightBytes = 0
        return resumption
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
