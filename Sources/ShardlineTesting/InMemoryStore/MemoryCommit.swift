import StreamModel
import StreamStorage

/// One commit. It changes a copy of the catalogue and collects the records, so that a refused commit has no effect.
struct MemoryCommit {
    var catalogue: MemoryCatalogue
    /// The records that the commit adds, in order.
    private(set) var runs: [(place: ShardPlace, run: RecordRun)] = []
    /// The shards whose waiting reads must be woken.
    private(set) var touched: Set<ShardPlace> = []
    /// Whether those that wait for a change of a mapping must be woken.
    private(set) var changesMappings = false
    private let now: Timestamp

    init(_ catalogue: MemoryCatalogue, now: Timestamp) {
        self.catalogue = catalogue
        self.now = now
    }

    mutating func apply(_ changes: [Change]) throws -> CommitOutcome {
        try Change.checkSize(of: changes)
        var receipts: [ChangeReceipt] = []
        // Each expectation is of what was there before the commit.
        var attributes = AttributeChecks()
        for case .attribute(let change) in changes {
            let known = try catalogue.attributes(of: change.owner)
            try attributes.add(change, revision: known[UTF8Key(change.name)]?.revision, count: known.count)
        }
        for (index, change) in changes.enumerated() {
            switch change {
            case .append(let append):
                switch try apply(append) {
                case .receipts(let puts): receipts.append(.appended(puts))
                case .conflict(let last): return .conflict(change: index, last: last)
                case .sealed(let children): return .sealed(change: index, children: children)
                }
            case .seal(let seal):
                switch try apply(seal) {
                case .opened(let children): receipts.append(.sealed(children))
                case .alreadyClosed(let children): return .sealed(change: index, children: children)
                }
            case .checkpoint(let move):
                try apply(move)
                receipts.append(.done)
            case .control(let control):
                try apply(control)
                receipts.append(.done)
            case .attribute(let change):
                catalogue.apply(change)
                receipts.append(.done)
            case .reserved(let change): receipts.append(try apply(change))
            }
        }
        return .committed(receipts)
    }

    private mutating func apply(_ change: ReservedChange) throws -> ChangeReceipt {
        switch change.kind {
        case .park(let change):
            try apply(change)
            return .done
        case .takeOver(let stream, let shard, let epoch):
            return .takenOver(last: try takeOver(stream, shard, epoch: epoch))
        }
    }

    // MARK: Records

    private enum Appended {
        case receipts([PutReceipt])
        case conflict(last: SequenceNumber)
        case sealed(children: [ShardID])
    }

    private mutating func apply(_ append: Append) throws -> Appended {
        let stream = try catalogue.stream(append.stream)
        for record in append.records { try record.validate(maximumRecordSize: stream.settings.maximumRecordSize) }
        switch append.target {
        case .byKey:
            guard append.expectedLast == nil, append.epoch == 0 else {
                throw ShardlineError(
                    .invalidArgument, "an append by key can't expect a last number or hold a claim: name the shard")
            }
            let router = ShardRouter(stream)
            return .receipts(write(append.records, to: stream, shards: append.records.map(router.shard)))
        case .shard(let id):
            let shard = try stream.shard(id)
            guard shard.closedAt == nil else { return .sealed(children: shard.children) }
            // A producer without a claim (epoch 0) is not fenced.
            guard append.epoch == 0 || append.epoch >= shard.epoch else {
                throw ShardlineError(
                    .fenced,
                    "the claim \(append.epoch) on shard \(id.number) of '\(stream.name)' was overtaken by \(shard.epoch)"
                )
            }
            if let expected = append.expectedLast, expected != shard.last { return .conflict(last: shard.last) }
            return .receipts(
                write(append.records, to: stream, shards: Array(repeating: Int(id.number), count: append.records.count))
            )
        }
    }

    private mutating func write(_ records: [NewRecord], to stream: MemoryStream, shards: [Int]) -> [PutReceipt] {
        var chunks: [Int: (bytes: [UInt8], offsets: [UInt32])] = [:]
        var receipts: [PutReceipt] = []
        receipts.reserveCapacity(records.count)
        var heads = stream.shards
        for (record, number) in zip(records, shards) {
            var chunk = chunks.removeValue(forKey: number) ?? ([], [0])
            RecordEncoding.append(record, to: &chunk.bytes)
            chunk.offsets.append(UInt32(chunk.bytes.count))
            chunks[number] = chunk
            heads[number].last = heads[number].last.advanced(by: 1)
            // Arrivals must not decrease within a shard, even if the wall clock goes back.
            heads[number].lastArrival = max(now, heads[number].lastArrival)
            receipts.append(
                PutReceipt(
                    shard: heads[number].id, sequenceNumber: heads[number].last,
                    approximateArrivalTimestamp: heads[number].lastArrival,
                    shardCreationSecond: heads[number].creationSecond))
        }
        for (number, chunk) in chunks.sorted(by: { $0.key < $1.key }) {
            let count = chunk.offsets.count - 1
            let place = stream.place(of: heads[number].id)
            runs.append(
                (
                    place,
                    RecordRun(
                        bytes: chunk.bytes, offsets: chunk.offsets, range: 0..<count, shard: heads[number].id,
                        shardCreationSecond: heads[number].creationSecond,
                        firstSequence: stream.shards[number].last.advanced(by: 1), arrival: heads[number].lastArrival)
                ))
            touched.insert(place)
        }
        catalogue.streams[UTF8Key(stream.name)]?.shards = heads
        return receipts
    }

