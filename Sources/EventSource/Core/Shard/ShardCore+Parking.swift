import DequeModule
import StreamModel

/// What an operator, or the handing back of records, does to a shard's parked keys (ESM-N1, ESM-N2).
package enum ParkedKeyAction: Sendable {
    /// Park these keys by hand; those that are released already wait again.
    case park([String], actor: String, reason: String)
    /// Hand back the waiting records of these keys, and of these keys what comes until none waits.
    case release(ParkedKeySelection)
    /// Drop the waiting records of these keys, which are then parked no longer.
    case discard(ParkedKeySelection)
    /// The function is done with some of what was released.
    case redriven([RedrivenKey])
    /// Store how far that is without a pause.
    case storeProgress
    /// The record of a key behind this place failed again.
    case failedAgain(String, after: UInt64, next: ParkedKey.Place?, FailureCause)
}

extension ParkedKeyAction {
    /// The same for a shard with these hash keys: keys that were never parked are parked by hand in the shard that owns
    /// them, and no other, or shards that are merged would have two of them.
    package func within(_ range: HashKeyRange) -> ParkedKeyAction {
        guard case .park(let keys, let actor, let reason) = self else { return self }
        return .park(
            keys.filter { range.contains(HashKey(partitionKey: $0)) }, actor: actor, reason: reason)
    }
}

/// The function is done with a key's parked records up to this place.
package struct RedrivenKey: Sendable {
    package var partitionKey: String
    /// The place of the last one that is done.
    package var through: UInt64
    /// A place in the parking stream before the next one; nil: not known.
    package var next: ParkedKey.Place?
    /// What the function has added, with the place of the record that it was made of (ESM-O1).
    package var added: [Added] = []

    /// A record that the function has added for a redriven one.
    package struct Added: Sendable {
        package var order: UInt64
        package var record: AddedRecord

        package init(_ record: AddedRecord, order: UInt64) {
            self.record = record
            self.order = order
        }
    }

    package init(_ partitionKey: String, through: UInt64, next: ParkedKey.Place?, added: [Added] = []) {
        self.partitionKey = partitionKey
        self.through = through
        self.next = next
        self.added = added
    }
}

/// Which of a mapping's parked keys are meant: those for which everything that is given holds.
public struct ParkedKeySelection: Hashable, Sendable {
    /// These keys; nil: any.
    public var keys: Set<UTF8Key>?
    /// Those whose failure is of this group; nil: of any, and those that were parked by hand.
    public var group: FailureGroup?
    /// Those whose error has this type; nil: any.
    public var errorType: String?
    /// Those that were parked at or after this moment; nil: at any.
    public var since: Timestamp?
    /// Those that were parked before this moment; nil: at any.
    public var before: Timestamp?

    /// All parked keys.
    public static let all = ParkedKeySelection()

    /// The keys for which all of this holds.
    public init(
        keys: Set<UTF8Key>? = nil, group: FailureGroup? = nil, errorType: String? = nil, since: Timestamp? = nil,
        before: Timestamp? = nil
    ) {
        self.keys = keys
        self.group = group
        self.errorType = errorType
        self.since = since
        self.before = before
    }

    /// Whether a key is meant.
    public func contains(_ key: ParkedKey) -> Bool {
        if let keys, !keys.contains(UTF8Key(key.partitionKey)) { return false }
        if let group, key.cause?.group != group { return false }
        if let errorType, key.cause?.errorType != errorType { return false }
        if let since, key.since < since { return false }
        if let before, key.since >= before { return false }
        return true
    }
}

extension ShardCore {
    /// The keys that the shard has parked, in the order of their bytes.
    package var parkedKeys: [ParkedKey] { shared.parking.keys.all }

    /// Whether everything that operators have asked for is durable.
    package var isUpToDate: Bool { requests.isEmpty && shared.parking.isSettled }

    /// Whether records of parked keys are handed back, or are to be.
    package var isReleasing: Bool { shared.parking.isReleasing }

