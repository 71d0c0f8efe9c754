extension Judge {
    /// Everything that a store gave to one who read all of it.
    package struct Audit: Sendable {
        package struct Content: Sendable {
            package var shard: Shard
            package var items: [Item]
            /// Whether the store said that it can't give all of it.
            package var isReportedDamaged: Bool
            package init(shard: Shard, items: [Item], isReportedDamaged: Bool = false) {
                self.shard = shard
                self.items = items
                self.isReportedDamaged = isReportedDamaged
            }
        }
        package var contents: [Content] = []
        /// By mapping: each shard's checkpoint.
        package var checkpoints: [String: [(shard: Shard, position: UInt64)]] = [:]
        /// By mapping: the records that its failure destination has documents of.
        package var documents: [String: [(shard: Shard, sequences: ClosedRange<UInt64>)]] = [:]
        /// By mapping: the records in its parking stream, and the keys that it has parked.
        package var parked: [String: [ParkedItem]] = [:]
        package var parkedKeys: [String: [ParkedFact]] = [:]
        /// By mapping: the numbers of the records that what its function added was made of.
        package var added: [String: [UInt64]] = [:]
        /// By mapping: since when each shard is paused.
        package var pauses: [String: [(shard: Shard, since: Int64?)]] = [:]
        /// What had been passed when the documents began to be read; nil: everything that has been passed by now.
        package var debts: [String: Debts]?
        /// By mapping: the shards that are listed, and those beside them that it is not through.
        package var remaining: [String: Set<Shard>] = [:]
        /// Whether nobody wrote while it was read: then what is in doubt is decided by it.
        package var isAlone: Bool

        package init(isAlone: Bool) { self.isAlone = isAlone }
    }

    /// Records that a mapping has passed and that somebody has to have done, or a document has to name.
    package struct Debts: Sendable {
        fileprivate(set) var seeks: Int
        fileprivate(set) var owed: [Shard: Set<UInt64>]
    }

    /// What mappings have passed by now.
    package func debts() -> [String: Debts] {
        mappings.mapValues { Debts(seeks: $0.seeks, owed: $0.lanes.mapValues(\.owed)) }
    }

    /// What was promised when an audit begins, to be there when it ends.
    package func promises() -> [Shard: [UInt64: Item]] {
        logs.filter { !deleted.contains($0.key.stream) }.mapValues(\.promised)
    }

    /// Judges the log as a whole (STORE-I1, STORE-I2, STORE-I3, STORE-I7).
    package mutating func audited(_ audit: Audit, promised: [Shard: [UInt64: Item]]) {
        var found: Set<UInt64> = []
        var lost: [(shard: Shard, sequences: [UInt64])] = []
        for content in audit.contents {
            var before: Item?
            for item in content.items {
                if let before, item.sequence != before.sequence + 1,
                    !mayHaveExpired(from: before, to: item, in: content.shard),
                    !mayHaveJumped(from: before.sequence, to: item.sequence)
                {
                    return fail("\(content.shard) has nothing between \(before.sequence) and \(item.sequence)")
                }
                if let before, item.arrival < before.arrival {
                    return fail("\(content.shard) \(item.sequence) arrived before \(before.sequence) (STORE-C3)")
                }
                before = item
                guard found.insert(item.id).inserted else { return fail("record \(item.id) is there twice") }
                promise(item, in: content.shard, because: "an audit")
                if violation != nil { return }
            }
            if content.isReportedDamaged { continue }
            let there = Set(content.items.map(\.sequence))
            var gone: [UInt64] = []
            for (sequence, item) in (promised[content.shard] ?? [:]).sorted(by: { $0.key < $1.key })
            where !there.contains(sequence) {
                // Not only at the front: retention may overtake an audit that is reading.
                guard mayHaveExpired(item, in: content.shard) else {
                    if logs[content.shard]?.shaky[sequence] != nil {
                        gone.append(sequence)
                        continue
                    }
                    return fail(
                        "\(content.shard) \(sequence) (record \(item.id)) was promised and is gone (arrived at \(item.arrival), the clock showed \(latestWall))"
                    )
                }
            }
            if !gone.isEmpty { lost.append((content.shard, gone)) }
        }
        for shard in promised.keys.sorted() where !audit.contents.contains(where: { $0.shard == shard }) {
            // A closed shard goes when retention has ended all of it (API-R-4); what is left of another one is looked for.
            let left = promised[shard]!.values.filter { !mayHaveExpired($0, in: shard) }
            if !left.isEmpty { return fail("\(shard) was there and is gone") }
        }
        decideLoss(lost, in: audit, found)
        if violation != nil { return }
        checkOrderOfKeys()
        if audit.isAlone { decide(found) }
        for (name, documents) in audit.documents.sorted(by: { $0.key < $1.key }) {
            mappings[name]?.forgetDocuments()
            for (shard, sequences) in documents { mappings[name]?.documented(sequences, in: shard) }
        }
        for (name, parked) in audit.parked.sorted(by: { $0.key < $1.key }) {
            sawParked(by: name, parked, audit.parkedKeys[name] ?? [])
        }
        for (name, pauses) in audit.pauses.sorted(by: { $0.key < $1.key }) {
            for (shard, since) in pauses { sawPause(of: name, in: shard, since: since) }
        }
        for (name, added) in audit.added.sorted(by: { $0.key < $1.key }) {
            sawAdded(by: name, added, audit.checkpoints[name] ?? [])
        }
        for (name, checkpoints) in audit.checkpoints.sorted(by: { $0.key < $1.key }) {
            for (shard, position) in checkpoints { checkPassed(by: name, in: shard, at: position, audit.debts?[name]) }
            if let remaining = audit.remaining[name] { checkRemoved(by: name, remaining) }
        }
    }

    /// Of what was read, what retention can't have ended by now.
    package func kept(_ items: [Item], in shard: Shard) -> [Item] { items.filter { !mayHaveExpired($0, in: shard) } }

    /// A store said how many records there are in all, and of some that it has: those of the first number are there
    /// besides others that expired or that nobody has heard of, of the others there are just as many.
    package mutating func sawCounts(_ counts: [Int], of there: [Int], in shard: Shard) {
        guard let all = counts.first, (there[0]...max(there[0], records.count)).contains(all) else {
            return fail("\(shard) holds \(there[0]) records, and the store counts \(counts)")
        }
        for (count, there) in zip(counts.dropFirst(), there.dropFirst()) where count != there {
            return fail("the store counts \(count) records in \(shard) where \(there) are")
        }
    }

    /// Whether retention may have ended all records between the two.
    private func mayHaveExpired(from before: Item, to after: Item, in shard: Shard) -> Bool {
        guard before.sequence < after.sequence, mayHaveExpired(before, in: shard) else { return false }
        guard let log = logs[shard], after.sequence > before.sequence + 1 else { return true }
        return log.numbers(in: before.sequence + 1...after.sequence - 1).allSatisfy {
            mayHaveExpired(log.promised[$0]!, in: shard)
        }
    }

    /// Records of one key and one source have rising numbers, over splits and merges too (STORE-I2).
    private mutating func checkOrderOfKeys() {
        struct Lane: Hashable {
            var stream: String
            var key: String
            var source: Int
        }
        var lanes: [Lane: [(order: Int, sequence: UInt64, id: UInt64)]] = [:]
        for (id, known) in records {
            guard let place = known.place else { continue }
            lanes[Lane(stream: known.stream, key: known.key, source: known.source), default: []].append(
                (known.order, place.item.sequence, id))
        }
        for (lane, places) in lanes {
            let sorted = places.sorted { $0.order < $1.order }
            for (left, right) in zip(sorted, sorted.dropFirst()) where left.sequence >= right.sequence {
                return fail(
                    "key \(lane.key) of \(lane.stream): record \(left.id) was put before \(right.id), but is at \(left.sequence) and that at \(right.sequence)"
                )
            }
        }
    }

    /// After an opening, what is in doubt is there whole or not at all, and stays so (STORE-I3).
    private mutating func decide(_ found: Set<UInt64>) {
        for index in puts.indices {
            let put = puts[index]
            guard case .inDoubt = put.fate else { continue }
            // What went with its stream can't be told from what never was.
            let ids = put.ids.filter { !deleted.contains(records[$0]?.stream ?? "") }
            if ids.count < put.ids.count {
                guard !put.isOneCommit, !ids.isEmpty else { continue }
                puts[index].ids = ids
            }
            let states = ids.map { found.contains($0) || records[$0]?.place != nil }
            // Nor can what retention may have ended.
            let stream = ids.first.flatMap { records[$0]?.stream } ?? ""
            if put.madeAt - Self.largestStepBack <= latestWall - retention(of: stream) { continue }
            if put.isOneCommit, states.contains(true), states.contains(false) {
                return fail("of the put of records \(ids) only a part is there: \(states)")
            }
            if let gap = states.firstIndex(of: false), states[gap...].contains(true) {
                return fail("record \(ids[gap]) is missing, but later ones of the same producer are there")
            }
            puts[index].fate = states.contains(true) ? .acknowledged : .absent
            // A producer's stream of records is there up to some record; what comes after it is absent.
            if states.contains(true), let gap = states.firstIndex(of: false) {
                puts.append(
                    Put(ids: Array(ids[gap...]), isOneCommit: false, madeAt: put.madeAt, fate: .absent))
                for id in ids[gap...] { records[id]!.put = puts.count - 1 }
                puts[index].ids = Array(ids[..<gap])
            }
        }
    }
}
