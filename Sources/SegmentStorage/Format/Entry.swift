import StreamModel
import StreamStorage

/// One change in a commit (STORE-J4).
package enum Entry: Sendable, Hashable {
    case records(RecordsEntry)
    case checkpoint(CheckpointEntry)
    case parked(ParkedEntry)
    case seal(SealEntry)
    case streamCreated(StreamCreatedEntry)
    case streamChanged(StreamChangedEntry)
    case streamDeleted(StreamNumber)
    case mappingCreated(MappingCreatedEntry)
    case mappingChanged(MappingChangedEntry)
    case mappingControlled(MappingControlledEntry)
    case mappingDeleted(MappingNumber)
    case takeOver(shard: ShardNumber, epoch: UInt64)
    case opened(OpenedEntry)
    case shardsRemoved(StreamNumber, [ShardNumber])
    case attempts(AttemptsEntry)
    case attributeChanged(AttributeEntry)

    /// Whether it changes which streams, shards, mappings and attributes exist and their settings, not their records or progress.
    var isOfCatalogue: Bool {
        switch self {
        case .records, .checkpoint, .parked, .attempts: false
        case .seal, .streamCreated, .streamChanged, .streamDeleted, .mappingCreated, .mappingChanged,
            .mappingControlled, .mappingDeleted, .takeOver, .opened, .shardsRemoved, .attributeChanged:
            true
        }
    }
}

/// A checkpoint's new position.
package struct CheckpointEntry: Sendable, Hashable {
    var mapping: MappingNumber
    var shard: ShardNumber
    var epoch: UInt64
    var revision: UInt64
    var position: SequenceNumber
    var isShardEnd: Bool
    /// Ranges after the position that are done. No mapping has ever written one; they are read, and mean nothing.
    var ranges: [ClosedRange<SequenceNumber>] = []
    var state: [UInt8]
}

/// A key that is parked, or (without a value) is no longer parked.
package struct ParkedEntry: Sendable, Hashable {
    var mapping: MappingNumber
    var shard: ShardNumber
    var partitionKey: String
    var value: [UInt8]?
}

/// Closes shards and creates their children.
package struct SealEntry: Sendable, Hashable {
    package struct Parent: Sendable, Hashable {
        package var shard: ShardNumber
        package var lastSequence: SequenceNumber
    }
    package var stream: StreamNumber
    package var closedAt: Timestamp
    package var parents: [Parent]
    package var children: [NewShard]
}

/// A new shard.
package struct NewShard: Sendable, Hashable {
    package var key: ShardNumber
    package var id: ShardID
    package var range: HashKeyRange
    package var creationSecond: UInt64
    /// The number before the shard's first.
    package var origin: SequenceNumber
}

/// A new stream.
package struct StreamCreatedEntry: Sendable, Hashable {
    var key: StreamNumber
    var name: String
    var retention: Duration
    var maximumRecordSize: Int
    var isFailureStream: Bool
    var createdAt: Timestamp
    var shards: [NewShard]
}

/// New settings of a stream.
package struct StreamChangedEntry: Sendable, Hashable {
    var key: StreamNumber
    var retention: Duration
    var maximumRecordSize: Int
    var isFailureStream: Bool
    /// Records that arrived at or before this moment have expired permanently; nil in entries of earlier versions.
    var expiredThrough: Timestamp?
}

/// A new mapping, with its starting position resolved in every shard (ESM-P4).
package struct MappingCreatedEntry: Sendable, Hashable {
    struct Start: Sendable, Hashable {
        var shard: ShardNumber
        var position: SequenceNumber
    }
    var number: MappingNumber
    var stream: StreamNumber
    var name: String
    var startingPosition: StartingPosition
    var createdAt: Timestamp
    var configuration: [UInt8]
    var starts: [Start]
}

/// A mapping's new claim, with the settings in force. Versions before control actions changed them by it.
package struct MappingChangedEntry: Sendable, Hashable {
    var number: MappingNumber
    var epoch: UInt64
    var configuration: [UInt8]
}

/// A control action of a mapping.
package struct MappingControlledEntry: Sendable, Hashable {
    var number: MappingNumber
    var action: MappingAction
    /// The new settings.
    var configuration: [UInt8]?
    /// Whether a claim brought them: the same ones of the next claim don't replace what control actions make of them.
    var isBrought: Bool
}

/// The store was opened.
package struct OpenedEntry: Sendable, Hashable {
    package var incarnation: UInt32
    /// The first commit that recovery did not accept; 0 where it accepted all of them.
    var cutCommit: UInt64
    /// What was found at that commit, as text for people.
    package var finding: String
    /// By how much every shard's next number jumps (STORE-C4); 0 where no visible record can have been lost.
    var numberJump: UInt64
}

/// How many attempts a unit has had (ESM-A9). Versions before lanes wrote it; it is only read.
package struct AttemptsEntry: Sendable, Hashable {
    var mapping: MappingNumber
    var shard: ShardNumber
    var note: AttemptNote
}

extension OpenedEntry {
    /// By how much all numbers jump after records that were visible may have been lost (STORE-C4). No damage loses so
    /// many numbers.
    package static let jump: UInt64 = 1 << 32
    /// The number of incarnations that a restored store skips: they stay free for the store that was backed up.
    package static let restoredIncarnations: UInt32 = 1 << 16
}
