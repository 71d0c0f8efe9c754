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

    /// What is wrong with the mapping's own name, and what is allowed; nil where it is a valid name.
    package var violation: String? {
        Limits.isName(name)
            ? nil
            : "mapping name '\(name)' (allowed: 1 to \(Limits.nameLength.upperBound) of a-z A-Z 0-9 _ . -, and neither '.' nor '..')"
    }

    /// Throws `invalidArgument` with the ``violation``, where there is one.
    package func validate() throws {
        if let violation { throw ShardlineError(.invalidArgument, violation) }
    }

    /// `stream/name`.
    public var description: String { "\(stream)/\(name)" }

    /// Compares bytes: U+212A, the Kelvin sign, is not K.
    public static func == (left: MappingID, right: MappingID) -> Bool {
        UTF8Key(left.stream) == UTF8Key(right.stream) && UTF8Key(left.name) == UTF8Key(right.name)
    }

    /// Hashes bytes, as `==` compares them.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(UTF8Key(stream))
        hasher.combine(UTF8Key(name))
    }
}

/// Where a mapping or a reader starts.
public enum StartingPosition: Hashable, Sendable {
    /// The oldest record that is retained.
    case trimHorizon
    /// After the newest record.
    case latest
    /// The first record that arrived at or after this moment, which must not be in the future or before 1970.
    case atTimestamp(Timestamp)
    /// The record with this number, or the next one after it. The store can't check which stream and shard the counter
    /// belongs to; with ``at(_:)`` it does.
    case atSequenceNumber(SequenceNumber)
    /// The first record after this number. The store can't check which stream and shard the counter belongs to; with
    /// ``after(_:)`` it does.
    case afterSequenceNumber(SequenceNumber)
    /// The record with this number, such as a record's `kinesisSequenceNumber`, or the next one after it. A number of
    /// another stream, of a deleted stream with the same name or of another shard is refused with `invalidArgument`.
    case at(KinesisSequenceNumber)
    /// The first record after this number, which is checked as in ``at(_:)``.
    case after(KinesisSequenceNumber)
}

/// What a mapping is created with.
public struct MappingDefinition: Hashable, Sendable {
    /// Its stream and name.
    public var key: MappingID
    /// Where it starts, resolved when it is created.
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
    /// Stays the same as long as the mapping exists; a mapping that is recreated under the same name has another one.
    public var id: UInt64
    /// Where it started.
    public var startingPosition: StartingPosition
    /// When it was created.
    public var createdAt: Timestamp
    /// The settings that it runs with, or last ran with, or was created with; opaque to the store.
    public var configuration: [UInt8]
    /// The epoch of the newest claim; checkpoint moves with a lower one are refused.
    public var epoch: UInt64
    /// Whether it is running now.
    public var isClaimed: Bool
    /// The claim of the process that runs it; nil where none does, or the store does not say.
    public var holder: MappingHolder?
    /// Whether it delivers where it runs: it does not from a control action that disables it to one that enables it.
    public var isEnabled: Bool
    /// How many control actions there were, claims that brought other settings than the one before included.
    public var revision: UInt64
    /// The newest of them; nil where there was none.
    public var lastAction: MappingAction?
    /// Its progress in each shard, by shard; shards that it has not reached are missing.
    public var checkpoints: [ShardCheckpoint]
    /// Shards that the stream no longer lists and that the mapping has not finished, by number. Its next execution
    /// gives up the records that were not processed, with the condition `RecordsExpired`, before it starts with the
    /// children.
    public var expiredShards: [ShardDescription]
    /// How long the stream keeps records now.
    public var retention: Duration

    /// A description with these facts.
    public init(
        key: MappingID, id: UInt64, startingPosition: StartingPosition, createdAt: Timestamp,
        configuration: [UInt8], epoch: UInt64, isClaimed: Bool, checkpoints: [ShardCheckpoint],
        expiredShards: [ShardDescription] = [], retention: Duration = Limits.defaultRetention,
        holder: MappingHolder? = nil, isEnabled: Bool = true, revision: UInt64 = 0, lastAction: MappingAction? = nil
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
        self.holder = holder
        self.isEnabled = isEnabled
        self.revision = revision
        self.lastAction = lastAction
    }

    /// Where a mapping is between one control action and its effect (ESM-L1).
    public enum State: String, Hashable, Sendable, CaseIterable {
        /// It delivers where it runs.
        case enabled
        /// It was given new settings, which the process that runs it does not have yet.
        case updating
        /// It was disabled, and the process that runs it still waits for running invocations.
        case disabling
        /// It delivers nothing until it is enabled.
        case disabled
    }

    /// Where the mapping is between its last control action and that action's effect.
    public var state: State {
        let isApplied = holder.map { $0.revision >= revision } ?? true
        if isEnabled { return isApplied ? .enabled : .updating }
        return isApplied ? .disabled : .disabling
    }
}

/// How far a mapping is in one shard.
public struct ShardCheckpoint: Hashable, Sendable {
    /// The shard.
    public var shard: ShardID
    /// All records up to this number are done.
    public var position: SequenceNumber
    /// Whether the shard is closed and all of its records are done (ESM-H4).
    public var isShardEnd: Bool
    /// What the mapping keeps beside the position, such as what its lanes have done beyond it (ESM-K4); opaque to the
    /// store.
    public var state: [UInt8]
    /// How often the first unit after `position` was tried, as versions before lanes stored it apart from ``state``
    /// (ESM-A9). A move drops it, and nothing writes it.
    package var earlierAttempts: AttemptNote?

    /// A checkpoint with these facts.
    public init(shard: ShardID, position: SequenceNumber, isShardEnd: Bool = false, state: [UInt8] = []) {
        self.init(shard: shard, position: position, isShardEnd: isShardEnd, state: state, earlierAttempts: nil)
    }

    package init(
        shard: ShardID, position: SequenceNumber, isShardEnd: Bool, state: [UInt8], earlierAttempts: AttemptNote?
    ) {
        self.shard = shard
        self.position = position
        self.isShardEnd = isShardEnd
        self.state = state
        self.earlierAttempts = earlierAttempts
    }
}

/// A checkpoint's new position.
///
/// It replaces the checkpoint as a whole. A move to a lower position is ignored, and one with an older epoch is refused
/// with `fenced`. A move in a shard that retention has removed is ignored, since nothing is left to do in it.
public struct CheckpointMove: Hashable, Sendable {
    /// The mapping.
    public var mapping: MappingID
    /// The epoch of the mapping's claim, from ``StoreEngine/claimMapping(_:with:)``.
    public var epoch: UInt64
    /// The shard and its progress.
    public var checkpoint: ShardCheckpoint

    /// A move of one mapping's checkpoint.
    public init(mapping: MappingID, epoch: UInt64, checkpoint: ShardCheckpoint) {
        self.mapping = mapping
        self.epoch = epoch
        self.checkpoint = checkpoint
    }
}

/// How often a unit was tried, so that a function that kills its process does not do so forever (ESM-A9).
package struct AttemptNote: Hashable, Sendable {
    /// The unit's first record.
    package var first: SequenceNumber
    /// The unit's last record.
    package var last: SequenceNumber
    /// The number of invocations of the unit that were begun.
    package var count: Int
    /// Why the last one failed, where that is known; at most 4 KiB.
    package var cause: String

    /// A note of one unit.
    package init(first: SequenceNumber, last: SequenceNumber, count: Int, cause: String) {
        self.first = first
        self.last = last
        self.count = count
        self.cause = cause
    }
}
