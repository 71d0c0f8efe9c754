import SegmentStorage
import StreamModel
import StreamStorage

/// Rebuilds the catalogue from undamaged rows, the journal and the segments.
struct CatalogueRebuild {
    private(set) var catalogue: Catalogue
    private(set) var unknown: [String] = []
    private let now: Timestamp
    /// Shards that are known only from segments.
    private var described: Set<ShardNumber> = []
    /// Streams that are deleted according to the journal.
    private var deleted: Set<StreamNumber> = []
    /// The IDs of removed shards, which are not given out again.
    private var removedNumbers: [StreamNumber: Set<ShardID>] = [:]
    /// The newest commit with records of each shard that is known only from segments.
    private var newestRecords: [ShardNumber: UInt64] = [:]

    /// - Parameter catalogue: the catalogue of the undamaged rows.
    init(_ catalogue: Catalogue, now: Timestamp) {
        self.catalogue = catalogue
        self.now = now
    }

    var mappingNames: String {
        catalogue.mappings.values.map { "'\($0.name)'" }.sorted().joined(separator: ", ")
    }

    /// Applies all entries of the journal, also from before the last flush. Newer rows win.
    mutating func replay(_ journal: JournalSurvey) {
        for number in journal.numbers {
            for entry in journal.commits[number]?.entries ?? [] {
                if case .streamDeleted(let key) = entry { deleted.insert(key) }
                // An opening's jump of numbers counts only in the replay itself.
                if case .opened = entry { continue }
                catalogue.apply(entry, commit: number)
                // Also for shards whose rows are damaged: only this entry shows that they are removed.
                if case .shardsRemoved(_, let keys) = entry {
                    for key in keys { catalogue.deletedShards[key] = number }
                }
            }
        }
        // A commit from before the last flush may have brought back shards that are deleted according to the rows.
        for key in catalogue.deletedShards.keys.sorted() {
            forget(key)
            noteAssigned(key.rawValue)
        }
    }

    /// Adds the streams and shards that segments describe, and the numbers of their records.
    mutating func add(_ surveys: [SegmentSurvey]) {
        let described = StreamDescriptor.merged(surveys.flatMap(\.streams))
        for stream in described where !deleted.contains(StreamNumber(UInt32(truncatingIfNeeded: stream.id))) {
            add(stream)
        }
        for slice in surveys.flatMap(\.slices) {
            noteAssigned(slice.shardKey)
            catalogue.shards[ShardNumber(slice.shardKey)]?.advance(
                to: SequenceNumber(slice.lastSequence), at: Timestamp(milliseconds: slice.lastArrival))
        }
    }

    /// Takes the parked keys of shards that only segments describe from their rows, which were passed over without the
    /// shards. What the journal says of them comes after (``replayAgain(_:)``): it may have freed them.
    mutating func takeParked(_ rows: MetadataContents) {
        // A row that can't be read has a right checksum and impossible content; the others count.
        try? catalogue.takeParked(rows, of: described)
    }

    /// Applies the journal's entries about streams that only segments describe, which the first replay did not know.
    /// Those that it did know are unchanged by a second time.
    mutating func replayAgain(_ journal: JournalSurvey) {
        guard !described.isEmpty else { return }
        for number in journal.numbers {
            for entry in journal.commits[number]?.entries ?? [] {
                switch entry {
                case .records, .opened, .streamCreated, .streamDeleted, .shardsRemoved: continue
                case .seal(let seal): replayAgain(seal, ofCommit: number)
                case .checkpoint, .parked, .attempts, .streamChanged, .mappingCreated, .mappingChanged,
                    .mappingControlled, .mappingDeleted, .takeOver,
                    .attributeChanged:
                    catalogue.apply(entry, commit: number)
                }
            }
        }
    }

    /// A parent without records is in no segment, so the seal may know of more shards than there are.
    private mutating func replayAgain(_ seal: SealEntry, ofCommit number: UInt64) {
        guard catalogue.streams[seal.stream] != nil else { return }
        let parents = seal.parents.compactMap { catalogue.shards[$0.shard] }
        for child in seal.children where isUnknown(child.key) {
            insert(
                ShardState(
                    key: child.key, stream: seal.stream, id: child.id, range: child.range, parents: parents.map(\.id),
                    creationSecond: child.creationSecond, openedAt: seal.closedAt, origin: child.origin,
                    lastSequence: child.origin, floor: .zero, lastArrival: seal.closedAt, atCommit: number))
            described.insert(child.key)
        }
        for (key, last) in seal.parents.map({ ($0.shard, $0.lastSequence) })
        where catalogue.shards[key].map({ $0.closedAt == nil }) ?? false {
            catalogue.shards[key]?.closedAt = seal.closedAt
            catalogue.shards[key]?.lastSequence = last
            catalogue.shards[key]?.children = seal.children.map(\.id)
            catalogue.shards[key]?.atCommit = number
        }
    }

