import StreamModel
import StreamStorage

extension Catalogue {
    /// The result of applying an entry.
    package enum Applied: Hashable {
        /// The entry changed something, or was older than the catalogue.
        case done
        /// The entry names a stream, shard or mapping that was deleted or never existed.
        case unknown
    }

    /// Applies `entry` of the commit with number `commit`.
    ///
    /// Applying an entry again, or one that is older than the catalogue, changes nothing: rows of the metadata may be
    /// newer than the commit that replay begins at (STORE-F5).
    @discardableResult
    package mutating func apply(_ entry: Entry, commit: UInt64) -> Applied {
        switch entry {
        case .records(let records):
            var applied = Applied.done
            for run in records.runs where apply(run) == .unknown { applied = .unknown }
            return applied
        case .checkpoint(let move): return apply(move, commit: commit)
        case .attempts(let entry): return apply(entry, commit: commit)
        case .parked(let entry): return apply(entry, commit: commit)
        case .seal(let seal): return apply(seal, commit: commit)
        case .streamCreated(let entry): return apply(entry, commit: commit)
        case .streamChanged(let entry): return apply(entry, commit: commit)
        case .streamDeleted(let key): return deleteStream(key, commit: commit)
        case .mappingCreated(let entry): return apply(entry, commit: commit)
        case .mappingChanged(let entry): return apply(entry, commit: commit)
        case .mappingControlled(let entry): return apply(entry, commit: commit)
        case .mappingDeleted(let number): return deleteMapping(number)
        case .takeOver(let shard, let epoch): return takeOver(shard, epoch: epoch, commit: commit)
        case .opened(let entry): return apply(entry, commit: commit)
        case .shardsRemoved(let stream, let keys): return removeShards(keys, of: stream, commit: commit)
        case .attributeChanged(let entry): return apply(entry, commit: commit)
        }
    }

    private mutating func apply(_ entry: AttributeEntry, commit: UInt64) -> Applied {
        if entry.stream == AttributeEntry.accounts {
            accountAttributes.apply(entry, commit: commit)
        } else {
            guard streams[entry.stream] != nil else { return .unknown }
            streams[entry.stream]?.attributes.apply(entry, commit: commit)
        }
        return .done
    }

    private mutating func apply(_ entry: AttemptsEntry, commit: UInt64) -> Applied {
        // The rows may be newer: retention may already have removed the shard. The same holds for a parked key.
        guard let origin = shards[entry.shard]?.origin else { return .unknown }
        return changeMapping(entry.mapping) { mapping in
            // A note belongs to the checkpoint that it was written after. A later move drops it.
            var checkpoint =
                mapping.checkpoints[entry.shard]
                ?? CheckpointState(
                    epoch: 0, revision: 0, position: origin, isShardEnd: false, state: [], atCommit: commit)
            guard checkpoint.atCommit <= commit else { return }
            checkpoint.earlierAttempts = entry.note
            checkpoint.atCommit = commit
            mapping.checkpoints[entry.shard] = checkpoint
        }
    }

    private mutating func apply(_ entry: ParkedEntry, commit: UInt64) -> Applied {
        guard shards[entry.shard] != nil else { return .unknown }
        return changeMapping(entry.mapping) { mapping in
            let key = UTF8Key(entry.partitionKey)
            let known = mapping.parked[entry.shard]?[key]
            if let known, known.atCommit > commit { return }
            mapping.parked[entry.shard, default: [:]][key] = entry.value.map {
                ParkedState(value: $0, atCommit: commit)
            }
            if mapping.parked[entry.shard]?.isEmpty == true { mapping.parked[entry.shard] = nil }
        }
    }

    private mutating func apply(_ entry: StreamChangedEntry, commit: UInt64) -> Applied {
        guard let known = streams[entry.key] else { return .unknown }
        // The expiry never goes back. Its row may have been saved without the stream's row, so it is applied even where
        // the stream is newer.
        expire(entry.key, through: entry.expiredThrough)
        // One commit may hold the stream's creation, seals, and several changes.
        guard known.atCommit <= commit else { return .done }
        streams[entry.key]?.retention = entry.retention
        streams[entry.key]?.maximumRecordSize = entry.maximumRecordSize
        streams[entry.key]?.isFailureStream = entry.isFailureStream
        streams[entry.key]?.atCommit = commit
        return .done
    }

    private mutating func apply(_ entry: MappingChangedEntry, commit: UInt64) -> Applied {
        changeMapping(entry.number) { mapping in
            // One commit may hold several changes of a mapping.
            guard mapping.atCommit < commit || (mapping.atCommit == commit && mapping.epoch < entry.epoch) else {
                return
            }
            mapping.epoch = entry.epoch
            mapping.atCommit = commit
            guard mapping.configuration != entry.configuration else { return }
            // Versions before control actions changed the settings by the claim.
            mapping.configuration = entry.configuration
            if mapping.control.revision == 0 { mapping.control.brought = entry.configuration }
        }
    }

