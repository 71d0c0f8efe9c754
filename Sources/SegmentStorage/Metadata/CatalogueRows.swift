import StreamModel
import StreamStorage

/// The catalogue as rows, and back. Numbers are stored in readable form; only state and configuration, which the store
/// does not interpret, are bytes.
extension Catalogue {
    /// The changes that bring the rows in `dirty` up to date with this catalogue.
    ///
    /// They may be written in several transactions, and a crash may leave only the first ones, so their order matters.
    package func changes(_ dirty: DirtyRows) -> [MetadataChange] {
        var changes: [MetadataChange] = []
        let (kept, gone) = (dirty.shards.filter { shards[$0] != nil }, dirty.shards.filter { shards[$0] == nil })
        // First: until the start of the replay has passed the deletion, the journal may hold records of the shard.
        if !gone.isEmpty { changes += retiredRows.map { .put($0) } }
        for key in gone.sorted() {
            guard let commit = deletedShards[key] else { continue }
            changes.append(.put(MetadataRow(.deletedShard, [.number(key.rawValue), .bits(commit)])))
        }
        for key in dirty.streams.sorted() {
            let number = [MetadataValue.number(key.rawValue)]
            guard let stream = streams[key] else {
                changes += [.stream, .streamCreation, .streamExpiry, .attribute].map { .remove($0, key: number) }
                continue
            }
            changes += [.put(stream.row), .put(initialSettings(of: stream).row(number))]
            if let expired = stream.expiredThrough {
                changes.append(.put(MetadataRow(.streamExpiry, number + [.integer(expired.milliseconds)])))
            }
        }
        changes += dirty.attributes.sorted().map { change(of: $0) }
        // Before the shard's row: once that row contains the jump, replay does not jump again, so the skipped numbers
        // would never be written.
        for key in dirty.jumped.sorted() {
            if let shard = shards[key], !shard.skipped.isEmpty { changes.append(.put(shard.skippedRow)) }
        }
        for key in kept.sorted() { if let shard = shards[key] { changes.append(.put(shard.row)) } }
        // After the other shards: where a shard's row is missing, its children's rows must exist.
        for key in gone.sorted() {
            changes.append(.remove(.skipped, key: [.number(key.rawValue)]))
            changes.append(.remove(.shard, key: [.number(key.rawValue)]))
        }
        for number in dirty.mappings.sorted() {
            if let mapping = mappings[number] {
                changes.append(.put(mapping.row))
                // Without control actions the row says nothing.
                if mapping.control.revision > 0 { changes.append(.put(mapping.controlRow)) }
            } else {
                let key = [MetadataValue.number(number.rawValue)]
                changes += [.mapping, .mappingControl, .mappingAction, .checkpoint, .parked].map {
                    .remove($0, key: key)
                }
            }
        }
        for place in dirty.actions.sorted() { changes += self.changes(ofAction: place) }
        for place in dirty.checkpoints.sorted() {
            let key = [MetadataValue.number(place.mapping.rawValue), .number(place.shard.rawValue)]
            if let checkpoint = mappings[place.mapping]?.checkpoints[place.shard] {
                changes.append(.put(checkpoint.row(key)))
            } else {
                changes.append(.remove(.checkpoint, key: key))
            }
        }
        return changes + parkedChanges(dirty)
    }