    /// Adds streams of which only the rows of shards are left, and shards of which only records in the journal are
    /// left. They get names with `recovered`, so that all undamaged records stay readable.
    mutating func adopt(_ shardRows: [MetadataRow], _ journal: JournalSurvey) {
        for shard in shardRows.compactMap({ try? ShardState($0) })
        where isUnknown(shard.key) && !deleted.contains(shard.stream) {
            if catalogue.streams[shard.stream] == nil {
                addStream(shard.stream, named: "recovered-\(shard.stream.rawValue)", made: shard.openedAt)
            }
            insert(shard)
        }
        for number in journal.numbers {
            for case .records(let records) in journal.commits[number]?.entries ?? [] {
                for run in records.runs { adopt(run, ofCommit: number) }
            }
        }
        for key in catalogue.streams.keys.sorted() { complete(key) }
    }

    /// Whether the shard is neither known nor deleted.
    private func isUnknown(_ key: ShardNumber) -> Bool {
        catalogue.shards[key] == nil && catalogue.deletedShards[key] == nil
    }

    private mutating func adopt(_ run: RecordsEntry.Run, ofCommit number: UInt64) {
        let key = ShardNumber(run.shardKey)
        if described.contains(key) {
            // The shard was unknown when the journal was replayed.
            let last = SequenceNumber(run.firstSequence).advanced(by: Int(run.count) - 1)
            catalogue.shards[key]?.advance(to: last, at: Timestamp(milliseconds: run.arrival))
            newestRecords[key] = number
        }
        guard deleted.isEmpty, isUnknown(key) else { return }
        let stream = StreamNumber(catalogue.nextStream)
        let arrival = Timestamp(milliseconds: run.arrival)
        addStream(stream, named: "recovered-shard-\(run.shardKey)", made: arrival)
        let origin = SequenceNumber(max(run.firstSequence, 1) - 1)
        insert(
            ShardState(
                key: key, stream: stream, id: ShardID(0), range: HashKeyRange.even(1)[0], parents: [],
                creationSecond: UInt64(max(0, run.arrival / 1_000)), openedAt: arrival, origin: origin,
                lastSequence: origin, floor: .zero, lastArrival: arrival, atCommit: 0))
    }

    private mutating func addStream(_ key: StreamNumber, named name: String, made: Timestamp) {
        catalogue.streams[key] = StreamState(
            key: key, name: name, retention: Limits.retention.upperBound, maximumRecordSize: Limits.largestRecordSize,
            isFailureStream: false, createdAt: made, nextShardNumber: 0, atCommit: 0)
        catalogue.names[UTF8Key(name)] = key
        catalogue.nextStream = max(catalogue.nextStream, key.rawValue + 1)
        unknown.append("the name and settings of a stream; its records are in '\(name)', kept for a year")
    }

    private mutating func add(_ descriptor: StreamDescriptor) {
        let key = StreamNumber(UInt32(truncatingIfNeeded: descriptor.id))
        if catalogue.streams[key] == nil {
            // A name belongs to its newest stream.
            if let other = catalogue.names[UTF8Key(descriptor.name)], other > key { return }
            let isFailure = descriptor.name.hasSuffix(".failed")
            let size = isFailure ? Limits.largestFailureRecordSize : Limits.largestRecordSize
            catalogue.streams[key] = StreamState(
                key: key, name: descriptor.name, retention: .milliseconds(descriptor.retention),
                maximumRecordSize: size, isFailureStream: isFailure,
                createdAt: Self.creation(of: descriptor),
                nextShardNumber: 0, atCommit: 0)
            catalogue.names[UTF8Key(descriptor.name)] = key
            catalogue.nextStream = max(catalogue.nextStream, key.rawValue + 1)
            unknown.append(
                "of the stream '\(descriptor.name)': how large its records may be (taken: \(size) bytes) and exactly when it was made; its id, name, retention and shards are from its segments"
            )
        }
        for shard in descriptor.shards {
            noteAssigned(shard.key)
            guard isUnknown(ShardNumber(shard.key)) else {
                if catalogue.shards[ShardNumber(shard.key)] == nil { noteRemoved(ShardID(shard.number), of: key) }
                continue
            }
            described.insert(ShardNumber(shard.key))
            let created = Timestamp(milliseconds: Int64(clamping: shard.creationSecond) * 1_000)
            insert(
                ShardState(
                    key: ShardNumber(shard.key), stream: key, id: ShardID(shard.number), range: shard.range,
                    parents: [shard.parent, shard.adjacent].compactMap { $0.map { ShardID($0) } },
                    creationSecond: shard.creationSecond, openedAt: created,
                    origin: SequenceNumber(max(shard.firstSequence, 1) - 1),
                    lastSequence: SequenceNumber(max(shard.firstSequence, 1) - 1), floor: .zero, lastArrival: created,
                    atCommit: 0))
        }
    }