    private mutating func apply(_ entry: MappingControlledEntry, commit: UInt64) -> Applied {
        changeMapping(entry.number) { mapping in
            let revision = entry.action.revision
            // The rows of settings, of the revision and of the actions are saved one by one: some may be newer.
            if mapping.atCommit < commit || (mapping.atCommit == commit && mapping.control.revision < revision) {
                if let configuration = entry.configuration { mapping.configuration = configuration }
                mapping.atCommit = commit
            }
            if mapping.control.revision < revision {
                mapping.control.revision = revision
                if let isEnabled = entry.action.isEnabled { mapping.control.isEnabled = isEnabled }
                if entry.isBrought, let brought = entry.configuration { mapping.control.brought = brought }
            }
            if mapping.control.actions.last.map({ $0.revision < revision }) ?? true {
                mapping.control.actions.append(entry.action)
                let surplus = mapping.control.actions.count - MappingControl.keptActions
                if surplus > 0 { mapping.control.actions.removeFirst(surplus) }
            }
        }
    }

    private mutating func deleteMapping(_ number: MappingNumber) -> Applied {
        guard let mapping = mappings.removeValue(forKey: number) else { return .unknown }
        if streams[mapping.stream]?.mappings[UTF8Key(mapping.name)] == number {
            streams[mapping.stream]?.mappings[UTF8Key(mapping.name)] = nil
        }
        return .done
    }

    private mutating func takeOver(_ shard: ShardNumber, epoch: UInt64, commit: UInt64) -> Applied {
        guard let known = shards[shard] else { return .unknown }
        if epoch > known.epoch {
            shards[shard]?.epoch = epoch
            shards[shard]?.atCommit = max(known.atCommit, commit)
        }
        return .done
    }

    private mutating func apply(_ entry: OpenedEntry, commit: UInt64) -> Applied {
        // A restore skips ``OpenedEntry/restoredIncarnations`` incarnations, and as many stream numbers here, so that the
        // restored store and the store that was backed up never give out the same number.
        if entry.incarnation >= incarnation + OpenedEntry.restoredIncarnations, nextStream < 1 << 31 {
            nextStream += OpenedEntry.restoredIncarnations
        }
        incarnation = max(incarnation, entry.incarnation)
        if entry.numberJump > 0 {
            for (key, shard) in shards where shard.closedAt == nil && shard.atCommit < commit {
                shards[key]?.jump(over: entry.numberJump)
                shards[key]?.atCommit = commit
            }
        }
        return .done
    }

    private mutating func removeShards(_ keys: [ShardNumber], of stream: StreamNumber, commit: UInt64) -> Applied {
        for key in keys {
            if let id = shards[key]?.id { streams[stream]?.shards[id] = nil }
            remove(shard: key, commit: commit)
        }
        let gone = Set(keys)
        streams[stream]?.closedShards.removeAll { gone.contains($0.shard) }
        for number in (streams[stream]?.mappings ?? [:]).values {
            for key in keys {
                mappings[number]?.checkpoints[key] = nil
                mappings[number]?.parked[key] = nil
            }
        }
        return .done
    }

    private mutating func apply(_ run: RecordsEntry.Run) -> Applied {
        // In place, since at full load this runs for every run of every commit.
        let key = ShardNumber(run.shardKey)
        let last = SequenceNumber(run.firstSequence).advanced(by: Int(run.count) - 1)
        let isKnown = shards.update(key) { $0.advance(to: last, at: Timestamp(milliseconds: run.arrival)) }
        return isKnown || deletedShards[key] != nil ? .done : .unknown
    }

    private mutating func apply(_ move: CheckpointEntry, commit: UInt64) -> Applied {
        guard shards[move.shard] != nil else { return .unknown }
        return changeMapping(move.mapping) { mapping in
            let state = CheckpointState(
                epoch: move.epoch, revision: move.revision, position: move.position, isShardEnd: move.isShardEnd,
                state: move.state, atCommit: commit)
            if let known = mapping.checkpoints[move.shard], !state.isNewer(than: known) { return }
            mapping.checkpoints[move.shard] = state
        }
    }

    private mutating func changeMapping(_ number: MappingNumber, _ change: (inout MappingState) -> Void) -> Applied {
        // In place: a mapping may have many parked keys.
        guard let index = mappings.index(forKey: number) else { return .unknown }
        change(&mappings.values[index])
        return .done
    }

    private mutating func apply(_ entry: StreamCreatedEntry, commit: UInt64) -> Applied {
        nextStream = max(nextStream, entry.key.rawValue + 1)
        guard streams[entry.key] == nil else { return .done }
        var stream = StreamState(
            key: entry.key, name: entry.name, retention: entry.retention,
            maximumRecordSize: entry.maximumRecordSize, isFailureStream: entry.isFailureStream,
            createdAt: entry.createdAt, nextShardNumber: 0, atCommit: commit)
        for shard in entry.shards {
            add(shard, parents: [], openedAt: entry.createdAt, lastArrival: nil, to: &stream, commit: commit)
        }
        stream.openShards.sort { $0.first < $1.first }
        stream.createdWith = StreamSettings(
            shards: entry.shards.count, retention: entry.retention, maximumRecordSize: entry.maximumRecordSize,
            isFailureStream: entry.isFailureStream)
        streams[entry.key] = stream
        // The rows may be newer: the name may already belong to a newer stream.
        if names[UTF8Key(entry.name)].map({ $0 < entry.key }) ?? true { names[UTF8Key(entry.name)] = entry.key }
        return .done
    }

