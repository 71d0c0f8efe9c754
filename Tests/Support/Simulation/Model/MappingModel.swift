/// What a mapping has done, as the world outside the store knows it.
struct MappingModel {
    struct Lane {
        /// Numbers of records that the function returned for.
        var done: Set<UInt64> = []
        /// Numbers that a document in the failure destination names.
        var documented: [ClosedRange<UInt64>] = []
        /// The highest checkpoint that anybody saw.
        var checkpoint: UInt64 = 0
        /// The highest that is on the disk for sure, and those since then with the time at which anybody saw them.
        var synced: UInt64 = 0
        var unsynced: [(position: UInt64, at: Int64)] = []
        /// Everything up to here is done, as far as was looked.
        var doneThrough: UInt64 = 0
        /// What was passed before anybody saw it done: there must be a document of it at the next audit.
        var owed: Set<UInt64> = []
        /// The factors of the runs that called the function; 0: one that changed meanwhile.
        var factors: Set<Int> = []
        /// The keys whose records the function has.
        var running: Set<String> = []
        /// Those of records that were parked and are handed back.
        var redriving: Set<String> = []
        /// What the parking stream has.
        var aside: Set<UInt64> = []
        /// What was handed back, and is stored as done.
        var handedBack: Set<UInt64> = []
        /// What was done before the mapping was sent back counts until that is certain.
        var doneBefore: Set<UInt64> = []
        /// The mapping was sent back, and its run may not have noticed yet: until it is at the shard's beginning
        /// nothing follows from where it is.
        var isStale = false
        /// Since when it is paused, as anybody saw last, and the pauses that an operator has ended.
        var pausedSince: Int64?
        var resumed: Set<Int64> = []
        /// What its tumbling windows have.
        var windows = WindowModel()
    }

    let stream: String
    /// The latest time that the clock had shown when anybody saw the mapping first.
    var firstSeen: Int64?
    /// The mapping is being sent back, or may have been: its checkpoints may be anywhere.
    var isSought = false
    /// How often it was sent back.
    var seeks = 0
    var lanes: [Judge.Shard: Lane] = [:]
    /// Control actions: those that are kept by revision, those of which nobody knows yet, those that were refused.
    var actions: [UInt64: Judge.Action] = [:]
    var openActions: [String: Judge.Action] = [:]
    var refusedActions: Set<String> = []
    /// It is disabled, and its last invocation has ended.
    var isQuiet = false
    /// How often units have failed in this run; nil: not known.
    var attempts: [Judge.Unit: Int]?

    mutating func processEnded() {
        for shard in lanes.keys {
            lanes[shard]!.running = []
            lanes[shard]!.redriving = []
            lanes[shard]!.windows.processEnded()
        }
        attempts = nil
    }

    /// All documents that there are are told again.
    mutating func forgetDocuments() { for shard in lanes.keys { lanes[shard]!.documented = [] } }

    mutating func documented(_ sequences: ClosedRange<UInt64>, in shard: Judge.Shard) {
        lanes[shard, default: Lane()].documented.append(sequences)
    }
}

extension Judge {
    /// The mapping is about to be sent back to the oldest records.
    package mutating func willSeek(_ name: String) {
        guard mappings[name] != nil else { return }
        mappings[name]!.isSought = true
        mappings[name]!.seeks += 1
        // A run may also be in a shard in which nobody has seen it yet.
        for shard in logs.keys where shard.stream == mappings[name]!.stream && mappings[name]!.lanes[shard] == nil {
            mappings[name]!.lanes[shard] = MappingModel.Lane()
        }
        for shard in mappings[name]!.lanes.keys {
            mappings[name]!.lanes[shard]!.doneBefore.formUnion(mappings[name]!.lanes[shard]!.done)
            mappings[name]!.lanes[shard]!.done = []
            mappings[name]!.lanes[shard]!.isStale = true
        }
    }

