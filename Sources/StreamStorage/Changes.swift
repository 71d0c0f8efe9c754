public import StreamModel

/// One of the things that a commit writes.
public enum Change: Sendable {
    /// New records of one stream.
    case append(Append)
    /// A mapping's progress in one shard.
    case checkpoint(CheckpointMove)
    /// How often a unit was tried, kept across a crash (ESM-A9).
    case attempts(AttemptNote, of: MappingID, shard: ShardID, epoch: UInt64)
    /// A key that waits aside, or waits no longer.
    case park(ParkedKeyChange)
    /// The end of shards and the beginning of their children.
    case seal(Seal)
    /// A new owner's claim on a shard of a stream; appends with an older epoch are refused from then on.
    case takeOver(stream: String, shard: ShardID, epoch: UInt64)
}

/// New records of one stream.
public struct Append: Sendable {
    /// Where records go.
    public enum Target: Hashable, Sendable {
        /// Each to the open shard that owns its hash key.
        case byKey
        /// All to this shard; the outcome is `sealed` if it is closed.
        case shard(ShardID)
    }

    /// The stream's name.
    public var stream: String
    /// The records; those of one shard get rising numbers in this order.
    public var records: [NewRecord]
    /// Where the records go. Default: by their keys.
    public var target: Target
    /// With a shard as target: refuse unless this is the last number given out there.
    public var expectedLast: SequenceNumber?
    /// With a shard as target: the writer's claim on it, refused once a newer one has taken over. 0: no claim.
    public var epoch: UInt64

    /// An append of `records` to `stream`.
    public init(
        _ records: [NewRecord], to stream: String, target: Target = .byKey, expectedLast: SequenceNumber? = nil,
        epoch: UInt64 = 0
    ) {
        self.stream = stream
        self.records = records
        self.target = target
        self.expectedLast = expectedLast
        self.epoch = epoch
    }
}

/// The end of one shard (a split) or two neighbours (a merge), and their children, in one commit.
public struct Seal: Hashable, Sendable {
    /// The stream's name.
    public var stream: String
    /// The shards that are closed.
    public var parents: [ShardID]
    /// The ranges of the children, which together are those of the parents. Their numbers follow the stream's last.
    public var children: [HashKeyRange]

    /// The end of `parents` in favour of `children`.
    public init(stream: String, parents: [ShardID], children: [HashKeyRange]) {
        self.stream = stream
        self.parents = parents
        self.children = children
    }
}

/// A key of a mapping that is parked, or is parked no longer.
public struct ParkedKeyChange: Hashable, Sendable {
    /// The mapping whose key it is.
    public var mapping: MappingID
    /// The shard that the key's records are in.
    public var shard: ShardID
    /// The partition key.
    public var partitionKey: String
    /// What is kept about it; nil: it is parked no longer.
    public var value: [UInt8]?
    /// The claim of whoever runs the mapping.
    public var epoch: UInt64

    /// A change of one key.
    public init(mapping: MappingID, shard: ShardID, partitionKey: String, value: [UInt8]?, epoch: UInt64) {
        self.mapping = mapping
        self.shard = shard
        self.partitionKey = partitionKey
        self.value = value
        self.epoch = epoch
    }
}

/// What became of a commit that was not refused by an error.
public enum CommitOutcome: Sendable {
    /// All is written; one receipt a change, in their order.
    case committed([ChangeReceipt])
    /// Nothing is written: the shard's last number is not the expected one but this.
    case conflict(change: Int, last: SequenceNumber)
    /// Nothing is written: the shard is closed and these are its children.
    case sealed(change: Int, children: [ShardID])
    /// Whether it is written can't be known. Read before sending it again.
    case unknown(cause: any Error)
}

/// What a change came to.
public enum ChangeReceipt: Sendable {
    /// An append: a receipt for each record, in the order of the call.
    case appended([PutReceipt])
    /// A seal: the children's numbers, in the order of the call.
    case sealed([ShardID])
    /// A take-over: the shard's last number.
    case takenOver(last: SequenceNumber)
    /// Anything else.
    case done
}