    /// The creation second of the stream's first known shard, with the low 32 bits that are part of the stream's ID.
    private static func creation(of descriptor: StreamDescriptor) -> Timestamp {
        let second = Int64(clamping: descriptor.shards.map(\.creationSecond).min() ?? 0)
        let time = Timestamp(milliseconds: min(second, Timestamp.plausible.upperBound / 1_000) * 1_000)
        guard descriptor.created != 0 else { return time }
        return Timestamp(low32: descriptor.created, notAfter: time + .milliseconds(999))
    }

    private mutating func insert(_ shard: ShardState) {
        catalogue.shards[shard.key] = shard
        noteAssigned(shard.key.rawValue)
        catalogue.streams[shard.stream]?.shards[shard.id] = shard.key
        let next = max(catalogue.streams[shard.stream]?.nextShardNumber ?? 0, shard.id.number + 1)
        catalogue.streams[shard.stream]?.nextShardNumber = next
    }

    /// Closes the parents of known shards and adds shards for hash keys that no open shard owns: every hash key needs
    /// an open shard.
    private mutating func complete(_ key: StreamNumber) {
        guard let stream = catalogue.streams[key] else { return }
        let shards = stream.shards.values.compactMap { catalogue.shards[$0] }.sorted { $0.id < $1.id }
        for child in shards {
            for parent in child.parents {
                guard let parentKey = stream.shards[parent], catalogue.shards[parentKey]?.closedAt == nil else {
                    continue
                }
                catalogue.shards[parentKey]?.closedAt = child.openedAt
                catalogue.shards[parentKey]?.children = shards.filter { $0.parents.contains(parent) }.map(\.id)
            }
        }
        closeOverlapped(of: key)
        forgetRemoved(of: key)
        guard let stream = catalogue.streams[key] else { return }
        var open = stream.shards.values.compactMap { catalogue.shards[$0] }.filter { $0.closedAt == nil }
            .sorted { $0.range.first < $1.range.first }
        var added: [ShardID] = []
        var next: UInt128? = 0
        for shard in open {
            guard let first = next else { break }
            if shard.range.first.value > first {
                added.append(addShard(first...shard.range.first.value - 1, of: key))
            }
            next = max(first, shard.range.last.value) == .max ? nil : max(first, shard.range.last.value + 1)
        }
        if let first = next { added.append(addShard(first...UInt128.max, of: key)) }
        if !added.isEmpty {
            unknown.append(
                "of the stream '\(stream.name)': shards without records in segments; \(added.map(\.description).joined(separator: ", ")) took their keys"
            )
        }
        open =
            (catalogue.streams[key]?.shards.values).map { $0.compactMap { catalogue.shards[$0] } }?
            .filter { $0.closedAt == nil } ?? []
        catalogue.streams[key]?.openShards = open.map {
            .init(first: $0.range.first, shard: $0.key, id: $0.id, creationSecond: $0.creationSecond)
        }.sorted { $0.first < $1.first }
    }

