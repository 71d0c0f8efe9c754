import StreamModel

/// What a mapping has done since it was made in this process, over all its runs and shards.
public struct MappingStatistics: Hashable, Sendable {
    /// Records that the function has done.
    public var delivered = 0
    /// Calls that reached the function.
    public var invocations = 0
    /// Calls that failed, partial failures included.
    public var errors = 0
    /// Calls with a unit that had been called with before.
    public var retries = 0
    /// Units that were cut in two because one of them failed.
    public var splits = 0
    /// Records that were given up.
    public var givenUp = 0
    /// Records that were given up, by why.
    public var givenUpByCondition: [GiveUpCondition: Int] = [:]
    /// Records that the failure destination has taken.
    public var deliveredToDestination = 0
    /// Records given up that no destination took.
    public var dropped = 0
    /// Records that retention ended before they were done, as far as their number is known.
    public var expired = 0
    /// Records that came again after a restart or a seek, as far as it is known what was sent before (ESM-P7).
    public var redelivered = 0
    /// Records that were sent to the function again within a run: retries, halves, what follows a bad record.
    public var sentAgain = 0
    /// Records read.
    public var polled = 0
    /// Batches closed, by cause: `size`, `window`, `payload`, `shardEnd`, `gap`, `memory`, `crash`.
    public var batches: [String: Int] = [:]
    /// The age of the last record of the latest batch when it was sent; nil before the first.
    public var iteratorAge: Duration?
    /// The greatest of these ages.
    public var greatestIteratorAge: Duration?

    mutating func add(_ counters: LaneCore.Counters) {
        delivered += counters.succeeded
        invocations += counters.invocations
        errors += counters.errors
        retries += counters.retries
        splits += counters.splits
        givenUp += counters.givenUp
        givenUpByCondition.merge(counters.givenUpRecords, uniquingKeysWith: +)
        deliveredToDestination += counters.destinationDelivered
        dropped += counters.dropped
        expired += counters.expired
        sentAgain += counters.resentRecords
        polled += counters.polled
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