    /// It was sent back: what was done before has to be done once more.
    package mutating func hasSought(_ name: String) {
        guard mappings[name] != nil else { return }
        mappings[name]!.isSought = false
        for shard in mappings[name]!.lanes.keys {
            mappings[name]!.lanes[shard]!.doneBefore = []
            mappings[name]!.lanes[shard]!.checkpoint = 0
            mappings[name]!.lanes[shard]!.synced = 0
            mappings[name]!.lanes[shard]!.unsynced = []
            mappings[name]!.lanes[shard]!.doneThrough = 0
            mappings[name]!.lanes[shard]!.owed = []
        }
    }

    /// It was surely not sent back.
    package mutating func hasNotSought(_ name: String) {
        guard mappings[name] != nil else { return }
        mappings[name]!.isSought = false
    }

    /// The function is called with these records (STORE-I1, STORE-I2, STORE-I4) by so many lanes; 0: nobody knows.
    package mutating func invoked(
        _ name: String, _ shard: Shard, with items: [Item], checkpoint: UInt64, factor: Int = 1
    ) {
        invocations += 1
        if mappings[name]!.isQuiet { return fail("\(name) is disabled, and the function gets \(shard) (ESM-L2)") }
        for item in items { promise(item, in: shard, because: "the function") }
        for (left, right) in zip(items, items.dropFirst()) where right.sequence <= left.sequence {
            return fail("\(name) got \(shard) \(right.sequence) after \(left.sequence)")
        }
        guard let first = items.first else { return fail("\(name) got no records of \(shard)") }
        var lane = mappings[name]!.lanes[shard] ?? MappingModel.Lane()
        let keys = Set(items.map(\.key))
        if factor == 1, !lane.running.isEmpty {
            return fail("two invocations of \(name) for \(shard) run at once (ESM-R17)")
        }
        if let key = keys.intersection(lane.redriving).min() {
            return fail("\(name) gets '\(key)' in \(shard) while records of it are handed back (ESM-N2)")
        }
        if let key = keys.intersection(lane.running).min() {
            return fail("two invocations of \(name) for '\(key)' in \(shard) run at once (ESM-K2)")
        }
        lane.running.formUnion(keys)
        lane.factors.insert(factor)
        mappings[name]!.lanes[shard] = lane
        if let dropped = items.first(where: { droppedKeys.contains($0.key) }) {
            return fail("\(name) got \(shard) \(dropped.sequence), which no filter matches (ESM-F1)")
        }
        sawCheckpoint(of: name, in: shard, at: checkpoint)
        // Sent to the oldest record, which had expired meanwhile, a run that has not noticed may still be in front of it.
        if first.sequence <= checkpoint, !lane.isStale {
            return fail("\(name) got \(shard) \(first.sequence) again, though its checkpoint is \(checkpoint)")
        }
        let missing = missing(between: items, in: shard, by: lane, whole: factor == 1)
        if parksKeys {
            checkKeys(of: items, for: name, in: shard)
        } else if let first = missing.first, lane.factors == [factor], factor > 0 {
            return fail("\(name) got \(shard) \(items[0].sequence)... without \(first)")
        }
        // A lane of another factor may have given it up, which the documents show.
        if !parksKeys { mappings[name]!.lanes[shard]!.owed.formUnion(missing) }
        if lane.isStale {
            let oldest = logs[shard]?.promised.filter { !mayHaveExpired($0.value, in: shard) }.keys.min() ?? 0
            // One that is in front of where the mapping was sent has surely not noticed.
            guard first.sequence <= oldest, first.sequence > checkpoint else { return }
            mappings[name]!.lanes[shard]!.isStale = false
            mappings[name]!.lanes[shard]!.windows = WindowModel()
        }
        // Everything in front of it is done, with lanes what has the same keys.
        if parksKeys {
            // What is taken aside needs not be durable yet, until a checkpoint passes it.
        } else if factor == 1 {
            owe(upTo: first.sequence - 1, by: name, in: shard)
        } else {
            owe(before: items, by: name, in: shard)
        }
        // A run that has not noticed that it was sent back may begin with a child, whose parents it had done before.
        for parent in ancestors(of: shard) where mappings[name]!.lanes[parent]?.isStale != true {
            owe(upTo: logs[parent]?.last ?? 0, by: name, in: parent)
        }
    }

