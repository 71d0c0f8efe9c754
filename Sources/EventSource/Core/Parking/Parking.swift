import DequeModule
import StreamModel

/// The parked keys of a shard, and the records on their way into the parking stream (ESM-N1).
struct Parking: Sendable {
    /// Records of one lane that were taken aside together, in order.
    struct Taken: Sendable {
        let lane: Int
        let records: RecordBatch
    }

    /// What the store is doing about it.
    enum Writing: Sendable {
        case nothing
        /// The commit of this order is under way, which has the given number of ``Parking/taken``.
        indirect case open(ParkingOrder, entries: Int)
        /// It failed, and is repeated at this moment.
        indirect case failed(ParkingOrder, entries: Int, until: MonotonicTime)
    }

    /// The most records, and bytes of records, of one commit.
    static let mostRecords = 10_000
    static let mostBytes = 4 << 20
    /// The most values of keys of one commit beside those of its records.
    static let mostValues = 5_000
    /// While records are handed back, how far that is is stored at most this often, and for at most a tenth of the time
    /// where storing takes long. Each batch has other keys, whose values would be several times what the records are.
    static let progressPauses = Duration.milliseconds(250)...Duration.seconds(5)

    var keys = ParkedKeys()
    /// What is not durably in the parking stream.
    private(set) var taken: Deque<Taken> = []
    private(set) var takenRecords = 0
    private(set) var takenBytes = 0
    /// The keys whose stored value is not what ``keys`` has.
    private(set) var changed: Set<UTF8Key> = []
    /// What functions have added for redriven records, and the keys of the calls that have added it: what is made of several
    /// keys is written with the values of all.
    private(set) var added: [AddedRecord] = []
    private(set) var keysOfAdded: Set<UTF8Key> = []
    /// Whether more has changed than how far records are handed back.
    private(set) var isUrgent = false
    /// When the last commit was begun, and how long to wait then before one that only tells of progress.
    private var lastOrder: MonotonicTime?
    private var progressPause = Self.progressPauses.lowerBound
    var writing = Writing.nothing
    /// How often the commit has failed in a row.
    var failures = 0
    /// The keys of which nothing waits, and whose records no checkpoint has passed yet.
    var drained: Set<UTF8Key> = []
    /// The keys that are parked no longer, which the store does not know yet, and their lanes.
    var leaving: [UTF8Key: Int] = [:]
    /// Whether the bounds keep records from being parked.
    var isFull = false

    init(_ keys: [ParkedKey] = []) {
        for key in keys { self.keys[key.partitionKey] = key }
    }

    /// Whether everything is durable.
    var isSettled: Bool {
        guard case .nothing = writing else { return false }
        return taken.isEmpty && changed.isEmpty
    }

    /// Whether nothing can be written before an operator makes room.
    var waitsForRoom: Bool {
        guard case .nothing = writing else { return false }
        return isFull
    }

    /// Whether nothing is left that keeps the shard from ending: its children can take all keys over.
    ///
    /// How far records are handed back needs not be stored before: the end of the shard stores all values.
    var canEnd: Bool {
        guard case .nothing = writing else { return false }
        return taken.isEmpty && !isUrgent && added.isEmpty && !keys.hasExplicitHashKeys
    }

    /// Whether records are handed back to the function, or are to be.
    var isReleasing: Bool { keys.hasReleased }

    /// The value of a key is to be stored: soon, or with the others of a redrive.
    mutating func noteChange(of text: String, isUrgent: Bool = true) {
        changed.insert(UTF8Key(text))
        keys.update(text) { $0.isChanged = true }
        if isUrgent { self.isUrgent = true }
    }

    /// The same, for the key in a slot, whose redrive has come further.
    mutating func noteProgress(of slot: Int) {
        guard !keys[slot].isChanged else { return }
        changed.insert(UTF8Key(keys[slot].partitionKey))
        keys.update(slot) { $0.isChanged = true }
    }

    /// A call that is done with records of these keys has added this.
    mutating func add(_ records: [AddedRecord], of keys: [String]) {
        added += records
        for key in keys {
            // One that is parked no longer is stored as that.
            if self.keys.contains(key) { noteChange(of: key) }
            keysOfAdded.insert(UTF8Key(key))
        }
    }