    /// The rows of ``retired``, none where no shard has been removed yet: the latest second, and all of them. Earlier
    /// builds know the first row alone, and take every second up to it for retired.
    package var retiredRows: [MetadataRow] {
        guard let latest = retired.latest else { return [] }
        let ranges = retired.ranges.map { "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
        return [
            MetadataRow(.retired, [.number(1), .bits(latest)]), MetadataRow(.retired, [.number(2), .text(ranges)]),
        ]
    }

    private mutating func takeRetired(_ contents: MetadataContents) throws(MetadataError) {
        var latest: UInt64?
        for row in contents[.retired] {
            var reader = RowReader(row)
            if try reader.short() == 1 {
                latest = min(try reader.word(), UInt64(Int64.max))
            } else {
                for range in try reader.ranges() {
                    retired.insert(range.lowerBound.rawValue...range.upperBound.rawValue)
                }
            }
        }
        // An earlier build has saved the latest one alone, at first or after this row.
        let known = retired.latest.map { $0 + 1 } ?? 0
        if let latest, latest >= known { retired.insert(known...latest) }
    }

    /// The catalogue that the rows describe. Rows of deleted streams, shards and mappings are skipped.
    package init(_ contents: MetadataContents, store: StoreRow) throws(MetadataError) {
        self.init()
        nextStream = UInt32(truncatingIfNeeded: store.nextStream)
        nextShard = store.nextShard
        nextMapping = UInt32(truncatingIfNeeded: store.nextMapping)
        incarnation = store.incarnation
        try takeStreams(contents)
        try takeShards(contents)
        try takeStreamSettings(contents)
        try takeAttributes(contents)
        try takeMappings(contents)
    }

    private mutating func takeStreams(_ contents: MetadataContents) throws(MetadataError) {
        for row in contents[.stream] {
            let stream = try StreamState(row)
            streams[stream.key] = stream
            names[UTF8Key(stream.name)] = stream.key
        }
    }

    private mutating func takeShards(_ contents: MetadataContents) throws(MetadataError) {
        for row in contents[.shard] {
            let shard = try ShardState(row)
            guard streams[shard.stream] != nil else { continue }
            shards[shard.key] = shard
            streams[shard.stream]?.shards[shard.id] = shard.key
            if let closedAt = shard.closedAt {
                streams[shard.stream]?.closedShards.append(.init(closedAt: closedAt, shard: shard.key))
            } else {
                streams[shard.stream]?.openShards.append(
                    .init(
                        first: shard.range.first, shard: shard.key, id: shard.id,
                        creationSecond: shard.creationSecond))
            }
        }
        for key in streams.keys {
            streams[key]?.openShards.sort { $0.first < $1.first }
            streams[key]?.closedShards.sort()
        }
        for row in contents[.skipped] {
            var reader = RowReader(row)
            let (key, ranges) = (ShardNumber(try reader.short()), try reader.ranges())
            _ = shards.update(key) { $0.skipped = ranges }
        }
        try takeRetired(contents)
        for row in contents[.deletedShard] {
            var reader = RowReader(row)
            deletedShards[ShardNumber(try reader.short())] = try reader.word()
        }
    }

    private mutating func takeStreamSettings(_ contents: MetadataContents) throws(MetadataError) {
        for row in contents[.streamCreation] {
            var reader = RowReader(row)
            let key = StreamNumber(try reader.short())
            streams[key]?.createdWith = try StreamSettings(&reader)
        }
        for (key, stream) in streams {
            let settings = initialSettings(of: stream)
            streams[key]?.createdWith = settings
        }
        for row in contents[.streamExpiry] {
            var reader = RowReader(row)
            expire(StreamNumber(try reader.short()), through: try reader.time())
        }
    }

    private mutating func takeMappings(_ contents: MetadataContents) throws(MetadataError) {
        for row in contents[.mapping] {
            let mapping = try MappingState(row)
            guard streams[mapping.stream] != nil else { continue }
            mappings[mapping.number] = mapping
            streams[mapping.stream]?.mappings[UTF8Key(mapping.name)] = mapping.number
        }
        try takeControl(contents)
        for row in contents[.checkpoint] {
            var reader = RowReader(row)
            let (mapping, shard) = (MappingNumber(try reader.short()), ShardNumber(try reader.short()))
            let checkpoint = try CheckpointState(&reader)
            guard shards[shard] != nil else { continue }
            mappings[mapping]?.checkpoints[shard] = checkpoint
        }
        try takeParked(contents)
    }
}

extension DirtyRows.CheckpointPlace: Comparable {
    package static func < (left: Self, right: Self) -> Bool {
        (left.mapping, left.shard) < (right.mapping, right.shard)
    }
}

extension StreamState {
    fileprivate var row: MetadataRow {
        MetadataRow(
            .stream,
            [
                .number(key.rawValue), .text(name), .integer(retention.wholeMilliseconds),
                .integer(createdAt.milliseconds), .number(maximumRecordSize), .integer(isFailureStream ? 1 : 0),
                .number(nextShardNumber), .bits(atCommit),
            ])
    }

    fileprivate init(_ row: MetadataRow) throws(MetadataError) {
        var reader = RowReader(row)
        self.init(
            key: StreamNumber(try reader.short()), name: try reader.text(),
            retention: .milliseconds(try reader.integer()),
            // The columns are in another order than the properties, so these are read below.
            maximumRecordSize: 0, isFailureStream: false, createdAt: try reader.time(), nextShardNumber: 0, atCommit: 0)
        maximumRecordSize = Int(try reader.integer())
        isFailureStream = try reader.integer() != 0
        nextShardNumber = try reader.short()
        atCommit = try reader.word()
    }
}

extension StreamSettings {
    /// The row of the settings that a stream was created with.
    fileprivate func row(_ key: [MetadataValue]) -> MetadataRow {
        MetadataRow(
            .streamCreation,
            key + [
                .number(shards), .integer(retention.wholeMilliseconds), .number(maximumRecordSize),
                .integer(isFailureStream ? 1 : 0),
            ])
    }

