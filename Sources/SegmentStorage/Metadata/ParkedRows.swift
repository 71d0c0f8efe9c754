import StreamModel
import StreamStorage

// Parked keys as rows.

extension Catalogue {
    /// The changes that bring the rows of parked keys up to date: one for each key, and one for each removed shard of a
    /// mapping. The rows of a deleted mapping go with its own.
    func parkedChanges(_ dirty: DirtyRows) -> [MetadataChange] {
        var changes: [MetadataChange] = []
        for place in dirty.removedParked.sorted() where mappings[place.mapping]?.parked[place.shard] == nil {
            changes.append(
                .remove(.parked, key: [.number(place.mapping.rawValue), .number(place.shard.rawValue)]))
        }
        for place in dirty.parked.sorted() where mappings[place.mapping] != nil && shards[place.shard] != nil {
            changes.append(change(of: place))
        }
        return changes
    }

    private func change(of place: DirtyRows.ParkedPlace) -> MetadataChange {
        let key = [
            MetadataValue.number(place.mapping.rawValue), .number(place.shard.rawValue), .text(place.key.string),
        ]
        guard let state = mappings[place.mapping]?.parked[place.shard]?[place.key] else {
            return .remove(.parked, key: key)
        }
        return .put(MetadataRow(.parked, key + [.blob(state.value), .bits(state.atCommit)]))
    }

    /// Takes the parked keys of the mappings and shards, which are there already.
    ///
    /// - Parameter only: those of these shards; nil: of all.
    package mutating func takeParked(
        _ contents: MetadataContents, of only: Set<ShardNumber>? = nil
    ) throws(MetadataError) {
        for row in contents[.parked] {
            var reader = RowReader(row)
            let (mapping, shard) = (MappingNumber(try reader.short()), ShardNumber(try reader.short()))
            let key = UTF8Key(try reader.text())
            let state = ParkedState(value: try reader.blob(), atCommit: try reader.word())
            guard shards[shard] != nil, only?.contains(shard) ?? true else { continue }
            mappings[mapping]?.parked[shard, default: [:]][key] = state
        }
    }

    /// Whether rows tell of parked keys of a mapping that is there, in a shard that is not, and was not removed either.
    package func misses(parkedKeysOf contents: MetadataContents) -> Bool {
        contents[.parked].contains { row in
            var reader = RowReader(row)
            guard let mapping = try? reader.short(), let shard = try? reader.short() else { return true }
            let number = ShardNumber(shard)
            return mappings[MappingNumber(mapping)] != nil && shards[number] == nil && deletedShards[number] == nil
        }
    }

    /// The places of all parked keys.
    package var parkedPlaces: Set<DirtyRows.ParkedPlace> {
        var places: Set<DirtyRows.ParkedPlace> = []
        for mapping in mappings.values {
            for (shard, keys) in mapping.parked {
                for key in keys.keys { places.insert(.init(mapping: mapping.number, shard: shard, key: key)) }
            }
        }
        return places
    }
}

extension DirtyRows.ParkedPlace: Comparable {
    package static func < (left: Self, right: Self) -> Bool {
        (left.mapping, left.shard, left.key) < (right.mapping, right.shard, right.key)
    }
}
