import StreamModel

/// The parts of the catalogue that changed since the last snapshot.
package struct DirtyRows: Sendable, Hashable {
    package var streams: Set<StreamNumber> = []
    package var shards: ShardSet = []
    /// The shards whose numbers have jumped.
    package var jumped: ShardSet = []
    package var mappings: Set<MappingNumber> = []
    package var actions: Set<ActionPlace> = []
    package var checkpoints: Set<CheckpointPlace> = []
    package var parked: Set<ParkedPlace> = []
    /// Shards of a mapping that may be removed with all of their parked keys.
    package var removedParked: Set<CheckpointPlace> = []
    package var attributes: Set<AttributePlace> = []

    package init(
        streams: Set<StreamNumber> = [], shards: ShardSet = [], jumped: ShardSet = [],
        mappings: Set<MappingNumber> = [], actions: Set<ActionPlace> = [],
        checkpoints: Set<CheckpointPlace> = [], parked: Set<ParkedPlace> = [],
        removedParked: Set<CheckpointPlace> = [], attributes: Set<AttributePlace> = []
    ) {
        self.streams = streams
        self.shards = shards
        self.jumped = jumped
        self.mappings = mappings
        self.actions = actions
        self.checkpoints = checkpoints
        self.parked = parked
        self.removedParked = removedParked
        self.attributes = attributes
    }

    package struct CheckpointPlace: Sendable, Hashable {
        var mapping: MappingNumber
        var shard: ShardNumber

        package init(mapping: MappingNumber, shard: ShardNumber) {
            self.mapping = mapping
            self.shard = shard
        }
    }

    /// A control action of a mapping.
    package struct ActionPlace: Sendable, Hashable {
        var mapping: MappingNumber
        var revision: UInt64

        package init(mapping: MappingNumber, revision: UInt64) {
            self.mapping = mapping
            self.revision = revision
        }
    }

    /// A parked key.
    package struct ParkedPlace: Sendable, Hashable {
        var mapping: MappingNumber
        var shard: ShardNumber
        var key: UTF8Key

        package init(mapping: MappingNumber, shard: ShardNumber, key: UTF8Key) {
            self.mapping = mapping
            self.shard = shard
            self.key = key
        }
    }

    /// An attribute.
    package struct AttributePlace: Sendable, Hashable {
        var stream: StreamNumber
        var part: UTF8Key
        var name: UTF8Key
    }

    package var isEmpty: Bool {
        streams.isEmpty && shards.isEmpty && jumped.isEmpty && mappings.isEmpty && actions.isEmpty
            && checkpoints.isEmpty && parked.isEmpty && removedParked.isEmpty && attributes.isEmpty
    }

    package mutating func formUnion(_ other: DirtyRows) {
        streams.formUnion(other.streams)
        shards.formUnion(other.shards)
        jumped.formUnion(other.jumped)
        mappings.formUnion(other.mappings)
        actions.formUnion(other.actions)
        checkpoints.formUnion(other.checkpoints)
        parked.formUnion(other.parked)
        removedParked.formUnion(other.removedParked)
        attributes.formUnion(other.attributes)
    }
}
