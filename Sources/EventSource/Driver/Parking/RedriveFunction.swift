import StreamModel
import StreamStorage
import Synchronization

/// Calls a mapping's function with records of its parking stream, as they were when they were parked (ESM-N2).
///
/// It is the function of one pass, which redrives the keys that were released when it began. Lanes call it at the same
/// time; its only lock is not held while the function runs.
final class RedriveFunction: ParkedRecordFunction {
    /// A key of the pass.
    private struct Row {
        let shard: ShardID
        let episode: UInt64
        let failedReleases: Int
        let released: UInt64
        var done: UInt64
        var next: ParkedKey.Place?
        /// Why a record of the key has failed again: the later ones wait.
        var stop: FailureCause?
        /// What the function has added, and the store is not known to have.
        var added: [RedrivenKey.Added] = []
    }

    private let source: FunctionSource
    private let names: ResourceNames
    private let mapping: MappingID
    private let streamID: StreamID
    /// The settings of the mapping whose records these are.
    private let configuration: EventSourceMapping.Configuration
    /// By the slots of ``keys``; a key has several where records with explicit hash keys brought it into several shards.
    private let rows: Mutex<[[Row]]>
    private let tell: @Sendable (ShardID, ParkedKeyAction) -> Void
    /// The keys of the pass.
    let keys: ParkedKeys
    let pace: Pace?

    init(
        _ mapping: EventSourceMapping, _ settings: SettingsInForce, streamID: StreamID, released: [ParkedKey],
        pace: Pace?, tell: @escaping @Sendable (ShardID, ParkedKeyAction) -> Void
    ) {
        source = mapping.function
        self.mapping = mapping.key
        names = settings.names
        configuration = settings.configuration
        self.streamID = streamID
        self.tell = tell
        self.pace = pace
        var (rows, keys): ([[Row]], ParkedKeys) = ([], ParkedKeys())
        for key in released {
            keys[key.partitionKey] = key
            let slot = keys.slot(of: key.partitionKey)!
            while rows.count <= slot { rows.append([]) }
            rows[slot].append(
                Row(
                    shard: key.shard, episode: key.episode, failedReleases: key.failedReleases, released: key.released,
                    done: key.done, next: key.place))
        }
        self.rows = Mutex(rows)
        self.keys = keys
    }

    /// The mapping's function, as it would be called for records of its stream.
    func runner(for shard: ShardID, _ configuration: EventSourceMapping.Configuration) -> FunctionRunner {
        source.runner(for: shard, names: names, configuration: self.configuration)
    }

    /// The payload limit, measured on what the parking stream has of a record: a little more than the data, and less than
    /// an event's entry, by a known factor.
    func payload(_ configuration: EventSourceMapping.Configuration) -> LaneCore.PayloadMeasure? {
        guard let limit = configuration.payloadLimit else { return nil }
        guard case .outside = source else { return .rawBytes(limit: limit + ParkedRecord.overhead + 2048) }
        // The entry of an event has the data as base64, the key, and at most 600 bytes more.
        var measure = LaneCore.PayloadMeasure(limit: limit, envelope: source.envelopeSize, separator: 1) {
            record in
            (record.dataByteCount + 2) / 3 * 4 + 6 * record.keyByteCount + 600
        }
        measure.isWithinEncoding = false
        return measure
    }

    // MARK: - Calls

    /// Records of one shard with rising numbers, and the numbers of their carriers in the parking stream.
    private struct Part {
        var records: RecordBatch
        var carriers: [SequenceNumber] = []
        var places: [(slot: Int, place: ParkingOrder.Place)] = []
    }

    /// Calls the function with what is released of a unit: once, unless the records are of several shards.
    func call(
        _ invocation: LaneCore.Invocation, _ context: InvocationContext, _ runner: FunctionRunner
    ) async -> LaneCore.InvocationResult {
        let parts: [Part]
        do {
            parts = try self.parts(of: invocation.unit.records)
        } catch {
            return .failed(LaneCore.FunctionFailure(String(describing: error), type: "ShardlineError"))
        }
        let carrierShard = context.shard
        for (index, part) in parts.enumerated() {
            let first = part.records.runs[0]
            var context = context
            context.mapping = mapping.name
            context.stream = mapping.stream
            context.streamID = streamID
            context.shard = first.shard
            context.isRedrive = true
            context.added = AddedRecords(context.added.targets, of: part.records)
            let unit = LaneCore.Unit(id: invocation.unit.id, records: part.records, origin: invocation.unit.origin)
            let inner = LaneCore.Invocation(
                number: invocation.number, lane: invocation.lane, unit: unit, window: nil, terms: invocation.terms)
            let called = await runner.call(inner, context: context).result
            context.added.end()
            // The time limit and the end of the run are judged by the caller: a function that ends because it was cancelled
            // has done nothing for sure.
            if Task.isCancelled { return called }
            let (result, added) = await context.added.take(after: called)
            if case .success = result {
                done(part, added, of: carrierShard)
                continue
            }
            return translated(
                result, part, added, isFirst: index == 0, of: carrierShard, reports: invocation.settings.reportsFailures
            )
        }
        return .success
    }