    private mutating func add(
        _ new: NewShard, parents: [ShardID], openedAt: Timestamp, lastArrival: Timestamp?,
        to stream: inout StreamState, commit: UInt64
    ) {
        nextShard = max(nextShard, new.key.rawValue + 1)
        stream.nextShardNumber = max(stream.nextShardNumber, new.id.number + 1)
        stream.shards[new.id] = new.key
        stream.openShards.append(
            StreamState.Route(
                first: new.range.first, shard: new.key, id: new.id, creationSecond: new.creationSecond))
        if shards[new.key] == nil {
            shards[new.key] = ShardState(
                key: new.key, stream: stream.key, id: new.id, range: new.range, parents: parents,
                creationSecond: new.creationSecond, openedAt: openedAt, origin: new.origin,
                lastSequence: new.origin, floor: new.origin, lastArrival: lastArrival ?? Timestamp(milliseconds: 0),
                atCommit: commit)
            if let expired = stream.expiredThrough { shards[new.key]?.arrivalFloor = expired + .milliseconds(1) }
        }
    }

    private mutating func apply(_ seal: SealEntry, commit: UInt64) -> Applied {
        guard streams[seal.stream] != nil else { return .unknown }
        // Where a parent is missing, the rows are newer than this entry and contain the children.
        guard seal.parents.allSatisfy({ shards[$0.shard].map { $0.closedAt == nil } ?? false }) else { return .done }
        // Taken out while it changes, so that it is changed in place: a commit may have a thousand seals.
        guard var stream = streams.removeValue(forKey: seal.stream) else { return .unknown }
        let parents = seal.parents.compactMap { shards[$0.shard]?.id }
        let lastArrival = seal.parents.compactMap { shards[$0.shard]?.lastArrival }.max()
        for parent in seal.parents {
            shards[parent.shard]?.closedAt = seal.closedAt
            shards[parent.shard]?.lastSequence = parent.lastSequence
            shards[parent.shard]?.children = seal.children.map(\.id)
            shards[parent.shard]?.atCommit = commit
            stream.noteClosing(of: parent.shard, at: seal.closedAt)
        }
        stream.openShards.removeAll { route in seal.parents.contains { $0.shard == route.shard } }
        for child in seal.children {
            add(child, parents: parents, openedAt: seal.closedAt, lastArrival: lastArrival, to: &stream, commit: commit)
        }
        stream.openShards.sort { $0.first < $1.first }
        stream.atCommit = max(stream.atCommit, commit)
        streams[seal.stream] = stream
        return .done
    }

    private mutating func deleteStream(_ key: StreamNumber, commit: UInt64) -> Applied {
        guard let stream = streams.removeValue(forKey: key) else { return .unknown }
        if names[UTF8Key(stream.name)] == key { names[UTF8Key(stream.name)] = nil }
        for number in stream.mappings.values { mappings[number] = nil }
        for shard in stream.shards.values { remove(shard: shard, commit: commit) }
        return .done
    }

    private mutating func remove(shard key: ShardNumber, commit: UInt64) {
        guard let shard = shards.removeValue(forKey: key) else { return }
        deletedShards[key] = commit
        retired.insert(shard.creationSecond)
    }

    private mutating func apply(_ entry: MappingCreatedEntry, commit: UInt64) -> Applied {
        nextMapping = max(nextMapping, entry.number.rawValue + 1)
        guard mappings[entry.number] == nil else { return .done }
        guard streams[entry.stream] != nil else { return .unknown }
        var mapping = MappingState(
            number: entry.number, stream: entry.stream, name: entry.name,
            startingPosition: entry.startingPosition, createdAt: entry.createdAt,
            configuration: entry.configuration,
            // Higher than any epoch of a deleted mapping of the same name, so that the deleted mapping's runners are
            // fenced.
            epoch: UInt64(entry.number.rawValue) << 32, atCommit: commit)
        for start in entry.starts where shards[start.shard] != nil {
            mapping.checkpoints[start.shard] = CheckpointState(
                epoch: 0, revision: 0, position: start.position, isShardEnd: false, state: [], atCommit: commit)
        }
        mappings[entry.number] = mapping
        // As with streams, a newer mapping may already have the name.
        if streams[entry.stream]?.mappings[UTF8Key(entry.name)].map({ $0 < entry.number }) ?? true {
            streams[entry.stream]?.mappings[UTF8Key(entry.name)] = entry.number
        }
        return .done
    }
}
