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

    var keys = ParkedKeys()
    /// What is not durably in the parking stream.
    private(set) var taken: Deque<Taken> = []
    private(set) var takenRecords = 0
    private(set) var takenBytes = 0
    /// The keys whose stored value is not what ``keys`` has.
    var changed: Set<UTF8Key> = []
    /// What functions have added for redriven records of changed keys.
    var added: [(key: UTF8Key, record: AddedRecord)] = []
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
    var canEnd: Bool { isSettled && !keys.hasExplicitHashKeys }

    /// Whether records are handed back to the function, or are to be.
    var isReleasing: Bool { keys.hasReleased }

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
        for record in records {
            keys.update(record.partitionKey) { key in
                key.taken = max(key.taken, record.sequenceNumber)
                key.takenCount += 1
                if record.explicitHashKey != nil { key.hasExplicitHashKeys = true }
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
