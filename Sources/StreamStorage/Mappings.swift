public import StreamModel

/// The name of a mapping: unique on its stream.
public struct MappingID: Hashable, Sendable, CustomStringConvertible {
    /// The stream that the mapping reads.
    public var stream: String
    /// The mapping's own name.
    public var name: String

    /// The mapping `name` of `stream`.
    public init(stream: String, name: String) {
        self.stream = stream
        self.name = name
    }

    /// `stream/name`.
    public var description: String { "\(stream)/\(name)" }

    /// By bytes: U+212A, the Kelvin sign, is not K.
    public static func == (left: MappingID, right: MappingID) -> Bool {
        UTF8Key(left.stream) == UTF8Key(right.stream) && UTF8Key(left.name) == UTF8Key(right.name)
    }

    /// By bytes, too.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(UTF8Key(stream))
        hasher.combine(UTF8Key(name))
    }
}

/// Where a mapping or a reader begins.
public enum StartingPosition: Hashable, Sendable {
    /// The oldest record that is retained.
    case trimHorizon
    /// Behind the newest record.
    case latest
    /// The first record that arrived at or after this moment, which must not be in the future or before 1970.
    case atTimestamp(Timestamp)
    /// The record with this number, or the next one after it. Nothing tells of which stream and shard a counter is: with
    /// ``at(_:)`` the store checks it.
    case atSequenceNumber(SequenceNumber)
    /// The first record after this number. Nothing tells of which stream and shard a counter is: with ``after(_:)`` the
    /// store checks it.
    case afterSequenceNumber(SequenceNumber)
    /// The record with this number, such as a record's `kinesisSequenceNumber`, or the next one after it. A number of
    /// another stream, of a deleted stream with the same name or of another shard is refused with `invalidArgument`.
    case at(KinesisSequenceNumber)
    /// The first record after this number, which is checked as in ``at(_:)``.
    case after(KinesisSequenceNumber)
}

/// What a mapping is made with.
public struct MappingDefinition: Hashable, Sendable {
    /// Its stream and name.
    public var key: MappingID
    /// Where it begins, resolved when it is made.
    public var startingPosition: StartingPosition
    /// Its settings, opaque to the store (JSON of `EventSourceMapping.Configuration`).
    public var configuration: [UInt8]

    /// A definition with these facts.
    public init(key: MappingID, startingPosition: StartingPosition, configuration: [UInt8] = []) {
        self.key = key
        self.startingPosition = startingPosition
        self.configuration = configuration
    }
}

/// A mapping as it is now.
public struct MappingDescription: Hashable, Sendable {
    /// Its stream and name.
    public var key: MappingID
    /// Stable as long as the mapping exists; another one for a mapping made anew under the same name.
    public var id: UInt64
    /// Where it began.
    public var startingPosition: StartingPosition
    /// When it was made.
    public var createdAt: Timestamp
    /// The settings that it runs with, or ran with when it ran last, or was made with; opaque to the store.
    public var configuration: [UInt8]
    /// The newest claim; checkpoint moves with a lower one are refused.
    public var epoch: UInt64
    /// Whether somebody runs it now.
    public var isClaimed: Bool
    /// Its progress in each shard, by shard; shards that it has not come to are missing.
    public var checkpoints: [ShardCheckpoint]
    /// Shards that the stream lists no longer and that the mapping has not been through, by number: its next run gives
    /// up what it had not done of them, with the condition `RecordsExpired`, before it begins with their children.
    public var expiredShards: [ShardDescription]
    /// How long the stream keeps records now.
    public var retention: Duration

    /// A description with these facts.
    public init(
        key: MappingID, id: UInt64, startingPosition: StartingPosition, createdAt: Timestamp,
        configuration: [UInt8], epoch: UInt64, isClaimed: Bool, checkpoints: [ShardCheckpoint],
        expiredShards: [ShardDescription] = [], retention: Duration = Limits.defaultRetention
    ) {
        self.key = key
        self.id = id
        self.startingPosition = startingPosition
        self.createdAt = createdAt
        self.configuration = configuration
        self.epoch = epoch
        self.isClaimed = isClaimed
        self.checkpoints = checkpoints
        self.expiredShards = expiredShards
        self.retention = retention
    }
}

/// How far a mapping is in one shard.
public struct ShardCheckpoint: Hashable, Sendable {
    /// The shard.
    public var shard: ShardID
    /// Everything up to this number is done.
    public var position: SequenceNumber
    /// Whether the shard is closed and done to its end (ESM-H4).
    public var isShardEnd: Bool
    /// What is done beyond `position` (ESM-K4), in order; at most 1,000 ranges.
    public var finishedRanges: [ClosedRange<SequenceNumber>]
    /// The function's state as of `position` (ESM-T8), opaque to the store.
    public var state: [UInt8]
    /// The tries of the first unit behind `position`, where the store was told of any since it moved (ESM-A9).
    public var attempts: AttemptNote?

    /// A checkpoint with these facts.
    public init(
        shard: ShardID, position: SequenceNumber, isShardEnd: Bool = false,
        finishedRanges: [ClosedRange<SequenceNumber>] = [], state: [UInt8] = [], attempts: AttemptNote? = nil
    ) {
        self.shard = shard
        self.position = position
        self.isShardEnd = isShardEnd
        self.finishedRanges = finishedRanges
        self.state = state
        self.attempts = attempts
    }
}

/// A checkpoint's new place.
///
/// A move to a lower position is ignored, one with an older epoch refused with `fenced`. It drops the attempt note. A
/// move in a shard that retention has removed is ignored: everything in it is over.
public struct CheckpointMove: Hashable, Sendable {
    /// The mapping.
    public var mapping: MappingID
    /// The claim of whoever runs the mapping, from ``StreamStore/claimMapping(_:with:)``.
    public var epoch: UInt64
    /// The shard and how far it is done; the attempt note in it is not looked at.
    public var checkpoint: ShardCheckpoint

    /// A move of one mapping's checkpoint.
    public init(mapping: MappingID, epoch: UInt64, checkpoint: ShardCheckpoint) {
        self.mapping = mapping
        self.epoch = epoch
        self.checkpoint = checkpoint
    }
}

/// How often a unit was tried, so that a function that kills its process does not do it for ever (ESM-A9).
public struct AttemptNote: Hashable, Sendable {
    /// The unit's first record.
    public var first: SequenceNumber
    /// The unit's last record.
    public var last: SequenceNumber
    /// Invocations of the unit that were begun.
    public var count: Int
    /// Why the last one failed, if it is known; at most 4 KiB.
    public var cause: String

    /// A note of one unit.
    public init(first: SequenceNumber, last: SequenceNumber, count: Int, cause: String) {
        self.first = first
        self.last = last
        self.count = count
        self.cause = cause
    }
}