    /// Of two open shards with the same hash keys the one with the lower number was closed, and the rows with its
    /// children are lost. If it still has records it becomes the parent of the shards that own its keys, so that its
    /// records are handled before theirs. Without records it is removed.
    private mutating func closeOverlapped(of stream: StreamNumber) {
        guard let state = catalogue.streams[stream] else { return }
        let shards = state.shards.values.compactMap { catalogue.shards[$0] }.sorted { $0.id < $1.id }
        let open = shards.filter { $0.closedAt == nil }
        guard Self.haveOverlap(open) else { return }
        let expiry = state.expiry(at: now)
        for old in open {
            let newer = open.filter { $0.id > old.id && $0.range.overlaps(old.range) }
            guard let closedAt = newer.map(\.openedAt).min() else { continue }
            if described.contains(old.key), old.lastSequence == old.origin || old.lastArrival <= expiry {
                forget(old.key)
                continue
            }
            // Shards whose parents are unknown; the others have their parents.
            let known = catalogue.streams[stream]?.shards ?? [:]
            let orphans = shards.filter { shard in
                shard.id > old.id && shard.range.overlaps(old.range)
                    && catalogue.shards[shard.key]?.parents.contains { known[$0] == nil } ?? false
            }
            let heirs = orphans.isEmpty ? newer : orphans
            for heir in heirs {
                guard let parents = catalogue.shards[heir.key]?.parents else { continue }
                let there = parents.filter { known[$0] != nil }
                if there.count < 2 { catalogue.shards[heir.key]?.parents = there + [old.id] }
            }
            catalogue.shards[old.key]?.closedAt = max(closedAt, old.lastArrival)
            catalogue.shards[old.key]?.children = heirs.map(\.id)
            unknown.append(
                "when shard \(old.id) of the stream '\(state.name)' was closed, and what came between it and its children \(heirs.map(\.id.description).joined(separator: ", "))"
            )
        }
    }

    private static func haveOverlap(_ open: [ShardState]) -> Bool {
        let ranges = open.map(\.range).sorted { $0.first < $1.first }
        return zip(ranges, ranges.dropFirst()).contains { $0.last >= $1.first }
    }

    /// Segments still describe closed shards that retention has removed; these are not restored (API-R-4).
    private mutating func forgetRemoved(of stream: StreamNumber) {
        guard let state = catalogue.streams[stream] else { return }
        let expiry = state.expiry(at: now)
        for key in state.shards.values.sorted() where described.contains(key) {
            guard let shard = catalogue.shards[key], shard.isRemoved(by: expiry) else { continue }
            forget(key)
        }
    }

    /// Removes a shard and its state in mappings.
    private mutating func forget(_ key: ShardNumber) {
        guard let shard = catalogue.shards.removeValue(forKey: key) else { return }
        catalogue.streams[shard.stream]?.shards[shard.id] = nil
        for mapping in catalogue.streams[shard.stream]?.mappings.values ?? [:].values {
            catalogue.mappings[mapping]?.checkpoints[key] = nil
            catalogue.mappings[mapping]?.parked[key] = nil
        }
        catalogue.retired.insert(shard.creationSecond)
        // The next replay still meets the shard's records in the journal.
        if let commit = newestRecords[key] { catalogue.deletedShards[key] = commit }
        noteRemoved(shard.id, of: shard.stream)
    }

    /// A number that was assigned is not assigned again, also where its shard is gone: a new shard would get the records
    /// that segments and the journal still hold of that one.
    private mutating func noteAssigned(_ shard: UInt32) {
        if shard < .max { catalogue.nextShard = max(catalogue.nextShard, shard + 1) }
    }

    private mutating func noteRemoved(_ shard: ShardID, of stream: StreamNumber) {
        removedNumbers[stream, default: []].insert(shard)
        // The next shard number stays above all numbers that were given out.
        let next = catalogue.streams[stream]?.nextShardNumber ?? 0
        catalogue.streams[stream]?.nextShardNumber = max(next, shard.number + 1)
    }

    /// Adds a shard for these hash keys, with the lowest free number: where one shard of an even split is lost, the new
    /// one gets its number.
    private mutating func addShard(_ keys: ClosedRange<UInt128>, of stream: StreamNumber) -> ShardID {
        let range = HashKeyRange(first: HashKey(keys.lowerBound), last: HashKey(keys.upperBound))
        let state = catalogue.streams[stream]
        // A missing parent's number is not used: the parent's children would wait for the new shard.
        let parents = Set((state?.shards.values ?? [:].values).flatMap { catalogue.shards[$0]?.parents ?? [] })
        let next = state?.nextShardNumber ?? 0
        let free =
            (0..<next).first { number in
                let id = ShardID(number)
                return state?.shards[id] == nil && !parents.contains(id)
                    && removedNumbers[stream]?.contains(id) != true
            } ?? next
        let second = UInt64(max(0, now.milliseconds / 1_000))
        let shard = ShardState(
            key: ShardNumber(catalogue.nextShard), stream: stream, id: ShardID(free), range: range, parents: [],
            creationSecond: second, openedAt: now, origin: .zero, lastSequence: .zero, floor: .zero, lastArrival: now,
            atCommit: 0)
        insert(shard)
        return shard.id
    }
}
