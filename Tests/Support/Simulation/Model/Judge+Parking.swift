/// Parked keys: what waits is there, nothing of its key overtakes it, and what waits no longer was done (ESM-N1, ESM-N2).
extension Judge {
    /// A record in a parking stream.
    package struct ParkedItem: Hashable, Sendable {
        package var shard: Shard
        package var item: Item
        package var episode: UInt64
        package var order: UInt64
        package init(shard: Shard, item: Item, episode: UInt64, order: UInt64) {
            self.shard = shard
            self.item = item
            self.episode = episode
            self.order = order
        }
    }

    /// A key that is parked, as the store says.
    package struct ParkedFact: Hashable, Sendable {
        package var key: String
        package var episode: UInt64
        /// So many of its records are done, and so many there are.
        package var done: UInt64
        package var count: UInt64
        package init(key: String, episode: UInt64, done: UInt64, count: UInt64) {
            self.key = key
            self.episode = episode
            self.done = done
            self.count = count
        }
    }

    /// The function is called with records that were parked.
    package mutating func redrives(_ name: String, _ shard: Shard, _ items: [Item]) {
        invocations += 1
        if mappings[name]!.isQuiet {
            return fail("\(name) is disabled, and parked records of \(shard) are handed back")
        }
        for item in items { promise(item, in: shard, because: "the function, handed back") }
        for (left, right) in zip(items, items.dropFirst()) where right.sequence <= left.sequence {
            return fail("\(name) was handed \(shard) \(right.sequence) back after \(left.sequence)")
        }
        let lane = mappings[name]!.lanes[shard] ?? MappingModel.Lane()
        if let again = items.first(where: { lane.handedBack.contains($0.sequence) }) {
            return fail("\(name) is handed \(shard) \(again.sequence) back again, which is stored as done (ESM-N2)")
        }
        let keys = Set(items.map(\.key))
        if let key = keys.intersection(lane.running).union(keys.intersection(lane.redriving)).min() {
            return fail("'\(key)' of \(shard) is handed back to \(name), which has records of it (ESM-N2)")
        }
        mappings[name]!.lanes[shard] = lane
        mappings[name]!.lanes[shard]!.redriving.formUnion(keys)
        checkKeys(of: items, for: name, in: shard)
    }

    /// The function has done everything of these records' keys that is in front of them, in the shard and in those that it
    /// comes from: where keys are parked nothing else lets a record pass.
    mutating func checkKeys(of items: [Item], for name: String, in shard: Shard) {
        var firsts: [String: UInt64] = [:]
        for item in items where firsts[item.key] == nil { firsts[item.key] = item.sequence }
        for place in ancestors(of: shard) + [shard] {
            let lane = mappings[name]!.lanes[place] ?? MappingModel.Lane()
            for (sequence, item) in (logs[place]?.promised ?? [:]).sorted(by: { $0.key < $1.key }) {
                guard let first = firsts[item.key], place != shard || sequence < first,
                    !isStrictlyDone(item, in: place, by: lane)
                else { continue }
                return fail("\(name) gets '\(item.key)' \(shard) \(first) before \(place) \(sequence) is done (ESM-N1)")
            }
        }
    }

    /// Whether the function returned for the record, or need not.
    private func isStrictlyDone(_ item: Item, in shard: Shard, by lane: MappingModel.Lane) -> Bool {
        var strict = lane
        strict.aside = []
        return isDone(item.sequence, in: shard, by: strict)
    }

    /// What a mapping has parked, by one who read all of it.
    mutating func sawParked(by name: String, _ parked: [ParkedItem], _ facts: [ParkedFact]) {
        guard mappings[name] != nil else { return }
        for shard in mappings[name]!.lanes.keys { mappings[name]!.lanes[shard]!.aside = [] }
        var found: Set<Item> = []
        for entry in parked {
            promise(entry.item, in: entry.shard, because: "a parking stream")
            guard found.insert(entry.item).inserted else {
                return fail("\(name) has parked \(entry.shard) \(entry.item.sequence) twice (ESM-N1)")
            }
            mappings[name]!.lanes[entry.shard, default: MappingModel.Lane()].aside.insert(entry.item.sequence)
        }
        let known = Dictionary(facts.map { ($0.episode, $0) }) { first, _ in first }
        for (episode, entries) in Dictionary(grouping: parked, by: \.episode).sorted(by: { $0.key < $1.key }) {
            let orders = entries.map(\.order).sorted()
            // Retention does not reach the parking stream here.
            if orders != Array(1...UInt64(orders.count)) {
                return fail("\(name) has parked '\(entries[0].item.key)' with the places \(orders)")
            }
            if let fact = known[episode], fact.count > UInt64(orders.count) {
                return fail(
                    "\(name) counts \(fact.count) parked records of '\(fact.key)', and there are \(orders.count)")
            }
            for entry in entries {
                let lane = mappings[name]!.lanes[entry.shard] ?? MappingModel.Lane()
                let isWaiting = known[episode].map { entry.order > $0.done } ?? false
                guard !isWaiting else { continue }
                guard isStrictlyDone(entry.item, in: entry.shard, by: lane) else {
                    return fail(
                        "\(name) holds \(entry.shard) \(entry.item.sequence) parked no longer, and it was never done (ESM-N2)"
                    )
                }
                // A loss of power may take it back where not each commit is synced.
                if interval == nil {
                    mappings[name]!.lanes[entry.shard, default: MappingModel.Lane()].handedBack.insert(
                        entry.item.sequence)
                }
            }
        }
        if let lost = facts.first(where: { fact in
            fact.count > fact.done && !parked.contains { $0.episode == fact.episode }
        }) {
            fail(
                "\(name) says that \(lost.count - lost.done) records of '\(lost.key)' wait, and none is there (ESM-N1)")
        }
    }
}
