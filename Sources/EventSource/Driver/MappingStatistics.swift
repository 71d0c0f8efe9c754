import StreamModel

/// What an ``EventSourceMapping`` object has done since it was created, over all its runs and shards.
public struct MappingStatistics: Hashable, Sendable {
    /// Records read. A record that is read again counts again.
    public var polled = 0
    /// Records that no filter matched (``EventSourceMapping/Configuration/filters``). They are done.
    public var filteredOut = 0
    /// Records that the function processed successfully.
    public var delivered = 0
    /// Calls that reached the function.
    public var invocations = 0
    /// Records of these calls. A record that is sent again counts again.
    public var invokedRecords = 0
    /// Calls that failed, including partial failures.
    public var errors = 0
    /// Records of the calls that failed.
    public var failedInvokedRecords = 0
    /// Calls that did not reach the function. They are counted neither as invocations nor as errors.
    public var throttles = 0
    /// Calls that repeated an earlier call with the same unit.
    public var retries = 0
    /// Units that were halved, or whose first record was isolated, because a call failed.
    public var splits = 0
    /// Calls that completed a part of their records.
    public var partialSuccesses = 0
    /// Records that were parked with their keys (``EventSourceMapping/Configuration/whenExhausted``): they wait in the
    /// parking stream.
    public var parked = 0
    /// Records that were given up.
    public var givenUp = 0
    /// Records that were given up, by condition.
    public var givenUpByCondition: [GiveUpCondition: Int] = [:]
    /// Records that the failure destination has taken.
    public var deliveredToDestination = 0
    /// The part of ``deliveredToDestination`` that was never read, because the records had expired or were lost before.
    public var deliveredUnread = 0
    /// Deliveries to the failure destination that failed; they are repeated.
    public var destinationFailures = 0
    /// Records given up that no destination took, not counting expired and lost records.
    public var dropped = 0
    /// Records that expired before they were done, as far as their number is known.
    public var expired = 0
    /// The part of ``expired`` that had been read and that no destination took.
    public var expiredUnkept = 0
    /// Records in lost ranges that no run had read before, as far as their number is known.
    public var lost = 0
    /// Records that arrived before the tumbling window that they joined. Only a clock that was set back makes one.
    public var late = 0
    /// Records that were read and released undone when the run ended; the next run reads them again.
    public var released = 0
    /// Records that were sent again and are known to have been sent before: by an earlier run of this object, before a
    /// seek during a run, or in the unit whose attempts an uncleanly ended run had noted in the store (ESM-A9).
    ///
    /// The store keeps what is done, not what was sent. Other records that another process has sent, and those before a
    /// seek between two runs, are delivered again (ESM-P7) without being counted here.
    public var redelivered = 0
    /// Records that were sent to the function again within a run: in retries, in parts of a failed unit, and after a
    /// reported record.
    public var sentAgain = 0
    /// Closed batches, by cause.
    public var batches: [BatchCause: Int] = [:]
    /// Checkpoint moves that became durable.
    public var checkpoints = 0
    /// The age of the last record of the latest batch when it was sent; nil before the first.
    public var iteratorAge: Duration?
    /// The maximum of these ages.
    public var greatestIteratorAge: Duration?

    /// Records that were read and are done, filtered out, parked, given up, or released. Equals ``polled`` when no run is active (ESM-M9);
    /// during a run the difference is the number of records that it holds.
    public var settled: Int {
        delivered + parked + dropped + (deliveredToDestination - deliveredUnread) + expiredUnkept + released
            + filteredOut
    }

    mutating func add(_ counters: LaneCore.Counters) {
        polled += counters.polled
        filteredOut += counters.filteredOut
        delivered += counters.succeeded
        invocations += counters.invocations
        invokedRecords += counters.invokedRecords
        errors += counters.errors
        failedInvokedRecords += counters.failedInvokedRecords
        throttles += counters.notReached
        retries += counters.retries
        splits += counters.splits
        partialSuccesses += counters.partialSuccesses
        parked += counters.parked
        givenUp += counters.givenUp
        givenUpByCondition.merge(counters.givenUpRecords, uniquingKeysWith: +)
        deliveredToDestination += counters.destinationDelivered
        deliveredUnread += counters.deliveredUnread
        destinationFailures += counters.destinationFailures
        dropped += counters.dropped
        expired += counters.expired
        expiredUnkept += counters.expiredUnkept
        lost += counters.lost
        late += counters.late
        released += counters.released
        sentAgain += counters.resentRecords
        checkpoints += counters.checkpoints
        for (cause, count) in counters.batches.found { batches[BatchCause(cause), default: 0] += count }
    }
}

extension MappingStatistics: CustomStringConvertible {
    /// The most important figures in one line.
    public var description: String {
        var parts = [
            "delivered \(delivered)", "invocations \(invocations), \(errors) of them failed", "given up \(givenUp)",
        ]
        let conditions = givenUpByCondition.filter { $0.value > 0 }.sorted { $0.key.rawValue < $1.key.rawValue }
        if !conditions.isEmpty {
            parts[2] += " (" + conditions.map { "\($0.key) \($0.value)" }.joined(separator: ", ") + ")"
        }
        if parked > 0 { parts.append("parked \(parked)") }
        if filteredOut > 0 { parts.append("filtered out \(filteredOut)") }
        if dropped > 0 { parts.append("dropped \(dropped)") }
        if expired > 0 { parts.append("expired \(expired)") }
        if redelivered > 0 { parts.append("redelivered \(redelivered)") }
        if sentAgain > 0 { parts.append("sent again \(sentAgain)") }
        return parts.joined(separator: ", ")
    }
}