    mutating func parked(_ action: ParkedKeyAction, request: UInt64?) {
        // The shard's keys are on their way to its children, which do what is asked.
        if case .checkpoint(let progress) = saving, progress.isShardEnd { return }
        if let request { requests.append(request) }
        switch action {
        case .park(let keys, let actor, let reason):
            for text in keys {
                if shared.parking.keys[text] == nil {
                    holds.append(Hold(partitionKey: text, actor: actor, reason: reason))
                } else {
                    change(text) { key in
                        key.isReleasing = false
                        key.actor = actor
                        key.reason = reason
                    }
                }
            }
        case .release(let selection):
            dropHolds(selection)
            change(selection) { $0.isReleasing = true }
        case .discard(let selection):
            dropHolds(selection)
            // What is being redriven comes to its end first.
            change(selection) { $0.isDiscarded = true }
        case .redriven(let keys):
            let added = keys.flatMap { redriven($0) }
            if !added.isEmpty { shared.parking.add(added, of: keys.map(\.partitionKey)) }
        case .storeProgress: shared.parking.hurry()
        case .failedAgain(let key, let after, let next, let cause):
            change(key) { key in
                guard after >= key.done, after < key.released else { return }
                key.done = after
                key.released = after
                key.isReleasing = false
                key.place = next
                key.cause = cause
                key.failedReleases += 1
            }
        }
    }

    /// Notes how far a key is. Returns what was added for what was not known to be done.
    private mutating func redriven(_ redriven: RedrivenKey) -> [AddedRecord] {
        guard let slot = shared.parking.keys.slot(of: redriven.partitionKey) else { return [] }
        var isLast: Bool?
        var added: [AddedRecord] = []
        shared.parking.keys.update(slot) { key in
            guard redriven.through > key.done, redriven.through <= key.released else { return }
            // Told again, as a shard may not have heard of it, some is known.
            added = redriven.added.filter { $0.order > key.done }.map(\.record)
            key.done = redriven.through
            key.place = redriven.next
            isLast = key.done == key.released
        }
        guard let isLast else { return [] }
        if isLast {
            shared.parking.noteChange(of: redriven.partitionKey)
            settle(redriven.partitionKey)
        } else {
            shared.parking.noteProgress(of: slot)
        }
        return added
    }

    /// Keys that wait to be parked by hand are not, where a later request means them.
    private mutating func dropHolds(_ selection: ParkedKeySelection) {
        holds.removeAll { selection.keys?.contains(UTF8Key($0.partitionKey)) ?? true }
    }

    private mutating func change(_ selection: ParkedKeySelection, _ body: (inout ParkedKey) -> Void) {
        if let keys = selection.keys {
            for key in keys where shared.parking.keys[key.string].map(selection.contains) == true {
                change(key.string, body)
            }
        } else {
            for key in shared.parking.keys.all where selection.contains(key) { change(key.partitionKey, body) }
        }
    }

    private mutating func change(_ text: String, _ body: (inout ParkedKey) -> Void) {
        guard var key = shared.parking.keys[text] else { return }
        let before = key
        body(&key)
        guard key != before || key.isReleasing || key.isDiscarded else { return }
        shared.parking.keys[text] = key
        shared.parking.noteChange(of: text)
        settle(text)
    }

    /// Ends the parking of a key of which nothing waits, and goes on with the release of one of which more waits.
    mutating func settle(_ text: String) {
        guard let slot = shared.parking.keys.slot(of: text), shared.parking.keys.isAtRest(slot) else { return }
        var key = shared.parking.keys[slot]
        if key.isDiscarded {
            key.isDiscarded = false
            key.done = key.appended
            key.released = key.appended
            key.isReleasing = true
            key.place = nil
            shared.parking.keys[text] = key
            shared.parking.noteChange(of: text)
        }
        guard key.isReleasing else { return }
        guard key.done == key.appended else {
            key.released = key.appended
            shared.parking.keys[text] = key
            shared.parking.noteChange(of: text)
            return
        }
        guard key.takenCount == 0 else { return }
        // Before a checkpoint has passed what was parked, it would be read again by another run.
        let lane = Self.lane(ofKey: text, factor: lanes.count)
        guard saved.position(ofLane: lane, of: lanes.count) >= key.through else {
            shared.parking.drained.insert(UTF8Key(text))
            return
        }
        // Nor may a checkpoint pass what comes now before the store knows that the key is parked no longer.
        shared.parking.leaving[UTF8Key(text)] = lane
        shared.parking.keys[text] = nil
        shared.parking.noteChange(of: text)
        shared.trace(.unparked(text))
    }