    fileprivate init(_ reader: inout RowReader) throws(MetadataError) {
        self.init(
            shards: Int(try reader.integer()), retention: .milliseconds(try reader.integer()),
            maximumRecordSize: Int(try reader.integer()), isFailureStream: try reader.integer() != 0)
    }
}

extension ShardState {
    fileprivate var row: MetadataRow {
        MetadataRow(
            .shard,
            [
                .number(key.rawValue), .number(stream.rawValue), .number(id.number), .text(range.first.description),
                .text(range.last.description), .optional(parents.first?.number),
                .optional(parents.count > 1 ? parents[1].number : nil), .bits(creationSecond),
                .integer(openedAt.milliseconds), .optional(closedAt?.milliseconds),
                .text(children.map { String($0.number) }.joined(separator: ",")), .bits(origin.rawValue),
                .bits(lastSequence.rawValue), .bits(floor.rawValue), .integer(lastArrival.milliseconds), .bits(epoch),
                .bits(atCommit),
            ])
    }

    fileprivate var skippedRow: MetadataRow {
        MetadataRow(.skipped, [.number(key.rawValue), .text(skipped.columnText)])
    }

    /// The shard that the row describes.
    package init(_ row: MetadataRow) throws(MetadataError) {
        var reader = RowReader(row)
        let key = ShardNumber(try reader.short())
        let stream = StreamNumber(try reader.short())
        let id = ShardID(try reader.short())
        let range = HashKeyRange(first: try reader.hashKey(), last: try reader.hashKey())
        let parents = [try reader.optional(), try reader.optional()].compactMap { $0 }
        let creationSecond = try reader.word()
        let openedAt = try reader.time()
        let closedAt = try reader.optional().map { Timestamp(milliseconds: $0) }
        let children = try reader.shardNumbers()
        self.init(
            key: key, stream: stream, id: id, range: range,
            parents: parents.map { ShardID(UInt32(truncatingIfNeeded: $0)) }, creationSecond: creationSecond,
            openedAt: openedAt, origin: try reader.sequence(), closedAt: closedAt, children: children,
            lastSequence: try reader.sequence(), floor: try reader.sequence(), lastArrival: try reader.time(),
            epoch: try reader.word(), atCommit: try reader.word())
    }
}

extension MappingState {
    fileprivate var row: MetadataRow {
        MetadataRow(
            .mapping,
            [
                .number(number.rawValue), .number(stream.rawValue), .text(name), .text(startingPosition.columnText),
                .blob(configuration), .integer(createdAt.milliseconds), .bits(epoch), .bits(atCommit),
            ])
    }

    fileprivate init(_ row: MetadataRow) throws(MetadataError) {
        var reader = RowReader(row)
        let (number, stream) = (MappingNumber(try reader.short()), StreamNumber(try reader.short()))
        let (name, starting) = (try reader.text(), try reader.startingPosition())
        let configuration = try reader.blob()
        self.init(
            number: number, stream: stream, name: name, startingPosition: starting, createdAt: try reader.time(),
            configuration: configuration, epoch: try reader.word(), atCommit: try reader.word())
    }
}

extension [ClosedRange<SequenceNumber>] {
    fileprivate var columnText: String { map { "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",") }
}

extension StartingPosition {
    fileprivate var columnText: String {
        switch self {
        case .trimHorizon: "trim-horizon"
        case .latest: "latest"
        case .atTimestamp(let time): "at-time \(time.milliseconds)"
        case .atSequenceNumber(let number): "at \(number)"
        case .afterSequenceNumber(let number): "after \(number)"
        case .at(let number): "at \(number.sequenceNumber)"
        case .after(let number): "after \(number.sequenceNumber)"
        }
    }
}

extension CheckpointState {
    fileprivate func row(_ key: [MetadataValue]) -> MetadataRow {
        MetadataRow(
            .checkpoint,
            key + [
                .bits(epoch), .bits(revision), .bits(position.rawValue), .integer(isShardEnd ? 1 : 0),
                .text(""), .blob(state), .optional(earlierAttempts.map { Int64($0.first.rawValue) }),
                .optional(earlierAttempts.map { Int64($0.last.rawValue) }), .optional(earlierAttempts?.count),
                earlierAttempts.map { .text($0.cause) } ?? .null, .bits(atCommit),
            ])
    }

    fileprivate init(_ reader: inout RowReader) throws(MetadataError) {
        self.init(
            epoch: try reader.word(), revision: try reader.word(), position: try reader.sequence(),
            isShardEnd: try reader.integer() != 0, state: [], atCommit: 0)
        // Finished ranges, which no mapping has ever written.
        _ = try reader.ranges()
        state = try reader.blob()
        let (first, last) = (try reader.optional(), try reader.optional())
        let (count, cause) = (try reader.optional(), try reader.optionalText())
        if let first, let last, let count {
            earlierAttempts = AttemptNote(
                first: SequenceNumber(UInt64(bitPattern: first)), last: SequenceNumber(UInt64(bitPattern: last)),
                count: Int(count), cause: cause ?? "")
        }
        atCommit = try reader.word()
    }
}