    /// The function has ended: it returned for the records up to this number.
    package mutating func invocationEnded(
        _ name: String, _ shard: Shard, _ keys: Set<String>? = nil, did sequences: [UInt64], isRedrive: Bool = false
    ) {
        if isRedrive {
            mappings[name]!.lanes[shard]!.redriving.subtract(keys ?? [])
            mappings[name]!.lanes[shard]!.done.formUnion(sequences)
            return
        }
        // The function has only one unit at a time where its keys are not told.
        let running = mappings[name]!.lanes[shard]!.running
        mappings[name]!.lanes[shard]!.running = keys.map(running.subtracting) ?? []
        mappings[name]!.lanes[shard]!.done.formUnion(sequences)
    }

    /// Somebody saw the mapping's checkpoint at this moment: it never goes back (STORE-I4).
    package mutating func sawCheckpoint(of name: String, in shard: Shard, at position: UInt64) {
        guard mappings[name] != nil else { return }
        mappings[name]!.firstSeen = mappings[name]!.firstSeen ?? latestWall
        var lane = mappings[name]!.lanes[shard] ?? MappingModel.Lane()
        if position < lane.checkpoint, !mappings[name]!.isSought {
            return fail("the checkpoint of \(name) in \(shard) went back from \(lane.checkpoint) to \(position)")
        }
        if interval == nil {
            lane.synced = position
            lane.unsynced = []
        } else if position != lane.checkpoint {
            lane.unsynced.append((position, monotonic))
        }
        lane.checkpoint = position
        mappings[name]!.lanes[shard] = lane
        owe(upTo: min(position, logs[shard]?.last ?? 0), by: name, in: shard)
    }

    /// All documents that there are are known: whatever a checkpoint has passed is done (STORE-I4 and STORE-I5).
    mutating func checkPassed(by name: String, in shard: Shard, at position: UInt64, _ debts: Debts?) {
        // Sent back since, nothing follows from where it was.
        guard let mapping = mappings[name], debts?.seeks ?? mapping.seeks == mapping.seeks else { return }
        let lane = mapping.lanes[shard] ?? MappingModel.Lane()
        let owed = debts.map { ($0.owed[shard] ?? []).intersection(lane.owed) } ?? lane.owed
        let passed = (logs[shard]?.promised.keys.filter { $0 <= position } ?? []) + owed
        for sequence in passed.sorted()
        where !isDone(sequence, in: shard, by: lane) || isUntold(sequence, in: shard, by: name) {
            return fail(
                "\(name) went past \(shard) \(sequence), which the function never did and no document names (checkpoint \(position))"
            )
        }
        mappings[name]!.lanes[shard, default: MappingModel.Lane()].owed.subtract(owed)
    }

    /// At the end of a run: everything that is retained is done (at least once).
    package mutating func caughtUp(_ name: String) {
        for (shard, log) in logs.sorted(by: { $0.key < $1.key }) where shard.stream == mappings[name]!.stream {
            let lane = mappings[name]!.lanes[shard] ?? MappingModel.Lane()
            for sequence in log.promised.keys.sorted() where !isDone(sequence, in: shard, by: lane) {
                return fail("\(name) is caught up, but \(shard) \(sequence) is not done")
            }
        }
    }

    /// Everything up to this number has to be done; what isn't yet has to have a document.
    private mutating func owe(upTo last: UInt64, by name: String, in shard: Shard) {
        var lane = mappings[name]!.lanes[shard] ?? MappingModel.Lane()
        let first = max(lane.doneThrough, logs[shard]?.origin ?? 0)
        guard first < last else { return }
        for sequence in logs[shard]?.numbers(in: first + 1...last) ?? [] where !isDone(sequence, in: shard, by: lane) {
            lane.owed.insert(sequence)
        }
        lane.doneThrough = last
        mappings[name]!.lanes[shard] = lane
    }

