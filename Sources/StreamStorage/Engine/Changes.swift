public import StreamModel

/// One change that a commit writes.
public enum Change: Sendable {
    /// New records of one stream.
    case append(Append)
    /// A mapping's progress in one shard.
    case checkpoint(CheckpointMove)
    /// The closing of shards and the opening of their children.
    case seal(Seal)
    /// New settings of a mapping, or its being disabled or enabled.
    case control(MappingControl)
    /// An attribute that is set, removed or only checked.
    case attribute(AttributeChange)
    /// A change that nothing outside this package can make; other engines throw `invalidArgument` for it.
    case reserved(ReservedChange)

    /// Parks a partition key, or ends that.
    package static func park(_ change: ParkedKeyChange) -> Change { .reserved(ReservedChange(kind: .park(change))) }
    /// Takes a shard of a stream over for a new writer; appends with an older epoch are refused from then on.
    package static func takeOver(stream: String, shard: ShardID, epoch: UInt64) -> Change {
        .reserved(ReservedChange(kind: .takeOver(stream: stream, shard: shard, epoch: epoch)))
    }
}

/// A kind of change whose use is not settled yet: only this package makes one.
public struct ReservedChange: Sendable {
    package enum Kind: Sendable {
        case park(ParkedKeyChange)
        case takeOver(stream: String, shard: ShardID, epoch: UInt64)
    }
    package let kind: Kind
}

/// New records of one stream.
public struct Append: Sendable {
    /// Where records go.
    public enum Target: Hashable, Sendable {
        /// Each to the open shard that owns its hash key.
        case byKey
        /// All to this shard; the outcome is `sealed` if the shard is closed.
        case shard(ShardID)
    }

    /// The stream's name.
    public var stream: String
    /// The records; those of one shard get rising numbers in this order.
    public var records: [NewRecord]
    /// Where the records go. Default: by their keys.
    public var target: Target
    /// With a shard as target: the append is refused unless this is the shard's last assigned number.
    public var expectedLast: SequenceNumber?
    /// With a shard as target: the writer's epoch on it, refused once a newer writer has taken over. 0: no claim.
    package var epoch: UInt64

    /// An append of `records` to `stream`.
    public init(
        _ records: [NewRecord], to stream: String, target: Target = .byKey, expectedLast: SequenceNumber? = nil
    ) {
        self.init(records, to: stream, target: target, expectedLast: expectedLast, epoch: 0)
    }

    package init(
        _ records: [NewRecord], to stream: String, target: Target = .byKey, expectedLast: SequenceNumber? = nil,
        epoch: UInt64
    ) {
        self.stream = stream
        self.records = records
        self.target = target
        self.expectedLast = expectedLast
        self.epoch = epoch
    }
}

/// The closing of one shard (a split) or of two neighbours (a merge), and the opening of their children, in one commit.
public struct Seal: Hashable, Sendable {
    /// The stream's name.
    public var stream: String
    /// The shards that are closed.
    public var parents: [ShardID]
    /// The ranges of the children, which together are those of the parents. The children's numbers follow the stream's
    /// last shard number.
    public var children: [HashKeyRange]

    /// A seal that closes `parents` and opens `children`.
    public init(stream: String, parents: [ShardID], children: [HashKeyRange]) {
        self.stream = stream
        self.parents = parents
        self.children = children
    }
}

/// A partition key of a mapping that is parked, or is no longer parked.
package struct ParkedKeyChange: Hashable, Sendable {
    /// The mapping whose key it is.
    package var mapping: MappingID
    /// The shard that the key's records are in.
    package var shard: ShardID
    /// The partition key: 0 to 1,024 bytes of UTF-8.
    package var partitionKey: String
    /// What is stored about the key, 1 to 8,192 bytes; nil: it is no longer parked.
    package var value: [UInt8]?
    /// The epoch of the mapping's claim.
    package var epoch: UInt64

    /// A change of one key.
    package init(mapping: MappingID, shard: ShardID, partitionKey: String, value: [UInt8]?, epoch: UInt64) {
        self.mapping = mapping
        self.shard = shard
        self.partitionKey = partitionKey
        self.value = value
        self.epoch = epoch
    }
}

/// The outcome of a commit that did not throw an error.
public enum CommitOutcome: Sendable {
    /// Everything is written; one receipt for each change, in their order.
    case committed([ChangeReceipt])
    /// Nothing is written: the shard's last number is `last`, not the expected one.
    case conflict(change: Int, last: SequenceNumber)
    /// Nothing is written: the shard is closed and these are its children.
    case sealed(change: Int, children: [ShardID])
    /// Whether it is written is not known. Read the stream before sending the commit again.
    case unknown(cause: any Error)
}

/// The result of one change.
public enum ChangeReceipt: Sendable {
    /// An append: a receipt for each record, in the order of the call.
    case appended([PutReceipt])
    /// A seal: the children's shard numbers, in the order of the call.
    case sealed([ShardID])
    /// Anything else.
    case done
    /// The result of a reserved change.
    case reserved(ReservedReceipt)

    /// A takeover: the shard's last number.
    package static func takenOver(last: SequenceNumber) -> ChangeReceipt { .reserved(ReservedReceipt(last: last)) }
}

/// The result of a ``ReservedChange``.
public struct ReservedReceipt: Sendable {
    /// The last number of the shard that was taken over.
    package let last: SequenceNumber
}
