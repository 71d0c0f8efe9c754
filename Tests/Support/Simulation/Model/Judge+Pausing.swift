/// Paused shards: nothing of them is delivered until somebody resumes them (ESM-N3). And what functions add to the commits of
/// their units: it is there once for what is done (ESM-O1).
extension Judge {
    /// An operator is about to resume a shard that is paused since then.
    package mutating func willResume(_ name: String, _ shard: Shard, since: Int64) {
        mappings[name]?.lanes[shard, default: MappingModel.Lane()].resumed.insert(since)
    }

    /// The function is called with records of a shard of which the store says that it is paused since then.
    package mutating func invoked(_ name: String, _ shard: Shard, pausedSince since: Int64?) {
        sawPause(of: name, in: shard, since: since)
        guard let since, mappings[name]?.lanes[shard]?.resumed.contains(since) != true else { return }
        fail("the function of \(name) gets records of \(shard), which is paused since \(since) (ESM-N3)")
    }

    /// Somebody saw since when the shard is paused, or that it isn't: nobody but an operator ends that.
    package mutating func sawPause(of name: String, in shard: Shard, since: Int64?) {
        guard mappings[name] != nil else { return }
        var lane = mappings[name]!.lanes[shard] ?? MappingModel.Lane()
        // A loss of power may take a pause back where not each commit is synced.
        if let before = lane.pausedSince, before != since, interval == nil, !lane.resumed.contains(before) {
            return fail("\(shard) of \(name) was paused since \(before), and went on by itself (ESM-N3)")
        }
        lane.pausedSince = since
        mappings[name]!.lanes[shard] = lane
    }

    /// What a mapping's function has added, as one who read all of it after the checkpoints knows.
    mutating func sawAdded(by name: String, _ ids: [UInt64], _ checkpoints: [(shard: Shard, position: UInt64)]) {
        guard let mapping = mappings[name] else { return }
        var known: Set<UInt64> = []
        for id in ids where !known.insert(id).inserted {
            return fail("what \(name) made of record \(id) is there twice (ESM-O1)")
        }
        for (shard, position) in checkpoints {
            let lane = mapping.lanes[shard] ?? MappingModel.Lane()
            for (sequence, item) in (logs[shard]?.promised ?? [:]).sorted(by: { $0.key < $1.key })
            where sequence <= position && !known.contains(item.id) && isOwedAdded(item, in: shard, by: lane) {
                return fail("\(name) is past \(shard) \(sequence), and what it made of it is not there (ESM-O1)")
            }
        }
    }

    /// Whether the function must have done a record that the checkpoint has passed, and so added what it made of it.
    private func isOwedAdded(_ item: Item, in shard: Shard, by lane: MappingModel.Lane) -> Bool {
        if lane.documented.contains(where: { $0.contains(item.sequence) }) { return false }
        if lane.aside.contains(item.sequence), !lane.handedBack.contains(item.sequence) { return false }
        guard logs[shard]?.shaky[item.sequence] == nil, !droppedKeys.contains(item.key) else { return false }
        return !mayHaveExpired(item, in: shard)
    }
}