    /// Everything in front of these records that has their keys has to be done, too.
    private mutating func owe(before items: [Item], by name: String, in shard: Shard) {
        var lane = mappings[name]!.lanes[shard] ?? MappingModel.Lane()
        let origin = logs[shard]?.origin ?? 0
        for (key, items) in Dictionary(grouping: items, by: \.key) {
            guard let first = items.map(\.sequence).min(), origin < first - 1 else { continue }
            for sequence in logs[shard]?.numbers(in: origin + 1...first - 1) ?? []
            where logs[shard]?.promised[sequence]?.key == key && !isDone(sequence, in: shard, by: lane) {
                lane.owed.insert(sequence)
            }
        }
        mappings[name]!.lanes[shard] = lane
    }

    /// What the log has between the first and the last of these records, is not among them and not done: with several
    /// lanes, of those with one of their keys.
    private func missing(
        between items: [Item], in shard: Shard, by lane: MappingModel.Lane, whole: Bool
    ) -> [UInt64] {
        guard let log = logs[shard], let first = items.first, let last = items.last else { return [] }
        let inside = Set(items.map(\.sequence))
        let keys = Set(items.map(\.key))
        return log.numbers(in: first.sequence...last.sequence).filter { sequence in
            guard !inside.contains(sequence), let item = log.promised[sequence],
                whole || keys.contains(item.key)
            else { return false }
            return !isDone(sequence, in: shard, by: lane)
        }
    }

    func isDone(_ sequence: UInt64, in shard: Shard, by lane: MappingModel.Lane) -> Bool {
        if lane.done.contains(sequence) || lane.doneBefore.contains(sequence) { return true }
        if lane.documented.contains(where: { $0.contains(sequence) }) { return true }
        if lane.aside.contains(sequence) { return true }
        // Lost with the power it needs nothing; whether it is lost is not known before the next audit.
        guard let log = logs[shard], let item = log.promised[sequence], log.shaky[sequence] == nil else { return true }
        return droppedKeys.contains(item.key) || mayHaveExpired(item, in: shard)
    }

    /// Whether retention ended a record that the mapping has passed, without a document that says so (ESM-G4).
    private func isUntold(_ sequence: UInt64, in shard: Shard, by name: String) -> Bool {
        guard tellsExpired, let mapping = mappings[name], let log = logs[shard], let item = log.promised[sequence],
            log.shaky[sequence] == nil, !droppedKeys.contains(item.key), mayHaveExpired(item, in: shard)
        else { return false }
        let lane = mapping.lanes[shard] ?? MappingModel.Lane()
        if lane.done.contains(sequence) || lane.aside.contains(sequence)
            || lane.documented.contains(where: { $0.contains(sequence) })
        {
            return false
        }
        // One that is made later begins with what is there.
        return mapping.firstSeen.map { item.arrival > $0 - retention(of: shard.stream) } ?? false
    }

    /// Whatever is gone with its shard was done by each mapping, or told.
    mutating func checkRemoved(by name: String, _ remaining: Set<Shard>) {
        guard tellsExpired, let mapping = mappings[name] else { return }
        for (shard, log) in logs.sorted(by: { $0.key < $1.key })
        where shard.stream == mapping.stream && !remaining.contains(shard) {
            for sequence in log.promised.keys.sorted() where isUntold(sequence, in: shard, by: name) {
                return fail("\(shard) is gone with \(sequence), which \(name) has neither done nor told of")
            }
        }
    }

    func ancestors(of shard: Shard) -> [Shard] {
        var found: [Shard] = []
        var next = logs[shard]?.parents ?? []
        while let parent = next.popLast() {
            guard !found.contains(parent) else { continue }
            found.append(parent)
            next += logs[parent]?.parents ?? []
        }
        return found.sorted()
    }
}
