/// What must be true of a store and its mappings, told without them: the judge of every simulated run.
///
/// It knows each record by a number that stands in its data, hears of every put before it is made and of what became of
/// it, of every record that anybody was given, of every invocation and of every checkpoint that anybody saw, and says at
/// once where one of the seven invariants is broken. Three ideas carry it:
///
/// - A *put* is open until its outcome is known. A crash leaves what is open in doubt; the next opening decides it, once
///   and permanently: there whole, or absent for ever.
/// - What is acknowledged, or was shown to anybody, is *promised*: it is there after any crash, until retention ends it.
///   Under `.interval` a loss of power may take what was promised since the last sync, from its end on: Judge+Power.
/// - A record is *done* for a mapping when the function returned for it, when a document of it is in the failure
///   destination, or when retention ended it. A checkpoint stands after done records only.
package struct Judge {
    /// A shard of a stream.
    package struct Shard: Hashable, Comparable, Sendable, CustomStringConvertible {
        package var stream: String
        package var number: Int
        package init(_ stream: String, _ number: Int) {
            self.stream = stream
            self.number = number
        }
        package static func < (left: Shard, right: Shard) -> Bool {
            (left.stream, left.number) < (right.stream, right.number)
        }
        package var description: String { "\(stream)/\(number)" }
    }

    /// A record as somebody was given it.
    package struct Item: Hashable, Sendable {
        package var sequence: UInt64
        package var id: UInt64
        package var key: String
        package var arrival: Int64
        package init(sequence: UInt64, id: UInt64, key: String, arrival: Int64) {
            self.sequence = sequence
            self.id = id
            self.key = key
            self.arrival = arrival
        }
    }

    enum Fate { case open, acknowledged, inDoubt, absent }

    struct Put {
        var ids: [UInt64]
        /// Whether all of it is in one commit; else it may be there up to some record.
        var isOneCommit: Bool
        /// The wall clock when it was made.
        var madeAt: Int64
        var fate = Fate.open
    }

    struct Known {
        var put: Int
        var stream: String
        var key: String
        /// Who put it, and as the how-manieth of his.
        var source: Int
        var order: Int
        /// When it was put, and when anybody knew where it is, by ``Judge/moment``.
        var putAt: Int
        var knownAt = 0
        /// Where it is, once anybody knows.
        var place: (shard: Shard, item: Item)?
    }

    struct Log {
        /// What is promised, by number.
        var promised: [UInt64: Item] = [:]
        var last: UInt64 = 0
        /// The number before the shard's first.
        var origin: UInt64 = 0
        var parents: [Shard] = []
        var isClosed = false
        /// Promised, but not known to be on the disk, with the time of the promise.
        var unsynced: [UInt64: Int64] = [:]
        /// Promised and not on the disk when power was lost, at this moment: there or not, the next audit tells.
        var shaky: [UInt64: Int] = [:]
        /// Promised once and lost with the power: no other record may have these numbers, or any before the last of
        /// them, if it was put later.
        var lost: Set<UInt64> = []
        var lostThrough: UInt64 = 0
        var lostAt = 0

        /// The promised numbers in a range, which may have jumps of many millions.
        func numbers(in range: ClosedRange<UInt64>) -> [UInt64] {
            if range.upperBound - range.lowerBound < promised.count {
                return range.filter { promised[$0] != nil }
            }
            return promised.keys.filter(range.contains).sorted()
        }
    }

    package internal(set) var violation: String?
    var puts: [Put] = []
    var records: [UInt64: Known] = [:]
    var logs: [Shard: Log] = [:]
    var mappings: [String: MappingModel] = [:]
    /// How often the stream was made, and what of it and its mappings is there: Judge+Deletion.
    var generation = 0
    var isStream = Presence.absent
    /// By the name that the stream is known by.
    var streamFacts: [String: StreamFacts] = [:]
    /// How the hash keys of each stream are divided, by the same name: Judge+Resharding.
    var divisions: [String: Division] = [:]
    var isMapping: [String: Presence] = [:]
    var attributes = AttributeModel()
    /// The record sizes that the stream may have.
    var recordSizes: Set<Int> = [Judge.initialRecordSize]
    /// Streams that are no more.
    var deleted: Set<String> = []
    /// The latest time that the wall clock has ever shown: what is not older than the retention then must be there.
    var latestWall: Int64 = 0
    /// The other clock, which never jumps.
    var monotonic: Int64 = 0
    /// Counts what is put, what is promised and losses of power, so that each has its place among the others.
    var moment = 0
    /// After this many milliseconds what the store promises now is on the disk at the latest; nil: it is at once.
    var interval: Int64?
    /// Whether something may not be on the disk.
    var isRelaxed = false
    /// How often numbers may have jumped by now.
    var jumps: UInt64 = 0
    /// Whether mappings have to tell of what expires before they did it: none is sent back, deleted or made again.
    package var tellsExpired = false
    /// Whether records that can't be done park their keys.
    package var parksKeys = false
    /// Whether functions add a record for each that they get to the commit of its unit.
    package var addsRecords = false
    /// Whether the wall clock is ever set back, so that records may be late (ESM-T10).
    package var clockGoesBack = false
    /// The keys whose records no mapping is to get.
    package var droppedKeys: Set<String> = []
    let retention: [String: Int64]
    /// How far the wall clock ever goes back.
    static let largestStepBack: Int64 = 5_000
    /// Told by a run that is over, for the report.
    package private(set) var acknowledgedRecords = 0
    package internal(set) var invocations = 0
    var lostRecords: Int { logs.values.reduce(0) { $0 + $1.lost.count } }

    /// - Parameter retention: how long each stream keeps records, in milliseconds.
    package init(retention: [String: Int64]) { self.retention = retention }

    mutating func fail(_ what: String) { if violation == nil { violation = what } }

    /// All that a store has to live up to: what was judged by it once need not be judged again.
    var knowledge: Int {
        var hasher = Hasher()
        for put in puts { hasher.combine(put.fate) }
        hasher.combine(generation)
        hasher.combine(isStream)
        hasher.combine(isMapping)
        hasher.combine(divisions)
        hasher.combine(attributes)
        hasher.combine(recordSizes)
        for (shard, log) in logs.sorted(by: { $0.key < $1.key }) {
            hasher.combine(shard)
            hasher.combine(log.promised)
            hasher.combine(log.isClosed)
            hasher.combine(log.shaky)
            hasher.combine(log.lost)
        }
        for (name, mapping) in mappings.sorted(by: { $0.key < $1.key }) {
            hasher.combine(name)
            hasher.combine(mapping.actions)
            for (shard, lane) in mapping.lanes.sorted(by: { $0.key < $1.key }) {
                hasher.combine(shard)
                hasher.combine(lane.done)
                hasher.combine(lane.checkpoint)
            }
        }
        return hasher.finalize()
    }

    package mutating func clockShows(_ wall: Int64, monotonic: Int64 = 0) {
        latestWall = max(latestWall, wall)
        self.monotonic = max(self.monotonic, monotonic)
    }

    // MARK: Puts

    /// A put is about to be made.
    package mutating func willPut(
        _ ids: [UInt64], keys: [String], into stream: String, source: Int, orders: [Int], isOneCommit: Bool,
        at wall: Int64
    ) -> Int {
        puts.append(Put(ids: ids, isOneCommit: isOneCommit, madeAt: wall))
        moment += 1
        for (index, id) in ids.enumerated() {
            records[id] = Known(
                put: puts.count - 1, stream: stream, key: keys[index], source: source, order: orders[index],
                putAt: moment)
        }
        return puts.count - 1
    }

    /// More records of a put that goes on.
    package mutating func willAdd(_ id: UInt64, key: String, to put: Int, stream: String, source: Int, order: Int) {
        puts[put].ids.append(id)
        moment += 1
        records[id] = Known(put: put, stream: stream, key: key, source: source, order: order, putAt: moment)
    }

    /// These records are acknowledged, with their places (STORE-C2, STORE-C4, STORE-I3).
    package mutating func acknowledged(_ receipts: [(shard: Shard, item: Item)], of put: Int, all: Bool) {
        acknowledgedRecords += receipts.count
        if all { puts[put].fate = .acknowledged }
        for (shard, item) in receipts { promise(item, in: shard, because: "its receipt") }
    }

    /// The put was surely not written: nobody may ever see any of it.
    package mutating func refused(_ put: Int) { puts[put].fate = .absent }

    /// Whether it was written is not known (STORE-C8).
    package mutating func unknown(_ put: Int) { puts[put].fate = .inDoubt }

    /// A producer has ended: of its last batch nothing is known, and what it never sent was not written.
    package mutating func producerEnded(_ put: Int, inDoubt: [UInt64], notWritten: [UInt64]) {
        let apart = Set(inDoubt + notWritten)
        puts[put].ids.removeAll { apart.contains($0) }
        puts[put].fate = .acknowledged
        for (ids, fate) in [(inDoubt, Fate.inDoubt), (notWritten, .absent)] where !ids.isEmpty {
            puts.append(Put(ids: ids, isOneCommit: true, madeAt: puts[put].madeAt, fate: fate))
            for id in ids { records[id]!.put = puts.count - 1 }
        }
    }

    /// The process is gone: what was open is in doubt.
    package mutating func processEnded() {
        for index in puts.indices where puts[index].fate == .open { puts[index].fate = .inDoubt }
        for name in mappings.keys.sorted() { mappings[name]!.processEnded() }
        neverSyncs()
    }

    // MARK: Records

    /// Somebody was given this record, so it is promised from now on.
    mutating func promise(_ item: Item, in shard: Shard, because who: String) {
        guard let known = records[item.id] else {
            return fail("\(shard) gave record \(item.id) at \(item.sequence), which nobody put (\(who))")
        }
        guard known.key == item.key, known.stream == shard.stream else {
            return fail("record \(item.id) of \(known.stream) under key \(known.key) came from \(shard) as \(item.key)")
        }
        if case .absent = puts[known.put].fate {
            return fail("record \(item.id) was surely not written, yet \(shard) has it at \(item.sequence) (\(who))")
        }
        if let place = known.place {
            guard place.shard == shard, place.item == item else {
                return fail("record \(item.id) is \(place.shard) \(place.item) and \(shard) \(item) (\(who))")
            }
            return
        }
        var log = logs[shard] ?? Log()
        if let other = log.promised[item.sequence] {
            return fail("\(shard) \(item.sequence) is record \(other.id) and record \(item.id) (\(who))")
        }
        if log.lost.contains(item.sequence) || item.sequence <= log.lostThrough && known.putAt > log.lostAt {
            return fail(
                "\(shard) \(item.sequence) is record \(item.id), though numbers up to \(log.lostThrough) were given out and lost with the power (STORE-C4)"
            )
        }
        guard item.sequence > log.origin else {
            return fail("\(shard) has record \(item.id) at \(item.sequence), not after its parents' \(log.origin)")
        }
        if log.isClosed, item.sequence > log.last {
            return fail("\(shard) is closed at \(log.last) and has record \(item.id) at \(item.sequence)")
        }
        log.promised[item.sequence] = item
        if interval != nil { log.unsynced[item.sequence] = monotonic }
        if !log.isClosed { log.last = max(log.last, item.sequence) }
        logs[shard] = log
        moment += 1
        records[item.id]!.place = (shard, item)
        records[item.id]!.knownAt = moment
    }

    /// Whether retention may have ended the record.
    func mayHaveExpired(_ item: Item, in shard: Shard) -> Bool {
        item.arrival <= latestWall - retention(of: shard.stream)
    }

    // MARK: Shards

    /// A shard as anybody saw it: ranges are the caller's to check.
    package mutating func sawShard(_ shard: Shard, parents: [Shard], closedAt last: UInt64?) {
        var log = logs[shard] ?? Log()
        if log.parents.isEmpty, !parents.isEmpty {
            log.parents = parents
            // What was lost with the power is after the children too.
            log.origin = parents.compactMap { logs[$0].map { max($0.last, $0.lostThrough) } }.max() ?? 0
            log.last = max(log.last, log.origin)
        }
        if let last, !log.isClosed {
            if last < log.last { fail("\(shard) is closed at \(last), but has a record at \(log.last)") }
            log.isClosed = true
            log.last = last
        } else if last == nil, log.isClosed {
            fail("\(shard) was closed and is open again")
        }
        logs[shard] = log
    }
}