    /// Goes on with the releases of the run before: those of which something waits, and those that are only to be ended.
    mutating func resumeReleases() {
        guard shared.parking.isReleasing else { return }
        for key in shared.parking.keys.all where key.isReleasing { settle(key.partitionKey) }
        act(.redrive)
    }

    /// Parks keys by hand as soon as their lanes have no unit: what a unit has of a key comes before what waits.
    mutating func settleHolds() {
        guard !holds.isEmpty else { return }
        var left: [Hold] = []
        for hold in holds where shared.parking.keys[hold.partitionKey] == nil {
            let lane = Self.lane(ofKey: hold.partitionKey, factor: lanes.count)
            guard lanes[lane].units.isEmpty, lanes[lane].isCollecting else {
                left.append(hold)
                continue
            }
            var key = shared.newParkedKey(hold.partitionKey)
            key.actor = hold.actor
            key.reason = hold.reason
            // What is done is not taken aside when it is read again.
            shared.parking.keys[hold.partitionKey] = key
            shared.parking.noteChange(of: hold.partitionKey)
            lanes[lane].takeParkedAside(&shared)
        }
        holds = left
    }

    /// Tells which requests are done with, once what they changed is durable.
    mutating func settleRequests() {
        guard !requests.isEmpty, holds.isEmpty, !shared.parking.isUrgent, saved.paused == shared.paused else { return }
        guard case .nothing = shared.parking.writing else { return }
        act(.applied(requests))
        requests = []
    }

    // MARK: - Writing

    /// Stores what was taken aside, and what has changed of keys. One such commit is open at a time.
    mutating func settleParking(_ now: Moment) {
        guard phase != .new, phase != .stopped(.shardEnd) else { return }
        switch shared.parking.writing {
        case .open: return
        case .failed(let order, let entries, let until):
            guard now.monotonic >= until else { return }
            shared.parking.writing = .open(order, entries: entries)
            act(.park(order))
        case .nothing:
            guard !shared.parking.isSettled else { return }
            if phase == .running, let due = shared.parking.progressDue, now.monotonic < due { return }
            guard let (order, entries) = nextOrder() else {
                if !shared.parking.taken.isEmpty, !shared.parking.isFull {
                    shared.parking.isFull = true
                    shared.trace(.parkingFull(waiting: shared.parking.keys.waiting))
                }
                return
            }
            shared.parking.isFull = false
            shared.parking.begins(order, entries: entries, at: now.monotonic)
            act(.park(order))
        }
    }

    private mutating func nextOrder() -> (ParkingOrder, entries: Int)? {
        var entries: [ParkingOrder.Entry] = []
        var (records, bytes) = (0, 0)
        var keys = changedKeysOfOneCommit
        // Those of records, where their values are not among these already.
        var slots: [Int] = []
        let isWhole = keys.count == shared.parking.changed.count
        for part in shared.parking.taken {
            records += part.records.count
            bytes += part.records.byteCount
            guard entries.isEmpty || records <= Parking.mostRecords && bytes <= Parking.mostBytes, hasRoom(part) else {
                break
            }
            entries.append(ParkingOrder.Entry(records: part.records, places: places(of: part.records, &slots, isWhole)))
        }
        keys.formUnion(slots.map { UTF8Key(shared.parking.keys[$0].partitionKey) })
        guard !keys.isEmpty else { return nil }
        let sorted = keys.sorted()
        for key in sorted { settle(key.string) }
        shared.parking.takeChanges(keys)
        let added = shared.parking.takeAdded()
        let values = sorted.map { key in
            guard let slot = shared.parking.keys.slot(of: key.string) else {
                return ParkingOrder.Value(partitionKey: key.string, key: nil)
            }
            shared.parking.keys.update(slot) { $0.isChanged = false }
            return ParkingOrder.Value(partitionKey: key.string, key: shared.parking.keys[slot])
        }
        return (ParkingOrder(entries: entries, values: values, added: added), entries.count)
    }