    private func parts(of batch: RecordBatch) throws -> [Part] {
        var found: [(parked: ParkedRecord.Found, slot: Int, run: Int, carrier: SequenceNumber)] = []
        found.reserveCapacity(batch.count)
        for (place, run) in batch.runs.enumerated() {
            for index in 0..<run.count {
                let parked = try ParkedRecord.Found(run, at: index)
                guard let slot = keys.slot(of: run.chunk.bytes, parked.key) else { continue }
                found.append((parked, slot, place, run.firstSequence.advanced(by: index)))
            }
        }
        let owners = rows.withLock { rows in found.map { Self.owner(of: $0.parked, rows[$0.slot]) } }
        var parts: [Part] = []
        var building = CarriedRecords()
        var (carriers, places): ([SequenceNumber], [(slot: Int, place: ParkingOrder.Place)]) = ([], [])
        func end() {
            guard let records = building.batch() else { return }
            parts.append(Part(records: records, carriers: carriers, places: places))
            building = CarriedRecords()
            (carriers, places) = ([], [])
        }
        var last: ShardID?
        for (entry, owner) in zip(found, owners) {
            guard let owner else { continue }
            // What one call has made is stored by one shard.
            if !building.isFollowed(by: entry.parked) || owner != last { end() }
            last = owner
            building.append(entry.parked, of: batch.runs[entry.run])
            carriers.append(entry.carrier)
            places.append((entry.slot, entry.parked.place))
        }
        end()
        return parts
    }

    /// The shard that has parked the record, if it is released; nil: it is not.
    private static func owner(of parked: ParkedRecord.Found, _ rows: [Row]) -> ShardID? {
        guard let index = Self.row(of: parked.place, in: rows) else { return nil }
        let row = rows[index]
        let isReleased = row.stop == nil && parked.place.order > row.done && parked.place.order <= row.released
        return isReleased ? row.shard : nil
    }

    /// The row of a record at this place; explicit hash keys bring a key into several shards.
    private static func row(of place: ParkingOrder.Place, in rows: [Row]) -> Int? {
        rows.firstIndex { $0.episode == place.episode }
    }

    /// What the function's answer for a part means for the unit of carriers.
    private func translated(
        _ result: LaneCore.InvocationResult, _ part: Part, _ added: [AddedRecord], isFirst: Bool, of shard: ShardID,
        reports: Bool
    ) -> LaneCore.InvocationResult {
        switch result {
        case .partial(let number, let failure):
            guard let index = part.records.index(of: number) else { return .failed(failure) }
            // Without reports the whole of it has failed (ESM-R10).
            if reports, index > 0 { done(part, count: index, added, of: shard) }
            return .partial(from: part.carriers[index], failure)
        case .permanent(let number?, let failure):
            guard let index = part.records.index(of: number) else { return .failed(failure) }
            if index > 0 { done(part, count: index, added, of: shard) }
            return .permanent(part.carriers[index], failure)
        case .failed(let failure), .badReport(let failure), .permanent(nil, let failure):
            // The parts before are done.
            if !isFirst { return .partial(from: part.carriers[0], failure) }
            return result
        case .success, .notReached, .expired, .cancelled, .notCalled: return result
        }
    }

    /// The function is done with the first records of a part, and has added these records.
    private func done(_ part: Part, count: Int? = nil, _ added: [AddedRecord], of shard: ShardID) {
        let places = part.places[..<(count ?? part.places.count)]
        var told: [(shard: ShardID, keys: [RedrivenKey])] = []
        let addedTo = Self.divide(added, of: part, places.count)
        rows.withLock { rows in
            for (slot, place) in places {
                guard let row = Self.row(of: place, in: rows[slot]) else { continue }
                rows[slot][row].done = place.order
            }
            // Each key is told with its last record.
            for (index, (slot, place)) in places.enumerated() {
                guard let row = Self.row(of: place, in: rows[slot]), rows[slot][row].done == place.order else {
                    continue
                }
                let next = ParkedKey.Place(shard: shard, number: part.carriers[index].advanced(by: 1))
                rows[slot][row].next = next
                let owner = rows[slot][row].shard
                let added = addedTo[slot] ?? []
                rows[slot][row].added += added
                let key = RedrivenKey(keys[slot].partitionKey, through: place.order, next: next, added: added)
                if let list = told.firstIndex(where: { $0.shard == owner }) {
                    told[list].keys.append(key)
                } else {
                    told.append((owner, [key]))
                }
            }
        }
        for (shard, keys) in told.sorted(by: { $0.shard < $1.shard }) { tell(shard, .redriven(keys)) }
    }

