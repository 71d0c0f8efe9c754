import StreamModel
public import StreamStorage

extension SegmentStore {
    /// As ``StoreEngine/parkedKeys(_:)``.
    public func parkedKeys(_ query: ParkedKeyQuery) async throws -> ParkedKeyPage {
        try query.validate()
        // Only the tables of keys are taken out, and sorted without the lock.
        let parked: [(shard: ShardID, keys: [UTF8Key: ParkedState])] = try core.visible.withOpen { state in
            let mapping = try state.catalogue.mapping(query.mapping)
            return mapping.parked.compactMap { number, keys in
                state.catalogue.shards.read(number) { $0.id }.map { (shard: $0, keys: keys) }
            }
        }
        return ParkedKeyPage(query, of: parked) { $0.value }
    }
}