    /// What was added is on its way to the store.
    mutating func takeAdded() -> [AddedRecord] {
        defer { (added, keysOfAdded) = ([], []) }
        return added
    }

    /// What has changed is to be stored soon, also if it is only how far records are handed back.
    mutating func hurry() { isUrgent = !changed.isEmpty }

    /// The values of these keys are on their way to the store.
    mutating func takeChanges(_ texts: Set<UTF8Key>) {
        changed.subtract(texts)
        if changed.isEmpty { isUrgent = false }
    }

    /// The moment at which a commit is due that only stores how far records were handed back.
    var progressDue: MonotonicTime? {
        guard case .nothing = writing, !changed.isEmpty, !isUrgent, taken.isEmpty else { return nil }
        return lastOrder.map { $0 + progressPause }
    }

    /// A commit begins now.
    mutating func begins(_ order: ParkingOrder, entries: Int, at now: MonotonicTime) {
        lastOrder = now
        writing = .open(order, entries: entries)
    }

    /// The commit has ended well.
    mutating func ended(at now: MonotonicTime) {
        writing = .nothing
        failures = 0
        let limits = Self.progressPauses
        progressPause =
            lastOrder.map { min(max((now - $0) * 10, limits.lowerBound), limits.upperBound) } ?? progressPause
    }

    /// The records that count against what a shard may hold: those of one commit are on their way beside it.
    var heldRecords: Int {
        isFull || takenBytes >= Self.mostBytes ? takenRecords : max(0, takenRecords - Self.mostRecords)
    }

    /// The lane's first record that is not durably in the parking stream; nil: all are.
    func firstTaken(ofLane lane: Int) -> SequenceNumber? {
        taken.reduce(nil) { first, part in
            guard part.lane == lane else { return first }
            return min(first ?? .max, part.records.firstSequence)
        }
    }

    /// Takes records of parked keys aside.
    mutating func take(_ records: RecordBatch, lane: Int) {
        guard !records.isEmpty else { return }
        if records.count > 1, records.byteCount > Self.mostBytes {
            // Each half keeps a commit within its limits.
            let half = records.count / 2
            take(records.extracting(0..<half), lane: lane)
            return take(records.extracting(half..<records.count), lane: lane)
        }
        for run in records.runs {
            for index in 0..<run.count {
                guard let slot = keys.slot(of: run, at: index) else { continue }
                let hasExplicitHashKey = run.layout(of: index).hashKeyStart != nil
                keys.update(slot) { key in
                    key.taken = max(key.taken, run.firstSequence.advanced(by: index))
                    key.takenCount += 1
                    if hasExplicitHashKey { key.hasExplicitHashKeys = true }
                }
            }
        }
        taken.append(Taken(lane: lane, records: records))
        takenRecords += records.count
        takenBytes += records.byteCount
    }

    /// The first of `taken` are durable. Returns the number of their records.
    mutating func removeTaken(_ entries: Int) -> Int {
        var count = 0
        for part in taken.prefix(entries) {
            count += part.records.count
            takenBytes -= part.records.byteCount
        }
        taken.removeFirst(entries)
        takenRecords -= count
        return count
    }

    mutating func removeAllTaken() -> Int { removeTaken(taken.count) }
}

/// A commit that parks records, and stores what is known of their keys.
package struct ParkingOrder: Sendable {
    /// Records that were taken aside together.
    package struct Entry: Sendable {
        package let records: RecordBatch
        /// The place of each record among those of its key.
        package let places: [Place]
    }

    /// The place of a record among those of its key.
    package struct Place: Hashable, Sendable {
        /// ``ParkedKey/episode``
        package var episode: UInt64
        /// From 1.
        package var order: UInt64
    }

    /// The value of a key; nil: it is parked no longer.
    package struct Value: Sendable {
        package let partitionKey: String
        package let key: ParkedKey?
    }

    package let entries: [Entry]
    package let values: [Value]
    /// What functions have added for the redriven records that the values say are done (ESM-O1).
    package let added: [AddedRecord]
}