    /// What the function has added for the first records of a part, by their keys' slots. What was made of the part as a
    /// whole belongs to its last record.
    private static func divide(_ added: [AddedRecord], of part: Part, _ count: Int) -> [Int: [RedrivenKey.Added]] {
        var addedTo: [Int: [RedrivenKey.Added]] = [:]
        for record in added {
            let index = record.source.flatMap { part.records.index(of: $0) } ?? part.places.count - 1
            guard index < count else { continue }
            let (slot, place) = part.places[index]
            addedTo[slot, default: []].append(RedrivenKey.Added(record, order: place.order))
        }
        return addedTo
    }

    /// Records whose attempts are used up again: their keys stop there. A key with a record that can't be read, which
    /// somebody else has put into the parking stream, stops before it: what is waiting is not lost, and other keys go on.
    func failed(_ document: FailureDocument) {
        let cause = FailureCause.kept(
            document.condition, type: document.errorType, text: document.errorText, attempts: document.invocations)
        for run in document.records.runs {
            for index in 0..<run.count {
                guard let parked = try? ParkedRecord(run, at: index) else {
                    stop(run[index].partitionKey, cause)
                    continue
                }
                let key = parked.run[0].partitionKey
                guard let slot = keys.slot(of: key) else { continue }
                let place = ParkedKey.Place(shard: run.shard, number: run.firstSequence.advanced(by: index))
                let shard: ShardID? = rows.withLock { rows in
                    guard let row = Self.row(of: parked.place, in: rows[slot]), rows[slot][row].stop == nil,
                        parked.place.order > rows[slot][row].done, parked.place.order <= rows[slot][row].released
                    else { return nil }
                    rows[slot][row].stop = cause
                    rows[slot][row].done = parked.place.order - 1
                    rows[slot][row].next = place
                    return rows[slot][row].shard
                }
                guard let shard else { continue }
                tell(shard, .failedAgain(key, after: parked.place.order - 1, next: place, cause))
            }
        }
    }

    /// Stops a key after what is done of it.
    private func stop(_ key: String, _ cause: FailureCause) {
        guard let slot = keys.slot(of: key) else { return }
        let stopped = rows.withLock { rows -> [Row] in
            let found = rows[slot].filter { $0.stop == nil }
            for index in rows[slot].indices where rows[slot][index].stop == nil { rows[slot][index].stop = cause }
            return found
        }
        for row in stopped {
            tell(row.shard, .failedAgain(key, after: row.done, next: row.next, cause))
        }
    }

    // MARK: - The end of a pass

    /// What is to be stored of a key that the store has with less than this pass has come to, which was told to end before
    /// it had read everything. Empty: nothing.
    func progress(of key: ParkedKey) -> [ParkedKeyAction] {
        row(of: key) { $0.done > key.done || $0.stop != nil ? Self.actions(key, $0, through: $0.done) : [] }
    }

    /// What is to be stored of a key that the store still has as released by this pass, once the pass has read everything:
    /// it is done, or stopped. Records that are missing have expired. Empty: the pass has nothing to do with it.
    func end(of key: ParkedKey) -> [ParkedKeyAction] {
        row(of: key) { Self.actions(key, $0, through: $0.stop == nil ? $0.released : $0.done) }
    }

    private static func actions(_ key: ParkedKey, _ row: Row, through: UInt64) -> [ParkedKeyAction] {
        let added = row.added.filter { $0.order > key.done }
        var actions: [ParkedKeyAction] = []
        if row.stop == nil || !added.isEmpty {
            let redriven = RedrivenKey(key.partitionKey, through: through, next: row.next, added: added)
            actions.append(.redriven([redriven]))
        }
        if let stop = row.stop {
            actions.append(.failedAgain(key.partitionKey, after: row.done, next: row.next, stop))
        }
        return actions
    }

    /// The store has these values of keys, and what was added for what they say is done.
    func stored(_ values: [ParkingOrder.Value]) {
        rows.withLock { rows in
            for value in values {
                guard let slot = keys.slot(of: value.partitionKey), slot < rows.count else { continue }
                for index in rows[slot].indices where !rows[slot][index].added.isEmpty {
                    guard let stored = value.key else {
                        rows[slot][index].added = []
                        continue
                    }
                    if stored.episode == rows[slot][index].episode {
                        rows[slot][index].added.removeAll { $0.order <= stored.done }
                    }
                }
            }
        }
    }

    private func row(of key: ParkedKey, _ body: (Row) -> [ParkedKeyAction]) -> [ParkedKeyAction] {
        guard let slot = keys.slot(of: key.partitionKey) else { return [] }
        return rows.withLock { rows in
            guard let row = rows[slot].first(where: { $0.episode == key.episode }), key.released == row.released,
                key.failedReleases == row.failedReleases
            else { return [] }
            return body(row)
        }
    }
}

/// Takes what a pass can't redrive.
struct RedriveFailures: FailureDestination {
    let function: RedriveFunction

    func deliver(_ document: FailureDocument) async throws { function.failed(document) }
}