    // MARK: Shards

    private enum Sealed {
        case opened([ShardID])
        case alreadyClosed(children: [ShardID])
    }

    private mutating func apply(_ seal: Seal) throws -> Sealed {
        var stream = try catalogue.stream(seal.stream)
        let parents = try seal.parents.map(stream.shard)
        if let closed = parents.first(where: { $0.closedAt != nil }) {
            return .alreadyClosed(children: closed.children)
        }
        try seal.validate(ranges: parents.map(\.range))
        try Seal.checkCount(listed: stream.listedShards.count, new: seal.children.count)
        let closing = parents.map { max($0.lastArrival + .milliseconds(1), $0.openedAt) }.reduce(now, max)
        let numbers = UInt32(stream.shards.count)..<UInt32(stream.shards.count + seal.children.count)
        let second = CreationSecond.ofChildren(
            notBefore: parents.map { $0.creationSecond + 1 }.reduce(closing.second, max),
            retired: catalogue.retired, taken: catalogue.creationSeconds(of: numbers, except: stream.id))
        var children: [ShardID] = []
        for range in seal.children {
            let child = MemoryShard(
                id: ShardID(UInt32(stream.shards.count)), range: range, parents: parents, creationSecond: second,
                openedAt: closing)
            children.append(child.id)
            stream.shards.append(child)
        }
        for parent in parents {
            stream.close(parent.id, at: closing, children: children)
            touched.insert(stream.place(of: parent.id))
        }
        catalogue.streams[UTF8Key(seal.stream)] = stream
        return .opened(children)
    }

    private mutating func takeOver(_ name: String, _ id: ShardID, epoch: UInt64) throws -> SequenceNumber {
        var stream = try catalogue.stream(name)
        let shard = try stream.shard(id)
        guard epoch > shard.epoch else {
            throw ShardlineError(
                .fenced, "shard \(id.number) of '\(name)' is claimed with epoch \(shard.epoch); a claim must be higher")
        }
        stream.shards[Int(id.number)].epoch = epoch
        catalogue.streams[UTF8Key(name)] = stream
        return shard.last
    }

    // MARK: Mappings

    private mutating func apply(_ move: CheckpointMove) throws {
        guard let mapping = try checked(move.mapping, shard: move.checkpoint.shard, epoch: move.epoch) else { return }
        if let now = mapping.checkpoints[move.checkpoint.shard], now.position > move.checkpoint.position { return }
        var checkpoint = move.checkpoint
        checkpoint.earlierAttempts = nil
        catalogue.mappings[move.mapping]?.checkpoints[checkpoint.shard] = checkpoint
    }

    private mutating func apply(_ control: MappingControl) throws {
        try control.validate()
        var mapping = try catalogue.mapping(control.mapping)
        try control.check(revision: mapping.revision)
        mapping.act(
            at: now, by: control.actor, control.reason, configuration: control.configuration,
            isEnabled: control.isEnabled)
        catalogue.mappings[control.mapping] = mapping
        changesMappings = true
    }

    private mutating func apply(_ change: ParkedKeyChange) throws {
        try change.validate()
        guard try checked(change.mapping, shard: change.shard, epoch: change.epoch) != nil else { return }
        catalogue.mappings[change.mapping]?.park(change)
    }

    /// The mapping, for a change in this shard; nil if the shard is forgotten, so that the change has no effect.
    private func checked(_ key: MappingID, shard: ShardID, epoch: UInt64) throws -> MemoryMapping? {
        let mapping = try catalogue.mapping(key)
        let stream = try catalogue.stream(key.stream)
        let isForgotten = shard.number < stream.shards.count && stream.shards[Int(shard.number)].isForgotten
        if !isForgotten { _ = try stream.shard(shard) }
        try mapping.check(epoch: epoch)
        return isForgotten ? nil : mapping
    }
}

/// Finds the open shard that owns a record's hash key.
private struct ShardRouter {
    /// The open shards, ordered by hash key range.
    private let open: [MemoryShard]

    init(_ stream: MemoryStream) {
        open = stream.shards.filter { $0.closedAt == nil }.sorted { $0.range.first < $1.range.first }
    }

    func shard(of record: NewRecord) -> Int {
        guard open.count > 1 else { return Int(open[0].id.number) }
        let key = record.explicitHashKey ?? HashKey(partitionKey: record.partitionKey)
        var low = 0
        var high = open.count - 1
        while low < high {
            let middle = (low + high + 1) / 2
            if open[middle].range.first <= key { low = middle } else { high = middle - 1 }
        }
        return Int(open[low].id.number)
    }
}