    /// The keys whose values are stored next: not more than one commit holds, but all of those of calls that have added
    /// something.
    private var changedKeysOfOneCommit: Set<UTF8Key> {
        let changed = shared.parking.changed
        guard changed.count > Parking.mostValues else { return changed }
        return Set(changed.sorted().prefix(Parking.mostValues))
            .union(shared.parking.keysOfAdded.intersection(changed))
    }

    /// Gives records their places among those of their keys. Adds the slots of keys whose values have not changed before.
    private mutating func places(
        of records: RecordBatch, _ slots: inout [Int], _ hasAllChanges: Bool
    ) -> [ParkingOrder.Place] {
        var places: [ParkingOrder.Place] = []
        places.reserveCapacity(records.count)
        for run in records.runs {
            for index in 0..<run.count {
                guard let slot = shared.parking.keys.slot(of: run, at: index) else { continue }
                shared.parking.keys.update(slot) { key in
                    key.appended += 1
                    key.takenCount -= 1
                    key.through = max(key.through, run.firstSequence.advanced(by: index))
                    places.append(ParkingOrder.Place(episode: key.episode, order: key.appended))
                    if !key.isChanged || !hasAllChanges { slots.append(slot) }
                    key.isChanged = true
                }
            }
        }
        return places
    }

    /// Whether the bounds admit these records (ESM-N1); where they don't, the shard waits for keys to be released or
    /// discarded.
    private func hasRoom(_ part: Parking.Taken) -> Bool {
        let waiting = shared.parking.keys.waiting
        guard waiting == 0 || waiting + part.records.count <= settings.maximumParkedRecords else { return false }
        let most = settings.maximumParkedRecordsPerKey
        for run in part.records.runs {
            for index in 0..<run.count {
                guard let slot = shared.parking.keys.slot(of: run, at: index) else { continue }
                if shared.parking.keys[slot].recordCount >= most { return false }
            }
        }
        return true
    }

    /// The open order is durable; `places` has where the first records of keys are that had none.
    mutating func parkingStored(_ places: [UTF8Key: ParkedKey.Place], _ now: Moment) {
        guard case .open(let order, let entries) = shared.parking.writing else { return }
        shared.parking.ended(at: now.monotonic)
        for (key, place) in places {
            guard let slot = shared.parking.keys.slot(of: key.string), shared.parking.keys[slot].place == nil else {
                continue
            }
            // A crash before this is stored makes the next release look for the place from the start.
            shared.parking.keys.update(slot) { $0.place = place }
            shared.parking.noteChange(of: key.string)
        }
        for value in order.values where value.key == nil { shared.parking.leaving[UTF8Key(value.partitionKey)] = nil }
        let count = shared.parking.removeTaken(entries)
        shared.counters.parked += count
        if count > 0 { shared.trace(.parked(count, keys: order.values.count)) }
        // Those that are being redriven already change with each batch that is done.
        var isNew = false
        for value in order.values {
            guard let key = value.key, let slot = shared.parking.keys.slot(of: value.partitionKey) else { continue }
            let released = key.released > key.done ? key.released : 0
            let episode = key.episode
            shared.parking.keys.update(slot) { key in
                // The key may be parked again since.
                guard key.episode == episode else { return }
                isNew = isNew || released > key.told
                key.told = released
            }
        }
        if isNew { act(.redrive) }
    }

    mutating func parkingFailed(_ error: String, _ now: Moment) {
        guard case .open(let order, let entries) = shared.parking.writing else { return }
        shared.parking.failures += 1
        let wait = shared.pause(before: shared.parking.failures)
        shared.parking.writing = .failed(order, entries: entries, until: now.monotonic + wait)
        shared.trace(.parkingFailed(error, failures: shared.parking.failures, wait: wait))
    }
}
