public import StreamModel

/// A read of one shard.
public struct ReadRequest: Sendable {
    /// What to do when there is nothing to read.
    public enum Wait: Hashable, Sendable {
        /// Return at once.
        case no
        /// Return as soon as something is there, at the latest after this time.
        case atMost(Duration)
        /// Return as soon as something is there, or the task is cancelled.
        case untilAvailable
    }

    /// The stream's name.
    public var stream: String
    /// The shard.
    public var shard: ShardID
    /// Read the records after this number. It is at most the shard's tip, or ``SequenceNumber/max`` in a closed shard.
    public var after: SequenceNumber
    /// The most records to return, at least 1. Default 10,000.
    public var maximumRecords: Int
    /// Return no further record once this many bytes are reached, at least 1; the first record is always returned.
    /// Default 1 MiB.
    public var maximumBytes: Int
    /// What to do at the tip. Default: return at once.
    public var wait: Wait

    /// A request with these values.
    public init(
        stream: String, shard: ShardID, after: SequenceNumber, maximumRecords: Int = 10_000,
        maximumBytes: Int = 1 << 20, wait: Wait = .no
    ) {
        self.stream = stream
        self.shard = shard
        self.after = after
        self.maximumRecords = maximumRecords
        self.maximumBytes = maximumBytes
        self.wait = wait
    }
}

extension ReadRequest {
    /// Throws `invalidArgument` for limits below 1.
    public func validate() throws {
        var wrong: [String] = []
        if maximumRecords < 1 { wrong.append("maximumRecords \(maximumRecords)") }
        if maximumBytes < 1 { wrong.append("maximumBytes \(maximumBytes)") }
        guard wrong.isEmpty else {
            throw ShardlineError(.invalidArgument, "\(wrong.joined(separator: ", ")) (allowed: 1 or more)")
        }
    }
}

/// The records of one shard between two positions, for ``StoreEngine/countRecords(in:of:)``.
public struct RecordSpan: Hashable, Sendable {
    /// The shard.
    public var shard: ShardID
    /// Records up to this number don't count.
    public var after: SequenceNumber
    /// Records after this number don't count. Default: all count up to the tip.
    public var through: SequenceNumber

    /// The records after one number, up to another.
    public init(shard: ShardID, after: SequenceNumber, through: SequenceNumber = .max) {
        self.shard = shard
        self.after = after
        self.through = through
    }
}

/// The result of a read.
public struct ReadResult: Sendable {
    /// The records, in order; empty at the tip, and where the result reports only a gap or the end.
    public var batch: RecordBatch
    /// Numbers after the request's position that retention has removed (ESM-G4); the batch begins after them.
    public var expired: ClosedRange<SequenceNumber>?
    /// A lost range: numbers that damage took and that `repair` or an operator declared lost. The batch ends before or
    /// begins after it, and reading goes on at ``next``.
    public var lost: ClosedRange<SequenceNumber>?
    /// The position of the next read: the last number that this result covers.
    public var next: SequenceNumber
    /// The newest visible number of the shard.
    public var tip: SequenceNumber
    /// The shard's children where the shard is closed and nothing is after ``next``, otherwise nil. Both parents of a
    /// merge name the same child.
    public var endOfShard: [ShardID]?
    /// No record of the shard after ``tip`` will have an earlier arrival time than this, unless the clock is set back.
    /// Nil: the store can't tell. A mapping ends a tumbling window only when no record of it can come any more (ESM-T5).
    public var earliestNextArrival: Timestamp?

    /// Whether the result has nothing to wake a waiting reader for.
    package var isNothing: Bool { batch.isEmpty && expired == nil && lost == nil && endOfShard == nil }

    /// A result with these facts.
    public init(
        batch: RecordBatch, expired: ClosedRange<SequenceNumber>? = nil, lost: ClosedRange<SequenceNumber>? = nil,
        next: SequenceNumber, tip: SequenceNumber, endOfShard: [ShardID]? = nil, earliestNextArrival: Timestamp? = nil
    ) {
        self.batch = batch
        self.expired = expired
        self.lost = lost
        self.next = next
        self.tip = tip
        self.endOfShard = endOfShard
        self.earliestNextArrival = earliestNextArrival
    }
}
