/// The parts of the catalogue that changed since the last snapshot.
package struct DirtyRows: Sendable, Hashable {
    package var streams: Set<StreamNumber> = []
    package var shards: ShardSet = []
    /// The shards whose numbers have jumped.
    package var jumped: ShardSet = []
    package var mappings: Set<MappingNumber> = []
    package var checkpoints: Set<CheckpointPlace> = []
    package var parked: Set<CheckpointPlace> = []

    package init(
        streams: Set<StreamNumber> = [], shards: ShardSet = [], jumped: ShardSet = [],
        mappings: Set<MappingNumber> = [],
        checkpoints: Set<CheckpointPlace> = [], parked: Set<CheckpointPlace> = []
    ) {
        self.streams = streams
        self.shards = shards
        self.jumped = jumped
        self.mappings = mappings
        self.checkpoints = checkpoints
        self.parked = parked
    }

    package struct CheckpointPlace: Sendable, Hashable {
        var mapping: MappingNumber
        var shard: ShardNumber

        package init(mapping: MappingNumber, shard: ShardNumber) {
            self.mapping = mapping
            self.shard = shard
        }
    }

    package var isEmpty: Bool {
        streams.isEmpty && shards.isEmpty && jumped.isEmpty && mappings.isEmpty && checkpoints.isEmpty
            && parked.isEmpty
    }

    package mutating func formUnion(_ other: DirtyRows) {
        streams.formUnion(other.streams)
        shards.formUnion(other.shards)
        jumped.formUnion(other.jumped)
        mappings.formUnion(other.mappings)
        checkpoints.formUnion(other.checkpoints)
        parked.formUnion(other.parked)
    }
}
