import DiskAccess
import StreamModel
import StreamStorage

/// Turns calls into the entries of one commit, in the order of the queue (STORE-C2). It checks each call against
/// everything planned before it and assigns sequence numbers and arrival times.
package struct Planner {
    /// The catalogue with everything that is planned, including what is not written yet.
    package private(set) var catalogue: Catalogue
    private let seed: UInt32
    /// The arrival time of what is planned.
    let now: Timestamp
    private let commit: UInt64
    /// The commit that is being built.
    package private(set) var builder: CommitBuilder
    package private(set) var entries: [Entry] = []
    package private(set) var frames: [Memtable.Frame] = []

    package init(_ catalogue: Catalogue, seed: UInt32, now: Timestamp, commit: UInt64) {
        self.catalogue = catalogue
        self.seed = seed
        self.now = now
        self.commit = commit
        builder = CommitBuilder(seed: seed)
    }

    /// Plans one call completely, or not at all where this throws or answers a conflict or a closed shard.
    package mutating func plan(_ request: CallRequest) throws -> CallAnswer {
        switch request {
        case .commit(let changes): return try plan(changes)
        case .createStream(let name, let settings, let attributes):
            try createStream(name, settings)
            for change in attributes {
                if let entry = try catalogue.entry(for: change, commit: commit) { add(.attributeChanged(entry)) }
            }
        case .updateStream(let name, let retention, let size): try updateStream(name, retention, size)
        case .deleteStream(let name): add(.streamDeleted(try catalogue.stream(name).key))
        case .createMapping(let definition, let starts): try createMapping(definition, starts)
        case .claimMapping(let key, let configuration, let owner):
            try claimMapping(key, bringing: configuration, owner: owner)
        case .seekMapping(let key, let positions, let all): try seekMapping(key, to: positions, all: all)
        case .deleteMapping(let key): add(.mappingDeleted(try catalogue.mapping(key).number))
        case .applyRetention(let atOnce, let shards): applyRetention(atOnce: atOnce, forgetting: shards)
        }
        return .done
    }

    /// Adds an entry that no call asked for.
    package mutating func add(_ entry: Entry, body: OwnedBytes? = nil) {
        builder.append(entry, body: body)
        entries.append(entry)
        catalogue.apply(entry, commit: commit)
    }

    // MARK: Changes

    private mutating func plan(_ changes: [PreparedChange]) throws -> CallAnswer {
        if let refusal = try refusal(of: changes) { return refusal }
        var receipts: [PlannedReceipt] = []
        receipts.reserveCapacity(changes.count)
        for change in changes {
            switch change {
            case .append(let append): receipts.append(plan(routed(append)))
            case .other(let change): receipts.append(try plan(change))
            }
        }
        return .committed(receipts)
    }

    /// Every reason to refuse the call, found before any part of it is planned.
    private func refusal(of changes: [PreparedChange]) throws -> CallAnswer? {
        // The effects of earlier changes of the same call.
        var last: [ShardNumber: SequenceNumber] = [:]
        var epochs: [ShardNumber: UInt64] = [:]
        var seals: [StreamNumber: SealCheck] = [:]
        var revisions: [MappingNumber: UInt64] = [:]
        var attributes = AttributeChecks()
        // A commit stores the values of many parked keys of one mapping and shard.
        var parked: ParkedKeyChange?
        for (index, change) in changes.enumerated() {
            switch change {
            case .append(let prepared):
                guard catalogue.streams[prepared.stream] != nil else {
                    throw ShardlineError(.streamNotFound, "there is no stream '\(prepared.append.stream)'")
                }
                guard seals[prepared.stream] == nil else {
                    throw ShardlineError(
                        .invalidArgument,
                        "in one commit, what is put into a stream comes before the seals of its shards")
                }
                if let answer = try refusal(of: prepared, at: index, last: &last, epochs: epochs) { return answer }
            case .other(.seal(let seal)):
                if let children = try refusal(of: seal, &seals) { return .sealed(change: index, children: children) }
            case .other(.checkpoint(let move)):
                try check(move.mapping, shard: move.checkpoint.shard, epoch: move.epoch)
            case .other(.control(let control)): try check(control, revisions: &revisions)
            case .other(.attribute(let change)):
                let table = try catalogue.attributes(with: change.owner)
                let part = UTF8Key(change.owner.part)
                try attributes.add(
                    change, revision: table[part, UTF8Key(change.name)]?.revision, count: table.count(of: part))
            case .other(.reserved(let change)):
                if case .park(let change) = change.kind {
                    try check(change, after: &parked)
                } else {
                    try check(change, epochs: &epochs)
                }
            case .other(.append): preconditionFailure("appends are prepared by their callers")
            }
        }
        return nil
    }

    /// The children of a parent that is closed already; nil where the seal is accepted.
    private func refusal(of seal: Seal, _ seals: inout [StreamNumber: SealCheck]) throws -> [ShardID]? {
        let stream = try catalogue.stream(seal.stream)
        // Taken out, so that it is not copied for each of a thousand seals.
        var check =
            seals.removeValue(forKey: stream.key)
            ?? SealCheck(
                nextNumber: stream.nextShardNumber, listed: stream.listedShardCount(at: now))
        let children = try check.add(seal) { id in
            let shard = try catalogue.shard(id, of: stream)
            return SealCheck.Parent(range: shard.range, children: shard.closedAt == nil ? nil : shard.children)
        }
        seals[stream.key] = check
        return children
    }

    private func refusal(
        of prepared: PreparedAppend, at index: Int, last: inout [ShardNumber: SequenceNumber],
        epochs: [ShardNumber: UInt64]
    ) throws -> CallAnswer? {
        guard case .shard(let id) = prepared.append.target, let stream = catalogue.streams[prepared.stream] else {
            return nil
        }
        let shard = try catalogue.shard(id, of: stream)
        if shard.closedAt != nil { return .sealed(change: index, children: shard.children) }
        // Epoch 0 is a producer without a claim: a claim does not fence it.
        let epoch = prepared.append.epoch
        let claim = epochs[shard.key] ?? shard.epoch
        guard epoch == 0 || epoch >= claim else {
            throw ShardlineError(
                .fenced,
                "the claim \(epoch) on shard \(id.number) of '\(stream.name)' was overtaken by \(claim)")
        }
        let known = last[shard.key] ?? shard.lastSequence
        if let expected = prepared.append.expectedLast, expected != known {
            return .conflict(change: index, last: known)
        }
        let count = prepared.append.records.count
        if count > 0 {
            let first = last[shard.key]?.advanced(by: 1) ?? shard.nextSequence
            last[shard.key] = first.advanced(by: count - 1)
        }
        return nil
    }

    private func check(_ change: ReservedChange, epochs: inout [ShardNumber: UInt64]) throws {
        switch change.kind {
        case .park: preconditionFailure("parked keys are checked together")
        case .takeOver(let name, let id, let epoch):
            let shard = try catalogue.shard(id, of: catalogue.stream(name))
            let known = epochs[shard.key] ?? shard.epoch
            guard epoch > known else {
                throw ShardlineError(
                    .fenced,
                    "shard \(id.number) of '\(name)' is claimed with epoch \(known); a claim must be higher")
            }
            epochs[shard.key] = epoch
        }
    }

    private func check(_ change: ParkedKeyChange, after last: inout ParkedKeyChange?) throws {
        try change.validate()
        if let last, last.shard == change.shard, last.epoch == change.epoch, last.mapping == change.mapping { return }
        try check(change.mapping, shard: change.shard, epoch: change.epoch)
        last = change
    }

    private func check(_ control: MappingControl, revisions: inout [MappingNumber: UInt64]) throws {
        try control.validate()
        let mapping = try catalogue.mapping(control.mapping)
        let revision = revisions[mapping.number] ?? mapping.control.revision
        try control.check(revision: revision)
        revisions[mapping.number] = revision + 1
    }

    private func check(_ key: MappingID, shard: ShardID, epoch: UInt64) throws {
        let mapping = try catalogue.mapping(key)
        let stream = try catalogue.stream(key.stream)
        if !stream.hasRemoved(shard) { _ = try catalogue.shard(shard, of: stream) }
        guard epoch == mapping.epoch else {
            throw ShardlineError(
                .fenced, "the claim \(epoch) on the mapping '\(key)' was overtaken: the newest is \(mapping.epoch)")
        }
    }

    /// The shard of a mapping's stream; nil where retention has removed it with all its records.
    private func shard(_ id: ShardID, of key: MappingID) throws -> ShardState? {
        let stream = try catalogue.stream(key.stream)
        return stream.hasRemoved(id) ? nil : try catalogue.shard(id, of: stream)
    }

    /// The append with all runs in open shards. Where a shard was closed since the caller sorted the records, they are
    /// sorted again here, so that each partition key keeps the order of the queue.
    private func routed(_ prepared: PreparedAppend) -> PreparedAppend {
        let isRouted = prepared.frames.allSatisfy { frame in
            frame.runs.allSatisfy { catalogue.shards[$0.shard]?.closedAt == nil }
        }
        guard !isRouted, let stream = catalogue.streams[prepared.stream] else { return prepared }
        var encoder = AppendEncoder(prepared.append, stream: stream, target: nil, seed: seed)
        while encoder.encodeFrame() {}
        return encoder.finish()
    }

    private mutating func plan(_ prepared: PreparedAppend) -> PlannedReceipt {
        let before = frames.count
        for frame in prepared.frames {
            let chunk = frame.chunk
            var runs: [Memtable.Run] = []
            var table: [RecordsEntry.Run] = []
            runs.reserveCapacity(frame.runs.count)
            table.reserveCapacity(frame.runs.count)
            for run in frame.runs {
                var (first, arrival) = (SequenceNumber.zero, now)
                // Applied at once, as the entry will be: the next frame of the same shard continues after this one.
                let isThere = catalogue.shards.update(run.shard) { shard in
                    (first, arrival) = (shard.nextSequence, shard.arrival(at: now))
                    shard.advance(to: first.advanced(by: run.records.count - 1), at: arrival)
                }
                precondition(isThere, "an append is routed before it is planned")
                let start = chunk.offsets[run.records.lowerBound]
                table.append(
                    RecordsEntry.Run(
                        shardKey: run.shard.rawValue, count: UInt32(run.records.count), firstSequence: first.rawValue,
                        arrival: arrival.milliseconds, rawOffset: start,
                        rawBytes: chunk.offsets[run.records.upperBound] - start))
                runs.append(
                    Memtable.Run(
                        shard: run.shard, id: run.id, creationSecond: run.creationSecond, records: run.records,
                        firstSequence: first, arrival: arrival))
            }
            let entry = Entry.records(
                RecordsEntry(
                    codec: frame.stored.codec, bodyOffset: 0, storedBytes: UInt32(frame.stored.bytes.count),
                    rawBytes: UInt32(chunk.bytes.count), bodyChecksum: frame.stored.checksum, runs: table))
            builder.append(entry, body: frame.stored.bytes)
            entries.append(entry)
            let isAlone = runs.count == 1 && chunk.bytes.count >= StoredBody.ownFrameFrom
            frames.append(
                Memtable.Frame(commit: commit, chunk: chunk, runs: runs, stored: isAlone ? frame.stored : nil))
        }
        return .appended(prepared, Array(frames[before...]))
    }

    private mutating func plan(_ change: Change) throws -> PlannedReceipt {
        switch change {
        case .append: preconditionFailure("appends are prepared by their callers")
        case .checkpoint(let move):
            let mapping = try catalogue.mapping(move.mapping)
            guard let shard = try shard(move.checkpoint.shard, of: move.mapping) else { return .done }
            let known = mapping.checkpoints[shard.key]
            // A checkpoint never goes back: an older move has lost a race and has no effect.
            if let known, known.position > move.checkpoint.position { return .done }
            add(
                .checkpoint(
                    CheckpointEntry(
                        mapping: mapping.number, shard: shard.key, epoch: move.epoch,
                        revision: (known?.revision ?? 0) + 1, position: move.checkpoint.position,
                        isShardEnd: move.checkpoint.isShardEnd, state: move.checkpoint.state)))
            return .done
        case .seal(let seal): return .sealed(try plan(seal))
        case .control(let control):
            let mapping = try catalogue.mapping(control.mapping)
            add(
                mapping.controlled(
                    at: now, by: control.actor, control.reason, configuration: control.configuration,
                    isEnabled: control.isEnabled))
            return .done
        case .attribute(let change):
            if let entry = try catalogue.entry(for: change, commit: commit) { add(.attributeChanged(entry)) }
            return .done
        case .reserved(let change): return try plan(change)
        }
    }

    private mutating func plan(_ change: ReservedChange) throws -> PlannedReceipt {
        switch change.kind {
        case .park(let change):
            if let entry = try entry(for: change) { add(.parked(entry)) }
            return .done
        case .takeOver(let stream, let id, let epoch):
            let shard = try catalogue.shard(id, of: catalogue.stream(stream))
            add(.takeOver(shard: shard.key, epoch: epoch))
            return .takenOver(last: shard.lastSequence)
        }
    }

    /// What the entry of a change says; nil where it changes nothing. A call of its own, so that the mapping is not held
    /// while ``add(_:body:)`` changes it: that would copy all keys of the shard, and a commit may move thousands.
    private func entry(for change: ParkedKeyChange) throws -> ParkedEntry? {
        let mapping = try catalogue.mapping(change.mapping)
        guard let shard = try shard(change.shard, of: change.mapping) else { return nil }
        let isParked = mapping.parked[shard.key]?[UTF8Key(change.partitionKey)] != nil
        guard isParked || change.value != nil else { return nil }
        return ParkedEntry(
            mapping: mapping.number, shard: shard.key, partitionKey: change.partitionKey, value: change.value)
    }

    private mutating func plan(_ seal: Seal) throws -> [ShardID] {
        let entry = try entry(for: seal)
        add(.seal(entry))
        return entry.children.map(\.id)
    }

    /// A call of its own, so that the stream is not held while ``add(_:body:)`` changes it: that would copy it, and a
    /// commit may have a thousand seals.
    private func entry(for seal: Seal) throws -> SealEntry {
        let stream = try catalogue.stream(seal.stream)
        let parents = try seal.parents.map { try catalogue.shard($0, of: stream) }
        // Not before the opening either, where the clock was set back: no shard leaves the lists before its parents.
        let closing = parents.map { max($0.lastArrival + .milliseconds(1), $0.openedAt) }.reduce(now, max)
        let numbers = stream.nextShardNumber..<stream.nextShardNumber + UInt32(seal.children.count)
        let second = CreationSecond.ofChildren(
            notBefore: parents.map { $0.creationSecond + 1 }.reduce(closing.second, max),
            retired: catalogue.retired, taken: creationSeconds(of: numbers, except: stream.key))
        let origin = parents.map { max($0.lastSequence, $0.floor) }.max() ?? .zero
        let children = seal.children.enumerated().map { index, range in
            NewShard(
                key: ShardNumber(catalogue.nextShard + UInt32(index)),
                id: ShardID(stream.nextShardNumber + UInt32(index)), range: range, creationSecond: second,
                origin: origin)
        }
        return SealEntry(
            stream: stream.key, closedAt: closing,
            parents: parents.map { SealEntry.Parent(shard: $0.key, lastSequence: $0.lastSequence) },
            children: children)
    }

    // MARK: Streams and mappings

    private mutating func createStream(_ name: String, _ settings: StreamSettings) throws {
        guard catalogue.names[UTF8Key(name)] == nil else {
            throw ShardlineError(.streamExists, "the stream '\(name)' exists already")
        }
        let second = CreationSecond.ofStream(
            now: now.second, retired: catalogue.retired,
            taken: creationSeconds(of: 0..<UInt32(settings.shards), except: nil))
        let shards = HashKeyRange.even(settings.shards).enumerated().map { index, range in
            NewShard(
                key: ShardNumber(catalogue.nextShard + UInt32(index)), id: ShardID(UInt32(index)), range: range,
                creationSecond: second, origin: .zero)
        }
        add(
            .streamCreated(
                StreamCreatedEntry(
                    key: StreamNumber(catalogue.nextStream), name: name, retention: settings.retention,
                    maximumRecordSize: settings.maximumRecordSize, isFailureStream: settings.isFailureStream,
                    createdAt: now, shards: shards)))
    }

    /// The creation seconds of shards with these numbers in the other streams.
    private func creationSeconds(of numbers: Range<UInt32>, except stream: StreamNumber?) -> Set<UInt64> {
        var seconds: Set<UInt64> = []
        // By stream, since most have no shard with so high a number, and a commit may have a thousand seals.
        for other in catalogue.streams.values where other.nextShardNumber > numbers.lowerBound && other.key != stream {
            for number in numbers {
                guard let key = other.shards[ShardID(number)] else { continue }
                if let second = catalogue.shards.read(key, { $0.creationSecond }) { seconds.insert(second) }
            }
        }
        return seconds
    }

    private mutating func updateStream(_ name: String, _ retention: Duration?, _ maximumRecordSize: Int?) throws {
        let stream = try catalogue.stream(name)
        if let maximumRecordSize {
            try StreamSettings.validate(
                maximumRecordSize: maximumRecordSize, isFailureStream: stream.isFailureStream)
        }
        let (retention, size) = (retention ?? stream.retention, maximumRecordSize ?? stream.maximumRecordSize)
        guard stream.retention != retention || stream.maximumRecordSize != size else { return }
        // What expired under the old retention stays expired under a longer one. What the new retention expires is gone
        // from now on.
        add(
            stream.changed(
                retention: retention, maximumRecordSize: size,
                expiredThrough: max(stream.expiry(at: now), now - retention)))
    }

    private mutating func applyRetention(atOnce: Bool, forgetting shards: [StreamNumber: [ShardNumber]]) {
        for stream in catalogue.streamsWithUnnotedExpiry(at: now, atOnce: atOnce) {
            add(stream.changed(expiredThrough: stream.expiry(at: now)))
        }
        for (key, candidates) in shards.sorted(by: { $0.key < $1.key }) {
            guard let stream = catalogue.streams[key] else { continue }
            let mappings = stream.mappings.values.compactMap { catalogue.mappings[$0] }
            let expiry = stream.expiry(at: now)
            // Checked again, since a mapping may have been moved back after the caller looked.
            let gone = candidates.filter { candidate in
                guard let shard = catalogue.shards[candidate], shard.isRemoved(by: expiry) else { return false }
                return !mappings.contains { catalogue.owes($0, shard) }
            }
            if !gone.isEmpty { add(.shardsRemoved(key, gone)) }
        }
    }

    private mutating func createMapping(_ definition: MappingDefinition, _ starts: [ShardNumber: SequenceNumber]) throws
    {
        let key = definition.key
        let stream = try catalogue.stream(key.stream)
        guard stream.mappings[UTF8Key(key.name)] == nil else {
            throw ShardlineError(
                .mappingExists, "the mapping '\(key.name)' exists already on the stream '\(key.stream)'")
        }
        // A shard that was opened after the caller resolved the position is read from its start. For a shard that is no
        // longer listed the mapping starts at its end.
        let expiry = stream.expiry(at: now)
        let resolved = stream.shards.values.sorted().compactMap { key -> MappingCreatedEntry.Start? in
            let removed = catalogue.shards[key].flatMap { $0.isRemoved(by: expiry) ? $0.lastSequence : nil }
            return (removed ?? starts[key]).map { MappingCreatedEntry.Start(shard: key, position: $0) }
        }
        add(
            .mappingCreated(
                MappingCreatedEntry(
                    number: MappingNumber(catalogue.nextMapping), stream: stream.key, name: key.name,
                    startingPosition: definition.startingPosition, createdAt: now,
                    configuration: definition.configuration, starts: resolved)))
    }

    private mutating func claimMapping(_ key: MappingID, bringing configuration: [UInt8]?, owner: String) throws {
        let mapping = try catalogue.mapping(key)
        add(mapping.changed(epoch: mapping.epoch + 1))
        // What control actions made of the same settings stays.
        guard let configuration, configuration != mapping.control.brought else { return }
        add(
            mapping.controlled(
                at: now, by: owner, "its run has these settings", configuration: configuration, isEnabled: nil,
                isBrought: true))
    }

    private mutating func seekMapping(
        _ key: MappingID, to positions: [ShardNumber: SequenceNumber], all: Bool
    ) throws {
        let mapping = try catalogue.mapping(key)
        let epoch = mapping.epoch + 1
        add(mapping.changed(epoch: epoch))
        func move(_ shard: ShardNumber, to position: SequenceNumber, isShardEnd: Bool) {
            add(
                .checkpoint(
                    CheckpointEntry(
                        mapping: mapping.number, shard: shard, epoch: epoch,
                        revision: (mapping.checkpoints[shard]?.revision ?? 0) + 1, position: position,
                        isShardEnd: isShardEnd, state: [])))
        }
        for (shard, position) in positions.sorted(by: { $0.key < $1.key }) where catalogue.shards[shard] != nil {
            move(shard, to: position, isShardEnd: false)
        }
        guard all, let stream = catalogue.streams[mapping.stream] else { return }
        // Unhandled records of shards that are no longer listed are skipped, as all expired records are.
        for shard in catalogue.removedShards(of: stream, at: now)
        where positions[shard.key] == nil && catalogue.owes(mapping, shard) {
            move(shard.key, to: shard.lastSequence, isShardEnd: true)
        }
    }
}

extension StreamState {
    fileprivate func changed(
        retention: Duration? = nil, maximumRecordSize: Int? = nil, expiredThrough: Timestamp
    ) -> Entry {
        .streamChanged(
            StreamChangedEntry(
                key: key, retention: retention ?? self.retention,
                maximumRecordSize: maximumRecordSize ?? self.maximumRecordSize,
                isFailureStream: isFailureStream, expiredThrough: expiredThrough))
    }
}

extension MappingState {
    fileprivate func changed(epoch: UInt64) -> Entry {
        .mappingChanged(MappingChangedEntry(number: number, epoch: epoch, configuration: configuration))
    }

    fileprivate func controlled(
        at now: Timestamp, by actor: String, _ reason: String, configuration: [UInt8]?, isEnabled: Bool?,
        isBrought: Bool = false
    ) -> Entry {
        .mappingControlled(
            MappingControlledEntry(
                number: number,
                action: MappingAction(
                    revision: control.revision + 1, time: now, actor: actor, reason: reason,
                    changedSettings: configuration != nil, isEnabled: isEnabled),
                configuration: configuration, isBrought: isBrought))
    }
}
