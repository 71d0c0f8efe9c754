import StreamModel

/// What a mapping has done since it was made in this process, over all its runs and shards.
public struct MappingStatistics: Hashable, Sendable {
    /// Records read. Read again, they count again.
    public var polled = 0
    /// Records that the function has done.
    public var delivered = 0
    /// Calls that reached the function.
    public var invocations = 0
    /// Records of these calls; sent again, they count again.
    public var invokedRecords = 0
    /// Calls that failed, partial failures included.
    public var errors = 0
    /// Records of the calls that failed.
    public var failedInvokedRecords = 0
    /// Tries that did not reach the function: no calls, and no errors.
    public var throttles = 0
    /// Calls with a unit that had been called with before.
    public var retries = 0
    /// Units that were cut in two because one of them failed.
    public var splits = 0
    /// Calls that did a part of their records.
    public var partialSuccesses = 0
    /// Records that were given up.
    public var givenUp = 0
    /// Records that were given up, by why.
    public var givenUpByCondition: [GiveUpCondition: Int] = [:]
    /// Records that the failure destination has taken.
    public var deliveredToDestination = 0
    /// Of these, records that were never read, as they had expired or were lost before.
    public var deliveredUnread = 0
    /// Deliveries to the failure destination that failed; they are repeated.
    public var destinationFailures = 0
    /// Records given up that no destination took, without those that had expired or were lost.
    public var dropped = 0
    /// Records that retention ended before they were done, as far as their number is known.
    public var expired = 0
    /// Of these, records that had been read and that no destination took.
    public var expiredUnkept = 0
    /// Records that were lost to damage before a run came to them, as far as their number is known.
    public var lost = 0
    /// Records that were read and that the run let go when it ended; the next run reads them again.
    public var released = 0
    /// Records that were sent again, of those that are known to have been sent before: by an earlier run of this mapping in
    /// this process, before a seek while it ran, or in the unit whose attempts a run that ended without order had noted in
    /// the store (ESM-A9).
    ///
    /// The store keeps what is done, not what was sent. What another process has sent otherwise, and what was done before a
    /// seek while nothing ran, comes again (ESM-P7) and is not counted here.
    public var redelivered = 0
    /// Records that were sent to the function again within a run: retries, halves, what follows a bad record.
    public var sentAgain = 0
    /// Batches closed, by cause: `size`, `window`, `payload`, `shardEnd`, `gap`, `memory`, `crash`, `caughtUp`.
    public var batches: [String: Int] = [:]
    /// Moves of checkpoints that are durable.
    public var checkpoints = 0
    /// The age of the last record of the latest batch when it was sent; nil before the first.
    public var iteratorAge: Duration?
    /// The greatest of these ages.
    public var greatestIteratorAge: Duration?

    /// Records that were read and that nothing more happens to: done, given up, or let go. Equals ``polled`` when no run
    /// goes on (ESM-M9); while one does, the difference is what it holds.
    public var settled: Int {
        delivered + dropped + (deliveredToDestination - deliveredUnread) + expiredUnkept + released
    }

    mutating func add(_ counters: LaneCore.Counters) {
        polled += counters.polled
        delivered += counters.succeeded
        invocations += counters.invocations
        invokedRecords += counters.invokedRecords
        errors += counters.errors
        failedInvokedRecords += counters.failedInvokedRecords
        throttles += counters.notReached
        retries += counters.retries
        splits += counters.splits
        partialSuccesses += counters.partialSuccesses
        givenUp += counters.givenUp
        givenUpByCondition.merge(counters.givenUpRecords, uniquingKeysWith: +)
        deliveredToDestination += counters.destinationDelivered
        deliveredUnread += counters.deliveredUnread
        destinationFailures += counters.destinationFailures
        dropped += counters.dropped
        expired += counters.expired
        expiredUnkept += counters.expiredUnkept
        lost += counters.lost
        released += counters.released
        sentAgain += counters.resentRecords
        checkpoints += counters.checkpoints
        for (cause, count) in counters.batches.found { batches["\(cause)", default: 0] += count }
    }
}

extension MappingStatistics: CustomStringConvertible {
    /// What an operator wants to know first, in one line.
    public var description: String {
        var parts = [
            "delivered \(delivered)", "invocations \(invocations), \(errors) of them failed", "given up \(givenUp)",
        ]
        let conditions = givenUpByCondition.filter { $0.value > 0 }.sorted { $0.key.rawValue < $1.key.rawValue }
        if !conditions.isEmpty {
            parts[2] += " (" + conditions.map { "\($0.key) \($0.value)" }.joined(separator: ", ") + ")"
        }
        if dropped > 0 { parts.append("dropped \(dropped)") }
        if expired > 0 { parts.append("expired \(expired)") }
        if redelivered > 0 { parts.append("redelivered \(redelivered)") }
        if sentAgain > 0 { parts.append("sent again \(sentAgain)") }
        return parts.joined(separator: ", ")
    }
}
